package he

import (
	"context"
	"math/rand/v2"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/transport"
)

// Watched runs op once between fresh parties, drawing from a seed, and gives by
// output element the phase that the client rounds and the mask that the server
// rounds, modulo Q.
func Watched(t testing.TB, spec wire.LinearKeys, op *Op, seed byte, in [2][]uint64, w, bias []int64) (phase, mask []uint64) {
	t.Helper()
	ctx := context.Background()
	var drawn poly.Seed // by the server, for its response
	var client *Client
	var rec *recorder
	s, c := pair(func(conn transport.Conn) error {
		s, err := NewServer(ctx, conn, spec, rand.NewChaCha8([32]byte{seed, 1}))
		if err == nil {
			turn := s.Turn()
			if _, drawn, err = s.secretSampler(ofTurn(turn.number)); err != nil {
				return err
			}
			_, err = s.Linear(ctx, conn, turn, op, in[transport.Server], w, bias, 1)
		}
		return err
	}, func(conn transport.Conn) (err error) {
		rec = &recorder{Conn: conn}
		if client, err = NewClient(ctx, rec, spec, rand.NewChaCha8([32]byte{seed, 2})); err == nil {
			rec.on = true
			_, err = client.Linear(ctx, rec, client.Turn(), op, in[transport.Client], 1)
		}
		return err
	})
	if s != nil || c != nil {
		t.Fatal(s, c)
	}
	return client.phases(op, rec.data), client.masks(op, drawn)
}

// phases opens a recorded response: what the client rounds.
func (c *Client) phases(op *Op, response []byte) []uint64 {
	out := make([]uint64, op.NumOut)
	d := c.newDecryptor(op, nil)
	for m := range op.Map.Responses() {
		for set := range op.sets() {
			n := d.p1.Len(c.ring.N())
			if err := d.uniformHalf(response[:n]); err != nil {
				panic(err)
			}
			response = response[n:]
			from, to := op.tilesOf(set)
			for t := from; t < to; t++ {
				coef, elem := op.Map.Response(t, m, nil, nil)
				n := d.p0.Len(len(coef))
				open, err := d.open(t, coef, response[:n])
				if err != nil {
					panic(err)
				}
				for k, v := range open {
					out[elem[k]] = v
				}
				response = response[n:]
			}
		}
	}
	return out
}

// masks are what a server whose response drew from seed masked its outputs by.
func (c *Client) masks(op *Op, seed poly.Seed) []uint64 {
	out := make([]uint64, op.NumOut)
	random := poly.NewSampler(seed)
	for m := range op.Map.Responses() {
		for t := range op.Map.Tiles() {
			_, elem := op.Map.Response(t, m, nil, nil)
			mask := make([]uint64, len(elem))
			random.Uniform(c.ring, mask, uint64(m*op.Map.Tiles()+t))
			for k, e := range elem {
				out[e] = mask[k]
			}
		}
	}
	return out
}

// SharesOfSum runs a sum once between fresh parties and gives both parties' shares.
func SharesOfSum(t testing.TB, spec wire.LinearKeys, seed byte, terms func(transport.Role) ([]Term, []uint64)) (shares [2][]uint64) {
	t.Helper()
	ctx := context.Background()
	s, c := pair(func(conn transport.Conn) error {
		s, err := NewServer(ctx, conn, spec, rand.NewChaCha8([32]byte{seed, 1}))
		if err == nil {
			mine, add := terms(transport.Server)
			shares[transport.Server], err = s.Sum(ctx, conn, withTurns(mine, s.Turn), add, 1)
		}
		return err
	}, func(conn transport.Conn) error {
		c, err := NewClient(ctx, conn, spec, rand.NewChaCha8([32]byte{seed, 2}))
		if err == nil {
			mine, add := terms(transport.Client)
			shares[transport.Client], err = c.Sum(ctx, conn, withTurns(mine, c.Turn), add, 1)
		}
		return err
	})
	if s != nil || c != nil {
		t.Fatal(s, c)
	}
	return shares
}

func withTurns(terms []Term, turn func() *Turn) []Term {
	for i := range terms {
		terms[i].Turn = turn()
	}
	return terms
}
