package nonlinear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// Every message must be uniform given the receiver's view, not only right. The
// observer's inputs and its part of all correlations are the same for all elements, and only
// what it lacks is fresh: then every bit that it receives, and the sum of every two, is balanced over
// the elements, and no plane of bits is a sum of any others. A pad used twice leaves all results right and shows here.

// maxBias is far beyond what balanced planes reach: some 10^6 of them and of their
// pairs stay below 5.5 standard deviations.
const maxBias = 6.5

// uniformCase is one protocol in one shape on elements that all have the same
// share x at this party, of 12 bits.
type uniformCase struct {
	name string
	run  func(ctx context.Context, p *Party, x []uint64) error
}

// none forgets a protocol's result.
func none[T any](_ T, err error) error { return err }

const uniformBits = 12

func uniformCases() (all []uniformCase) {
	add := func(name string, run func(ctx context.Context, p *Party, x []uint64) error) {
		all = append(all, uniformCase{name, run})
	}
	for _, tree := range trees {
		g := Sign{uniformBits, 1, uniformBits, tree}
		tree := fmt.Sprintf("%+v", tree)
		add("DReLU "+tree, func(ctx context.Context, p *Party, x []uint64) error { return none(p.DReLU(ctx, x, g)) })
		add("Relu, wide "+tree, func(ctx context.Context, p *Party, x []uint64) error {
			return none(p.Relu(ctx, x, g, nil, 20))
		})
		early := g
		early.Tree = known(g.Tree)
		add("prepared DReLU "+tree, func(ctx context.Context, p *Party, x []uint64) error {
			return none(ahead(ctx, p, x, func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) { return p.DReLU(ctx, x, early) }))
		})
		add("prepared Relu, wide "+tree, func(ctx context.Context, p *Party, x []uint64) error {
			return none(ahead(ctx, p, x, func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) {
				return p.Relu(ctx, x, early, nil, 20)
			}))
		})
		add("prepared Clip "+tree, func(ctx context.Context, p *Party, x []uint64) error {
			return none(ahead(ctx, p, x, func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) { return p.Clip(ctx, x, early, -5, 9) }))
		})
		add("Above "+tree, func(ctx context.Context, p *Party, x []uint64) error {
			return none(p.Above(ctx, x, []int64{3, 3 + 16, 40, 40 - 128}, g))
		})
		add("ExtendAny "+tree, func(ctx context.Context, p *Party, x []uint64) error {
			return none(p.ExtendAny(ctx, x, uniformBits, 20, g.Tree))
		})
		add("TruncateExact "+tree, func(ctx context.Context, p *Party, x []uint64) error {
			return none(p.TruncateExact(ctx, x, uniformBits, 5, 14, g.Tree))
		})
	}
	for _, tree := range labels(uniformBits - 2) {
		g := Sign{uniformBits, 1, uniformBits, tree}
		name := fmt.Sprintf("leaf %d, arity %d", tree.Leaf, tree.Arity)
		for _, to := range []int{uniformBits, 20} {
			add(fmt.Sprintf("labelled Relu to %d, %s", to, name), func(ctx context.Context, p *Party, x []uint64) error {
				share := draw(rand.New(rand.NewPCG(uint64(to), 9)), len(x), to, to) // what the server must not know
				return none(aheadShared(ctx, p, x, share, func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) {
					return p.Relu(ctx, x, g, nil, to)
				}))
			})
		}
		add("labelled Select, "+name, func(ctx context.Context, p *Party, x []uint64) error {
			net := wire.Network{Inputs: 3, Levels: [][][2]int32{{{0, 1}}, {{3, 2}}}, Outputs: []int32{4}}
			return none(ahead(ctx, p, append(append(append([]uint64(nil), x...), x...), x...), func(ctx context.Context, p *Party, y []uint64) ([]uint64, error) {
				_, at, err := p.Select(ctx, y, len(x), net, g, 2)
				return at, err
			}))
		})
	}
	return append(all, flatCases(Sign{uniformBits, 0, uniformBits, wire.Tree{Leaf: 3}})...)
}

