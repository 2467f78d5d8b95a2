package mpctest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"secc.example/secc/runtime/transport"
)

// Counts is what a run put on the wire and used up.
type Counts struct {
	ToServer, ToClient       int64 // payload bytes
	Rounds                   int
	ServerSends, ClientSends int64 // random OTs by their sender
}

// Pair is both ends of a connection and of the correlations.
type Pair struct {
	Conn     [2]*PipeConn
	ByServer *Dealer // the server is the OT sender
	ByClient *Dealer
}

// NewPair connects two parties.
func NewPair(seed uint64) *Pair {
	p := &Pair{ByServer: NewDealer(seed), ByClient: NewDealer(^seed)}
	p.Conn[transport.Server], p.Conn[transport.Client] = Pipe()
	for _, c := range p.Conn {
		c.Timeout = 30 * time.Second
	}
	return p
}

// Sources are a party's ends of the correlations.
func (p *Pair) Sources(role transport.Role) (Sender, Receiver) {
	if role == transport.Server {
		return p.ByServer.Sender(), p.ByClient.Receiver()
	}
	return p.ByClient.Sender(), p.ByServer.Receiver()
}

// Run runs both parties to their end. A party that fails closes its connection.
func (p *Pair) Run(f func(ctx context.Context, role transport.Role) error) error {
	server, client := p.RunBoth(f)
	return errors.Join(server, client)
}

// RunBoth is Run with the two errors apart.
func (p *Pair) RunBoth(f func(ctx context.Context, role transport.Role) error) (server, client error) {
	var errs [2]error
	var wg sync.WaitGroup
	for _, role := range []transport.Role{transport.Server, transport.Client} {
		wg.Go(func() {
			if errs[role] = f(context.Background(), role); errs[role] != nil {
				p.Conn[role].Close()
			}
		})
	}
	wg.Wait()
	return errs[transport.Server], errs[transport.Client]
}

// Counts reads both connections and dealers.
func (p *Pair) Counts() Counts {
	s, c := p.Conn[transport.Server].Stats(), p.Conn[transport.Client].Stats()
	n := Counts{ToServer: c.Sent, ToClient: s.Sent, Rounds: max(s.Rounds, c.Rounds)}
	n.ServerSends, _ = p.ByServer.Counts()
	n.ClientSends, _ = p.ByClient.Counts()
	return n
}

// Share splits x into two shares in Z_2^bits, the first uniform.
func Share(r *rand.Rand, x []uint64, bits int) [2][]uint64 {
	s := [2][]uint64{make([]uint64, len(x)), make([]uint64, len(x))}
	m := ^uint64(0) >> (64 - bits)
	for i, v := range x {
		s[0][i] = r.Uint64() & m
		s[1][i] = (v - s[0][i]) & m
	}
	return s
}

// Open adds two shares up.
func Open(s [2][]uint64, bits int) []uint64 {
	x, m := make([]uint64, len(s[0])), ^uint64(0)>>(64-bits)
	for i := range x {
		x[i] = (s[0][i] + s[1][i]) & m
	}
	return x
}
