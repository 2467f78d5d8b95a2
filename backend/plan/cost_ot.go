package plan

import "fmt"

// How the correlated OTs of a session are made, and what that costs. The
// package that makes them (runtime/mpc/ot) knows nothing of plans; a test there
// holds its bytes and rounds to the figures below.

// The extensions.
const (
	OTSoftSpoken = "softspoken" // K/128 of a block a COT, little work
	OTFerret     = "ferret"     // silent: less than a bit a COT, a setup of some 0.3 MB
)

// OTKind is one direction's extension. The zero value is for a direction that
// needs no COTs.
type OTKind struct {
	Kind string `cbor:",omitempty"`
	K    int    `cbor:",omitempty"` // softspoken: 2, 4 or 8 bits a group
	Set  int    `cbor:",omitempty"` // ferret: tree depth, 10 to 13, which names the parameter set
}

// OT says for both directions how COTs are made, named by who is OT sender.
type OT struct{ ServerSends, ClientSends OTKind }

// MaxCOTs bounds the COTs of one direction.
const MaxCOTs = 1 << 44

// OTCost is the cost of all COTs of a session. Setup is what is there before the first
// COT; Stream follows while the COTs are being made, on channels of their own. Both are
// exact. The flights of the two directions cross.
type OTCost struct{ Setup, Stream Cost }

// ferretSet is (k, t) of the set of a depth: see docs/SECURITY.md.
func ferretSet(depth int) (k, t int64, ok bool) {
	switch depth {
	case 10:
		return 1 << 17, 850, true
	case 11:
		return 1 << 18, 1170, true
	case 12:
		return 1 << 19, 1520, true
	case 13:
		return 1 << 20, 1900, true
	}
	return 0, 0, false
}

// Sizes on the wire; names as in runtime/mpc/ot.
const (
	otBlock     = 16
	otHello     = 96           // receiver to sender: tag, seed, point
	otPoints    = 32 + 128*32  // sender to receiver: seed, 128 points
	otSums      = 128 * 2 * 16 // receiver to sender: sums of the levels of SoftSpoken's trees
	otRowsUnit  = 512          // SoftSpoken rounds up to this many rows
	otBootstrap = 8            // SoftSpoken's group size under Ferret
	otSmallSet  = 10           // makes the first OTs of the others
	otRowAlign  = 64           // Ferret's reserve is rounded up to this
)

// softBytes is what n COTs take, receiver to sender.
func softBytes(k int, n int64) int64 {
	rows := (n + otRowsUnit - 1) / otRowsUnit * otRowsUnit
	return (128/int64(k) - 1) * rows / 8
}

// ferretTrees is the number of trees for n COTs, and of those of the first iteration.
func ferretTrees(set int, n int64) (trees, first int64) {
	k, t, _ := ferretSet(set)
	rows := t << set
	reserve := (k + t*int64(set) + otRowAlign - 1) / otRowAlign * otRowAlign
	if n > rows {
		full := (n - rows + rows - reserve - 1) / (rows - reserve) // all iterations but the last
		trees, first = full*t, t
		n -= full * (rows - reserve)
	}
	trees += (n + 1<<set - 1) >> set
	if first == 0 {
		first = trees
	}
	return trees, first
}

// ferretBytes is what n COTs take, sender to receiver, and the COTs that must be there before.
func ferretBytes(set int, n int64) (bytes, before int64) {
	k, _, _ := ferretSet(set)
	trees, first := ferretTrees(set, n)
	return trees * int64(set-1) * otBlock, k + first*int64(set)
}

// check says whether the kind exists and n COTs may be made with it.
func (o OTKind) check(n int64) error {
	if n < 0 || n > MaxCOTs {
		return fmt.Errorf("%d COTs, limit %d", n, int64(MaxCOTs))
	}
	switch {
	case n == 0 && o == OTKind{}:
		return nil
	case o.Kind == OTSoftSpoken && o.Set == 0 && (o.K == 2 || o.K == 4 || o.K == 8):
		return nil
	case o.Kind == OTFerret && o.K == 0:
		if _, _, ok := ferretSet(o.Set); ok {
			return nil
		}
	}
	return fmt.Errorf("no OT extension %.40q with k = %d, set %d for %d COTs", o.Kind, o.K, o.Set, n)
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
	case o.Kind == OTSoftSpoken:
		return otFlights{[]int64{otHello, otPoints, otSums}, softBytes(o.K, n), 2}
	}
	bytes, before := ferretBytes(o.Set, n)
	f := otFlights{[]int64{otHello, otPoints, otSums}, bytes, 3}
	if o.Set > otSmallSet {
		small, first := ferretBytes(otSmallSet, before)
		f.setup, before = append(f.setup, small), first
	}
	f.setup[2] += softBytes(otBootstrap, before)
	return f
}

// work is what a COT of this kind takes on either side, in units of one
// COT of Ferret's set 11: 8 ns on a core of 2024 with VAES and AVX-512.
func (o OTKind) work() float64 {
	switch {
	case o.Kind == OTSoftSpoken:
		return map[int]float64{2: 1.4, 4: 1.4, 8: 3.8}[o.K]
	case o.Kind == OTFerret:
		return map[int]float64{10: 1, 11: 1, 12: 1.1, 13: 1.7}[o.Set]
	}
	return 0
}

// otSetupWork is the base OTs' work, in COTs.
const otSetupWork = 3 << 19

// Cost is what total COTs cost: exact bytes and flights. Either part's
// flights follow each other; Setup's come before Stream's.
func (o OT) Cost(total COTs) (c OTCost) {
	c.Setup.addOT(o.ServerSends.flights(total.ServerSends), o.ClientSends.flights(total.ClientSends), false)
	c.Stream.addOT(o.ServerSends.flights(total.ServerSends), o.ClientSends.flights(total.ClientSends), true)
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
// (first, third) run from OT receiver to OT sender.
func (c *Cost) addOT(server, client otFlights, stream bool) {
	for i := range 4 {
		var f Flight
		f.ToServer, f.ToClient = otTurn(i, server.bytes(i, stream), client.bytes(i, stream))
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

func (f otFlights) bytes(i int, stream bool) int64 {
	switch {
	case stream && i == f.at:
		return f.stream
	case !stream && i < len(f.setup):
		return f.setup[i]
	}
	return 0
}

// otKinds are what ChooseOT chooses from, in order of preference.
func otKinds() []OTKind {
	return []OTKind{
		{Kind: OTFerret, Set: 11}, {Kind: OTFerret, Set: 12}, {Kind: OTFerret, Set: 13}, {Kind: OTFerret, Set: 10},
		{Kind: OTSoftSpoken, K: 8}, {Kind: OTSoftSpoken, K: 4}, {Kind: OTSoftSpoken, K: 2},
	}
}

// ChooseOT picks for either direction what takes the fewest seconds under the profile.
func ChooseOT(total COTs, p CostProfile) OT {
	return OT{
		ServerSends: chooseOTKind(total.ServerSends, p),
		ClientSends: chooseOTKind(total.ClientSends, p),
	}
}

func chooseOTKind(n int64, p CostProfile) (best OTKind) {
	if n == 0 {
		return best
	}
	least := -1.0
	for _, k := range otKinds() {
		c := OT{ServerSends: k}.Cost(COTs{ServerSends: n})
		if s := p.Seconds(c.Setup.Add(c.Stream)); least < 0 || s < least {
			best, least = k, s
		}
	}
	return best
}