// flatCases are the protocols whose shape is their tree's or that have none.
func flatCases(g Sign) (all []uniformCase) {
	bits := g.Bits
	add := func(name string, run func(ctx context.Context, p *Party, x []uint64) error) {
		all = append(all, uniformCase{name, run})
	}
	bitsOf := func(x []uint64, at int) []uint64 { // a shared bit, the same for all elements
		b := make([]uint64, ring.Words(len(x)))
		for i := range b {
			b[i] = -(x[0] >> at & 1)
		}
		return b
	}
	add("And", func(ctx context.Context, p *Party, x []uint64) error {
		z := make([]uint64, ring.Words(len(x)))
		return p.joins(ctx, len(x), []gate{{x: bitsOf(x, 1), y: [][]uint64{bitsOf(x, 2)}, z: [][]uint64{z}}}, nil)
	})
	add("Mux", func(ctx context.Context, p *Party, x []uint64) error { return none(p.Mux(ctx, bitsOf(x, 0), x, bits)) })
	add("ToArith", func(ctx context.Context, p *Party, x []uint64) error {
		return none(p.ToArith(ctx, bitsOf(x, 3), len(x), 17))
	})
	add("Relu", func(ctx context.Context, p *Party, x []uint64) error {
		return none(p.Relu(ctx, x, g, nil, bits))
	})
	add("Relu, flipped and wide", func(ctx context.Context, p *Party, x []uint64) error { return none(p.Relu(ctx, x, g, &Flip{}, 20)) })
	add("Clip", func(ctx context.Context, p *Party, x []uint64) error { return none(p.Clip(ctx, x, g, -5, 9)) })
	add("ClipBelow", func(ctx context.Context, p *Party, x []uint64) error { return none(p.ClipBelow(ctx, x, g, 7)) })
	add("ClipAbove", func(ctx context.Context, p *Party, x []uint64) error { return none(p.ClipAbove(ctx, x, g, 7)) })
	add("ExtendNonNeg", func(ctx context.Context, p *Party, x []uint64) error { return none(p.ExtendNonNeg(ctx, x, bits, 20)) })
	add("Extend", func(ctx context.Context, p *Party, x []uint64) error { return none(p.Extend(ctx, x, bits, 20)) })
	add("TruncateStochastic", func(ctx context.Context, p *Party, x []uint64) error {
		return none(p.TruncateStochastic(ctx, x, bits, 5, 14))
	})
	add("Mul", func(ctx context.Context, p *Party, x []uint64) error { return none(p.Mul(ctx, x, x, bits)) })
	add("Square", func(ctx context.Context, p *Party, x []uint64) error { return none(p.Square(ctx, x, bits)) })
	add("MatMul", func(ctx context.Context, p *Party, x []uint64) error {
		return none(p.MatMul(ctx, x, x[:4], Matrix{1, len(x) / 4, 4, 1}, bits))
	})
	factor := func(p *Party, x []uint64) []uint64 { // the server's
		if p.Role != transport.Server {
			return nil
		}
		f := make([]uint64, len(x))
		for i := range f {
			f[i] = 11
		}
		return f
	}
	add("MulByServer", func(ctx context.Context, p *Party, x []uint64) error {
		return none(p.MulByServer(ctx, x, factor(p, x), 4, bits))
	})
	add("PRelu", func(ctx context.Context, p *Party, x []uint64) error {
		return none(p.PRelu(ctx, x, g, factor(p, x), 3))
	})
	add("LinearOT", func(ctx context.Context, p *Party, x []uint64) error {
		w := len(x) / 64
		c := &Conv{Batch: 1, G: 1, CIn: 1, COut: 2, H: 64, W: w, OH: 64, OW: w, KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1,
			Bits: bits, Digits: []BitRange{{0, 4}}, Taps: []Reach{{0, 64, 0, w}}, Piece: 1 << 16, Wave: 1 << 16}
		return none(p.LinearOT(ctx, x, c, []int64{5, -3}, []int64{1, 2}))
	})
	early := g
	early.Tree = known(g.Tree)
	add("prepared Select", func(ctx context.Context, p *Party, x []uint64) error {
		net := wire.Network{Inputs: 3, Levels: [][][2]int32{{{0, 1}}, {{3, 2}}}, Outputs: []int32{4}}
		return none(ahead(ctx, p, append(append(append([]uint64(nil), x...), x...), x...), func(ctx context.Context, p *Party, y []uint64) ([]uint64, error) {
			_, at, err := p.Select(ctx, y, len(x), net, early, 2)
			return at, err
		}))
	})
	add("Select", func(ctx context.Context, p *Party, x []uint64) error {
		net := wire.Network{Inputs: 3, Levels: [][][2]int32{{{0, 1}}, {{3, 2}}}, Outputs: []int32{4}}
		_, _, err := p.Select(ctx, append(append(append([]uint64(nil), x...), x...), x...), len(x), net, g, 2)
		return err
	})
	for name, f := range namedByBits() {
		add("Piecewise of "+name, func(ctx context.Context, p *Party, x []uint64) error { return none(p.Piecewise(ctx, x, f)) })
		if f.StepBits == 0 && f.Leaf < wire.MaxLeaf {
			continue
		}
		early := *f
		early.Prepared = true
		add("prepared Piecewise of "+name, func(ctx context.Context, p *Party, x []uint64) error {
			return none(ahead(ctx, p, x, func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) { return p.Piecewise(ctx, x, &early) }))
		})
	}
	for name, f := range map[string]Pieces{
		"steps": {Knots: []int64{-40, 0, 40}, Slope: []int64{0, 0, 0, 0}, Offset: []int64{0, 1, 2, 3}},
		"lines": {Knots: []int64{-40, 40}, Slope: []int64{0, 3, 1}, Offset: []int64{0, 120, 200}, Frac: 3},
	} {
		add("Spline of "+name, func(ctx context.Context, p *Party, x []uint64) error { return none(p.Spline(ctx, x, f, g, bits)) })
	}
	return all
}

