package plan

import (
	"fmt"

	"secc.example/secc/backend/plan/wire"
)

// How the correlated OTs of a session are made, and what that costs. The
// package that makes them (runtime/mpc/ot) knows nothing of plans; a test there
// holds its bytes and rounds to the figures below.

// OTKind is one direction's extension. The zero value is for a direction that
// needs no COTs.
type OTKind struct {
	Kind string `cbor:",omitempty"`
	K    int    `cbor:",omitempty"` // softspoken: 2, 4 or 8 bits a group
	Set  int    `cbor:",omitempty"` // ferret: tree depth, 10 to 13, which names the parameter set
}

// OT says for both directions how COTs are made, named by who is OT sender.
type OT struct{ ServerSends, ClientSends OTKind }

// OTCost is the cost of all COTs of a session. Setup is what is there before the first
// COT; Stream follows while the COTs are being made, on channels of their own. Both are
// exact. The flights of the two directions cross.
type OTCost struct{ Setup, Stream Cost }

// check says whether the kind exists and n COTs may be made with it.
func (o OTKind) check(n int64) error {
	if n == 0 {
		if o == (OTKind{}) {
			return nil
		}
		n = 1 // an extension that makes none must exist all the same
	}
	return wire.CheckOTs(o.Kind, o.K, o.Set, n)
}

// Validate checks that both directions can make what is needed.
func (o OT) Validate(total COTs) error {
	if err := o.ServerSends.check(total.ServerSends); err != nil {
		return fmt.Errorf("COTs with the server as OT sender: %w", err)
	}
	if err := o.ClientSends.check(total.ClientSends); err != nil {
		return fmt.Errorf("COTs with the client as OT sender: %w", err)
	}
	return nil
}

// otFlights are the flights of one direction in order, receiver to sender
// first and then alternating: those of the setup, and what the stream adds to flight
// number at.
type otFlights struct {
	setup  []int64
	stream int64
	at     int
}

func (o OTKind) flights(n int64) otFlights {
	switch {
	case n == 0:
		return otFlights{}
	case o.Kind == wire.SoftSpoken:
		return otFlights{[]int64{wire.HelloBytes, wire.PointsBytes, wire.TreesBytes(o.K)}, wire.SoftBytes(o.K, n), 2}
	}
	chain := wire.FerretChain(o.Set)
	f := otFlights{[]int64{wire.HelloBytes, wire.PointsBytes, wire.TreesBytes(wire.BootstrapK)}, 0, 3}
	for i := len(chain) - 1; i >= 0; i-- { // backwards: each must make what the next begins with
		if i == len(chain)-1 {
			f.stream = chain[i].Bytes(n)
		} else {
			f.setup = append(f.setup, chain[i].Bytes(n))
		}
		n = int64(chain[i].First(n))
	}
	f.setup[2] += wire.SoftBytes(wire.BootstrapK, n)
	return f
}

// work is what a COT of this kind takes on either side, in units of one
// COT of Ferret's set 11, 8 ns on a core of 2024 with VAES and AVX-512: secc bench ot, two
// idle runs of 2026-11-29. SoftSpoken's check (0.3 with k = 8, 0.6 and 1 with 4 and 2) is left out, as
// is that of the COTs that Ferret begins with, which are more than SoftSpoken is chosen for.
func (o OTKind) work() float64 {
	switch {
	case o.Kind == wire.SoftSpoken:
		return map[int]float64{2: 1.2, 4: 1, 8: 3}[o.K]
	case o.Kind == wire.Ferret:
		return map[int]float64{10: 1, 11: 1, 12: 1, 13: 1.3}[o.Set]
	}
	return 0
}

// otSetupWork is the base OTs' work, in COTs.
const otSetupWork = 3 << 19

// Cost is what total COTs cost: exact bytes and flights. Either part's
// flights follow each other; Setup's come before Stream's.
func (o OT) Cost(total COTs) (c OTCost) {
	server, client := o.ServerSends.flights(total.ServerSends), o.ClientSends.flights(total.ClientSends)
	c.Setup.addOT(server, client, otFlights.setUp)
	c.Stream.addOT(server, client, otFlights.streamed)
	units := float64(total.ServerSends)*o.ServerSends.work() + float64(total.ClientSends)*o.ClientSends.work()
	c.Stream.Work.Server[UnitCOT], c.Stream.Work.Client[UnitCOT] = units, units
	setup := 0.0
	for _, n := range []int64{total.ServerSends, total.ClientSends} {
		if n > 0 {
			setup += otSetupWork
		}
	}
	c.Setup.Work.Server[UnitCOT], c.Setup.Work.Client[UnitCOT] = setup, setup
	return c
}

// addOT lays the flights of both directions over each other. The odd ones
// (first, third) run from OT receiver to OT sender; bytes is what a part takes of flight i.
func (c *Cost) addOT(server, client otFlights, bytes func(f otFlights, i int) int64) {
	for i := range 4 {
		var f Flight
		f.ToServer, f.ToClient = otTurn(i, bytes(server, i), bytes(client, i))
		if f != (Flight{}) {
			c.Flights = append(c.Flights, f)
		}
	}
}

func otTurn(i int, serverSends, clientSends int64) (toServer, toClient int64) {
	if i%2 == 0 {
		return serverSends, clientSends
	}
	return clientSends, serverSends
}

func (f otFlights) setUp(i int) int64 {
	if i < len(f.setup) {
		return f.setup[i]
	}
	return 0
}

func (f otFlights) streamed(i int) int64 {
	if i == f.at {
		return f.stream
	}
	return 0
}
