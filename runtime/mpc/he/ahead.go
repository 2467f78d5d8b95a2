package he

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/transport"
)

// An operator may be prepared: its product is made of the client's share of the input alone,
// before the server's exists. Linear's two halves then lie apart:
//
//	client  Upload, Download     its share of w*xC, which is its share of the result
//	server  Multiply             masks, which it keeps as a seed
//	        Finisher.Finish      once xS is there: its share, from acc = w*xS + bias in the clear
//
// The shares are those of Linear: where that adds the server's encoded share to every upload,
// Finish adds the encoded product of it, at full resolution, to the mask before that is
// rounded. So the error is Linear's: two roundings and the noise, of which the encoding of
// the server's share was a part and now is half a unit of Q.

// Upload is the first half of Client.Linear. Uploads may precede the downloads of those before
// them; either come in the order of the server's operators.
func (c *Client) Upload(ctx context.Context, conn transport.Conn, turn *Turn, op *Op, in []uint64, threads int) error {
	if err := op.validate(c.spec, len(in)); err != nil {
		return err
	}
	if err := c.upload(ctx, conn, op, turn.spend(), in, threads); err != nil {
		return fmt.Errorf("he: linear: send input: %w", err)
	}
	return nil
}

// Download is the second half of Client.Linear.
func (c *Client) Download(ctx context.Context, conn transport.Conn, op *Op, threads int) ([]uint64, error) {
	phases := make([]uint64, op.NumOut)
	if err := c.download(ctx, conn, op, phases, threads); err != nil {
		return nil, fmt.Errorf("he: linear: receive result: %w", err)
	}
	c.ring.Round(phases, phases, op.OutBits)
	return phases, nil
}

// Mask is what the server keeps of a prepared product: the seed of its masks. It is used once.
type Mask struct {
	Seed poly.Seed
	used bool
}

// Multiply is the server's side of a prepared product: Linear without a share of the input
// and without a bias. Flights, sizes, noise and what the client sees are Linear's.
func (s *Server) Multiply(ctx context.Context, conn transport.Conn, turn *Turn, op *Op, weights []int64, threads int) (*Mask, error) {
	alone := *op
	alone.ClientInput = true
	if err := alone.validate(s.spec, op.NumIn); err != nil {
		return nil, err
	}
	threads = max(1, threads)
	e := &evaluation{s: s, op: &alone, call: turn.spend()}
	if err := e.takeWeights(weights); err != nil {
		return nil, err
	}
	if err := e.receive(ctx, conn, threads); err != nil {
		return nil, fmt.Errorf("he: linear: receive input: %w", err)
	}
	if err := e.respond(ctx, conn, threads); err != nil {
		return nil, fmt.Errorf("he: linear: send result: %w", err)
	}
	return &Mask{Seed: e.seed}, nil
}

// Finisher makes the server's shares of prepared products. It takes no keys, so a session that
// only uses what was prepared before has none. Several goroutines may use one.
type Finisher struct{ ring *poly.Ring }

// NewFinisher finishes what was prepared with such keys.
func NewFinisher(spec wire.LinearKeys) (*Finisher, error) {
	if err := validateKeys(spec); err != nil {
		return nil, err
	}
	ring, err := newRing(spec.N, spec.Modulus)
	return &Finisher{ring}, err
}

// Finish gives the server's share of the result: acc is w*xS + bias in Z_2^InBits, and is overwritten.
func (f *Finisher) Finish(m *Mask, op *Op, acc []uint64) []uint64 {
	if m.used {
		panic("BUG: he: masks used twice")
	}
	m.used = true
	r := f.ring
	random, mask, masks := poly.NewSampler(m.Seed), r.NewPoly(), make([]uint64, op.NumOut)
	tiles := op.Map.Tiles()
	var coef, elem []int32
	for response := range op.Map.Responses() {
		for t := range tiles {
			coef, elem = op.Map.Response(t, response, coef, elem)
			mask := mask[:len(elem)]
			random.Uniform(r, mask, maskIndex(response, tiles, t))
			for k, at := range elem {
				masks[at] = mask[k]
			}
		}
	}
	for i, x := range acc {
		acc[i] = -x
	}
	return shareOf(r, op, masks, acc)
}

// maskIndex numbers the masks of a tile's part of a response.
func maskIndex(response, tiles, tile int) uint64 { return uint64(response*tiles + tile) }