// namedByBits are tables on six named bits, five and the sign, with all products.
func namedByBits() map[string]*wire.Piecewise {
	all := map[string]*wire.Piecewise{}
	for name, f := range map[string]wire.Piecewise{
		"lines":             {Leaf: 1, Arity: 3, SlopeBits: 4, Frac: 4, Ring: 18},
		"narrow lines":      {Leaf: 3, Arity: 2, SlopeBits: 3, Frac: 3, Ring: 11, Triples: true, Slope: -2, StepBits: 4, StepShift: 9, Steep: [2]int64{0, 8}},
		"gated lines":       {Leaf: 2, Arity: 3, Cross: true, SlopeBits: 3, Frac: 3, Ring: 11, StepBits: 4, StepShift: 9, Gate: 5, Beyond: [2]int64{-8, 8}},
		"constants":         {Leaf: 2, Arity: 2, Ripple: true, Ring: 14, Positive: true},
		"lines, crossing":   {Leaf: 2, Arity: 3, Cross: true, SlopeBits: 3, Frac: 3, Ring: 17},
		"lines, crossing 3": {Leaf: 3, Arity: 3, Cross: true, SlopeBits: 3, Frac: 3, Ring: 17},
		"lines, crossing 5": {Leaf: 5, Arity: 3, Cross: true, SlopeBits: 3, Frac: 3, Ring: 17},
		"lines, by triples": {Leaf: 4, Arity: 3, SlopeBits: 2, SlopeShift: 1, Frac: 3, Ring: 17, Triples: true},
	} {
		f.Bits, f.Low, f.OffsetBits, f.Out = uniformBits, uniformBits-2-5, 6, 14
		for m := range uint32(64) {
			f.Terms = append(f.Terms, wire.Term{Bits: m, Slope: uint64(m*7) & ring.Mask(f.SlopeBits), Offset: uint64(m*11) & ring.Mask(6), Step: uint64(m*13) & ring.Mask(f.StepBits)})
		}
		all[name] = &f
	}
	return all
}

// biasOf runs a case on n elements with one share for all and gives the worst
// deviation of what the observer received, and how much of it is a sum of the rest.
func biasOf(t *testing.T, c uniformCase, view *mpctest.View, observer transport.Role, share [2]uint64, n int) (worst float64, planes, dependent int) {
	t.Helper()
	pair := mpctest.NewPair(1)
	seen := &mpctest.Recorder{Conn: pair.Conn[observer]}
	err := pair.Run(func(ctx context.Context, role transport.Role) error {
		p := &Party{Role: role, Conn: pair.Conn[role], Corr: From(view.Sources(role))}
		if role == observer {
			p.Conn = seen
		}
		x := make([]uint64, n)
		for i := range x {
			x[i] = share[role]
		}
		return c.run(ctx, p, x)
	})
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	worst, planes = seen.Bias(n)
	return worst, planes, seen.Dependent(n)
}

func TestMessagesAreUniformGivenTheView(t *testing.T) {
	n, pairs := 1024, 1
	if slow {
		n, pairs = wire.Chunk, 3
	}
	r := rand.New(rand.NewPCG(11, 12))
	most, all := 0.0, 0
	for _, c := range uniformCases() {
		for observer := range transport.Role(2) {
			for range pairs {
				share := [2]uint64{r.Uint64() & ring.Mask(uniformBits), r.Uint64() & ring.Mask(uniformBits)}
				worst, planes, dependent := biasOf(t, c, mpctest.NewView(observer, r.Uint64()), observer, share, n)
				if worst > maxBias {
					t.Errorf("%s: what party %d receives with shares %d and %d is off by %.1f standard deviations", c.name, observer, share[0], share[1], worst)
				}
				if dependent > 0 || planes > n-64 {
					t.Errorf("%s: of %d planes that party %d receives on %d elements %d are sums of others", c.name, planes, observer, n, dependent)
				}
				most, all = max(most, worst), all+planes*(planes+1)/2
				if planes == 0 && c.name != "LinearOT" && c.name != "MulByServer" {
					t.Errorf("%s: party %d received nothing that could be looked at", c.name, observer)
				}
			}
		}
	}
	t.Logf("%d planes and pairs of planes, %.2f standard deviations at most", all, most)
}

// oneBatch are those that take a single batch in a direction, so that none can
// be dealt twice.
var oneBatch = map[string]bool{
	"And": true, "Mux": true, "ToArith": true, "Extend": true, "ExtendNonNeg": true, "TruncateStochastic": true, "LinearOT": true,
}

// The test sees what it is for: batches dealt twice.
func TestUniformitySeesPadsUsedTwice(t *testing.T) {
	for _, c := range uniformCases() {
		worst := 0.0
		for observer := range transport.Role(2) {
			w, _, _ := biasOf(t, c, mpctest.NewReusedView(observer, 5), observer, [2]uint64{1234, 987}, 1024)
			worst = max(worst, w)
		}
		if worst < 20 && !oneBatch[c.name] {
			t.Errorf("%s: pads used twice show as %.1f standard deviations", c.name, worst)
		}
	}
}
