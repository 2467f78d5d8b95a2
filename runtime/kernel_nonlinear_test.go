package runtime

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/transport"
)

// given are weights in memory.
type given map[string][]int64

func (g given) Ints(name string, n int) ([]int64, error) {
	if len(g[name]) != n {
		return nil, fmt.Errorf("%s: %d elements, want %d", name, len(g[name]), n)
	}
	return g[name], nil
}

// stepCase is one step, the operands' bound |x| < 2^(width-1), and its slots.
type stepCase struct {
	step    plan.Step
	width   int
	nonNeg  bool
	in, out []plan.SlotType
	weights given
	same    bool // the operand stands twice
}

func vector(n, bits int) plan.SlotType { return plan.SlotType{Shape: []int{n}, Bits: bits} }

// values draws operands, with the edges among them.
func (sc *stepCase) values(r *rand.Rand) (in []Vec) {
	for _, t := range sc.in {
		x, top := make(Vec, t.N()), mask(sc.width-1)
		edges := []uint64{0, 1, ^uint64(0), top, -top}
		for i := range x {
			if i%4 == 0 {
				x[i] = edges[i/4%len(edges)]
			} else if x[i] = r.Uint64() & top; r.Uint64()&1 == 1 {
				x[i] = -x[i]
			}
			if sc.nonNeg {
				x[i] &= top
			}
			x[i] &= mask(t.Bits)
		}
		in = append(in, x)
	}
	return in
}

// check runs the step between two parties and holds it to its ideal, its slack
// and its cost. It returns what was sent.
func (sc *stepCase) check(t *testing.T, r *rand.Rand) mpctest.Counts {
	t.Helper()
	s := &sc.step
	p := &plan.Plan{Slots: append(append([]plan.SlotType{}, sc.in...), sc.out...)}
	for i := range sc.in {
		s.In = append(s.In, plan.Slot(i))
		if sc.same {
			s.In = append(s.In, plan.Slot(i))
		}
	}
	for i := range sc.out {
		s.Out = append(s.Out, plan.Slot(len(sc.in)+i))
	}
	if err := s.Attrs.Legal(p, s); err != nil {
		t.Fatal(err)
	}
	k := nonlinearProtocols()[s.Proto]
	values := sc.values(r)
	if sc.same {
		values, sc.in = append(values, values[0]), append(sc.in, sc.in[0])
	}
	want, err := k.ideal(&Call{Step: s, In: values, InTypes: sc.in, OutTypes: sc.out}, sc.weights)
	if err != nil {
		t.Fatal(err)
	}
	got, counts := sc.runBoth(t, r, values)
	var slack uint64
	if k.slack != nil {
		slack = k.slack(s)
	}
	bits := sc.out[0].Bits
	for i, y := range mpctest.Open(got, bits) {
		d := Signed(y-want[0][i], bits)
		if uint64(max(d, -d)) > slack {
			t.Fatalf("element %d of %v: got %d, want %d", i, sc.in, Signed(y, bits), Signed(want[0][i], bits))
		}
	}
	checkCost(t, s.Attrs.Cost(p, []*plan.Step{s}), counts)
	return counts
}

func (sc *stepCase) runBoth(t *testing.T, r *rand.Rand, values []Vec) (got [2]Vec, counts mpctest.Counts) {
	t.Helper()
	var in [2][]Vec
	for i, x := range values {
		both := mpctest.Share(r, x, sc.in[i].Bits)
		if sc.same && i == 1 {
			both = [2]Vec{in[0][0], in[1][0]}
		}
		in[0], in[1] = append(in[0], both[0]), append(in[1], both[1])
	}
	pair := mpctest.NewPair(r.Uint64())
	err := pair.Run(func(ctx context.Context, role transport.Role) error {
		np := &nonlinear.Party{Role: role, Conn: pair.Conn[role], Corr: nonlinear.From(pair.Sources(role))}
		var w Weights
		if role == transport.Server {
			w = sc.weights
		}
		y, err := nonlinearProtocols()[sc.step.Proto].run(ctx, np, &Call{Step: &sc.step, In: in[role], InTypes: sc.in, OutTypes: sc.out}, w)
		if err == nil {
			got[role] = y[0]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, pair.Counts()
}

func checkCost(t *testing.T, c plan.Cost, n mpctest.Counts) {
	t.Helper()
	want := mpctest.Counts{
		ToServer: c.ToServer(), ToClient: c.ToClient(), Rounds: plan.Depth{}.After(c.Flights).Rounds(),
		ServerSends: c.COTs.ServerSends, ClientSends: c.COTs.ClientSends,
	}
	if n != want {
		t.Fatalf("measured %+v\npredicted %+v", n, want)
	}
}

// forWidths makes cases of several widths and lengths; the largest length for
// one ring only, unless slow.
func forWidths(t *testing.T, f func(bits, n int) []stepCase) {
	widths := []int{3, 4, 8, 15, 16, 17, 32, 40}
	if slow {
		widths = nil
		for bits := 3; bits <= 40; bits++ {
			widths = append(widths, bits)
		}
	}
	for _, bits := range widths {
		for _, n := range []int{1, 7, 64, 65, 100_000} {
			if n == 100_000 && bits != 16 && !slow {
				continue
			}
			for i, sc := range f(bits, n) {
				t.Run(fmt.Sprintf("bits=%d,n=%d,%d", bits, n, i), func(t *testing.T) {
					sc.check(t, rand.New(rand.NewPCG(uint64(bits), uint64(n))))
				})
			}
		}
	}
}

func compares(bits int) (all []plan.Sign) {
	for _, leaf := range []int{1, 2, 3, 4} {
		for _, ripple := range []bool{false, true} {
			all = append(all, plan.Sign{Bits: bits, Hi: bits, Tree: wire.Tree{Leaf: leaf, Ripple: ripple}})
		}
	}
	for _, leaf := range []int{1, 2, 3, 4} {
		all = append(all, plan.Sign{Bits: bits, Hi: bits, Tree: wire.Tree{Leaf: leaf, ClientChooses: true}},
			plan.Sign{Bits: bits, Hi: bits, Tree: wire.Tree{Leaf: leaf, Arity: 3}}, plan.Sign{Bits: bits, Hi: bits, Tree: wire.Tree{Leaf: leaf + 1, Arity: 3, ClientChooses: true}})
	}
	if bits > 4 {
		all = append(all, plan.Sign{Bits: bits, Lo: 2, Hi: bits - 1, Tree: wire.Tree{Leaf: 2}})
	}
	return all
}

func TestReluIsItsIdealAndCost(t *testing.T) {
	forWidths(t, func(bits, n int) (all []stepCase) {
		for i, c := range compares(bits) {
			sc := stepCase{width: bits - 1, in: []plan.SlotType{vector(n, bits)}, out: []plan.SlotType{vector(n, bits)}}
			a := &plan.Relu{Sign: c}
			sc.step = plan.Step{Proto: plan.ProtoRelu, Attrs: a}
			if c.Lo > 0 {
				sc.width-- // with low bits dropped, x must stay 2^Lo away from -2^(Hi-1)
			}
			if i%3 == 0 {
				a.ExtendTo = bits + 9
				sc.out[0].Bits = bits + 9
			}
			if i%2 == 0 {
				a.Flip, a.Spread = true, plan.Spread{Channels: n, Inner: 1}
				sc.step.W, sc.weights = "w", given{"w/flip": make([]int64, n)}
				for j := range n {
					sc.weights["w/flip"][j] = int64(j * 7 / 3 & 1)
				}
			}
			all = append(all, sc)
		}
		return all
	})
}

func TestExtendIsItsIdealAndCost(t *testing.T) {
	forWidths(t, func(bits, n int) (all []stepCase) {
		for i, e := range []plan.Extend{{NonNeg: true}, {}, {Any: true}} {
			for _, more := range []int{1, 9, 20} {
				e := plan.Extend{From: bits, To: bits + more, NonNeg: e.NonNeg, Any: e.Any}
				sc := stepCase{width: bits - 1, in: []plan.SlotType{vector(n, bits)}, out: []plan.SlotType{vector(n, bits+more)}}
				sc.nonNeg = e.NonNeg
				if i != 1 {
					sc.width = bits
				}
				sc.step = plan.Step{Proto: plan.ProtoExtend, Attrs: &e}
				all = append(all, sc)
			}
		}
		return all
	})
}

func TestTruncateIsItsIdealAndCost(t *testing.T) {
	forWidths(t, func(bits, n int) (all []stepCase) {
		for _, shift := range []int{1, bits / 2, bits - 2} {
			for _, to := range []int{bits - shift, 1, bits, max(bits-shift-1, 1)} {
				for _, exact := range []bool{true, false} {
					sc := stepCase{width: bits - 1, in: []plan.SlotType{vector(n, bits)}, out: []plan.SlotType{vector(n, to)}}
					sc.step = plan.Step{Proto: plan.ProtoTruncate, Attrs: &plan.Truncate{From: bits, Shift: shift, To: to, Exact: exact}}
					all = append(all, sc)
				}
			}
		}
		return all
	})
}

func TestClipIsItsIdealAndCost(t *testing.T) {
	forWidths(t, func(bits, n int) (all []stepCase) {
		top := int64(1) << (bits - 2)
		for i, b := range [][2]int64{{0, top / 2}, {-top / 2, top / 4}, {0, top}, {-2 * top, 1}, {-2 * top, top}} {
			for _, c := range compares(bits) {
				if i > 0 && c.Tree.Leaf != 2 {
					continue
				}
				sc := stepCase{width: bits - 1, in: []plan.SlotType{vector(n, bits)}, out: []plan.SlotType{vector(n, bits)}}
				if c.Lo > 0 {
					sc.width--
				}
				sc.step = plan.Step{Proto: plan.ProtoClip, Attrs: &plan.Clip{Sign: c, Min: b[0], Max: b[1]}}
				all = append(all, sc)
			}
		}
		return all
	})
}

func TestMaxPoolIsItsIdealAndCost(t *testing.T) {
	for i, g := range []plan.Pool{
		{C: 3, H: 9, W: 11, OH: 4, OW: 5, KH: 3, KW: 3, SH: 2, SW: 2, DH: 1, DW: 1},
		{C: 2, H: 8, W: 8, OH: 4, OW: 4, KH: 3, KW: 3, SH: 2, SW: 2, DH: 1, DW: 1, PT: 1, PL: 1},
		{C: 1, H: 7, W: 5, OH: 7, OW: 5, KH: 5, KW: 5, SH: 1, SW: 1, DH: 1, DW: 1, PT: 2, PL: 2},
		{C: 4, H: 6, W: 6, OH: 3, OW: 3, KH: 2, KW: 2, SH: 2, SW: 2, DH: 1, DW: 1},
		{C: 1, H: 9, W: 7, OH: 3, OW: 4, KH: 3, KW: 2, SH: 2, SW: 1, DH: 2, DW: 3},
		{C: 2, H: 1, W: 13, OH: 1, OW: 1, KH: 1, KW: 13, SH: 1, SW: 1, DH: 1, DW: 1},
		{C: 5, H: 1, W: 1, OH: 1, OW: 1, KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1},
		{C: 16, H: 112, W: 112, OH: 56, OW: 56, KH: 3, KW: 3, SH: 2, SW: 2, DH: 1, DW: 1, PT: 1, PL: 1},
	} {
		bits := []int{8, 16, 17, 40}[i%4]
		c := compares(bits)[i]
		sc := stepCase{width: bits - 1, in: []plan.SlotType{vector(g.C*g.H*g.W, bits)}, out: []plan.SlotType{vector(g.C*g.OH*g.OW, bits)}}
		sc.step = plan.Step{Proto: plan.ProtoMaxPool, Attrs: &plan.MaxPool{Sign: c, Pool: g}}
		sc.check(t, rand.New(rand.NewPCG(1, uint64(i))))
	}
}

func TestMaxPoolComparesSixTimesAnOutput(t *testing.T) {
	g := plan.Pool{C: 1, H: 113, W: 113, OH: 56, OW: 56, KH: 3, KW: 3, SH: 2, SW: 2, DH: 1, DW: 1}
	net := g.Network()
	if per := float64(net.Gates()) / (56 * 56); per > 6.05 {
		t.Errorf("%.2f comparisons an output", per)
	}
}

// The cheaper axis goes first: mirroring a window changes nothing.
func TestMaxPoolOrderIsTheCheaperOne(t *testing.T) {
	a := plan.Pool{C: 1, H: 32, W: 32, OH: 8, OW: 31, KH: 4, KW: 2, SH: 4, SW: 1, DH: 1, DW: 1}
	b := plan.Pool{C: 1, H: 32, W: 32, OH: 31, OW: 8, KH: 2, KW: 4, SH: 1, SW: 4, DH: 1, DW: 1}
	na, nb := a.Network(), b.Network()
	if want := 8*32*3 + 8*31; na.Gates() != want || nb.Gates() != want {
		t.Errorf("%d and %d comparisons, want %d", na.Gates(), nb.Gates(), want)
	}
}

func TestArgMaxIsItsIdealAndCost(t *testing.T) {
	for i, g := range []struct{ rows, n, k int }{{1, 1, 1}, {1, 10, 1}, {3, 7, 1}, {1, 1000, 5}, {2, 9, 9}, {5, 2, 2}, {1, 100, 3}} {
		bits := []int{8, 16, 17, 40}[i%4]
		c := compares(bits)[i]
		sc := stepCase{width: bits - 1, in: []plan.SlotType{vector(g.rows*g.n, bits)}, out: []plan.SlotType{vector(g.rows*g.k, 10)}}
		sc.step = plan.Step{Proto: plan.ProtoArgMax, Attrs: &plan.ArgMax{Sign: c, K: g.k}}
		sc.check(t, rand.New(rand.NewPCG(2, uint64(i))))
	}
}

func TestPReluIsItsIdealAndCost(t *testing.T) {
	forWidths(t, func(bits, n int) (all []stepCase) {
		for _, shift := range []int{0, 6} {
			c := plan.PRelu{Sign: plan.Sign{Bits: bits + 6, Hi: bits, Tree: wire.Tree{Leaf: 2}}, SlopeFrac: 5, Spread: plan.Spread{Channels: n, Inner: 1}}
			sc := stepCase{width: bits - 2, in: []plan.SlotType{vector(n, bits+6)}, out: []plan.SlotType{vector(n, bits+6-shift)}}
			sc.step, sc.weights = plan.Step{Proto: plan.ProtoPRelu, Attrs: &c, W: "w"}, given{"w/slope": make([]int64, n)}
			for j := range n {
				sc.weights["w/slope"][j] = int64(j*37%127 - 63)
			}
			sc.weights["w/slope"][0] = 64
			all = append(all, sc)
		}
		return all
	})
}

// A product of more pairs than share a flight.
func TestMulOfSeveralFlights(t *testing.T) {
	for _, m := range []plan.Mul{{Shift: 2}, {Batch: 1, M: 5, K: 31, N: 1000, Shift: 1}} {
		n := 150_000
		sc := stepCase{width: 3, in: []plan.SlotType{vector(n, 6), vector(n, 6)}, out: []plan.SlotType{vector(n, 6-m.Shift)}}
		if m.M > 0 {
			sc.in, sc.out = []plan.SlotType{vector(m.M*m.K, 6), vector(m.K*m.N, 6)}, []plan.SlotType{vector(m.M*m.N, 6-m.Shift)}
		}
		sc.step = plan.Step{Proto: plan.ProtoMul, Attrs: &m}
		if c := sc.check(t, rand.New(rand.NewPCG(4, 4))); c.Rounds != 2 {
			t.Errorf("%d rounds", c.Rounds)
		}
	}
}

func TestSquareIsItsIdealAndCost(t *testing.T) {
	for _, bits := range []int{8, 17, 40} {
		for _, n := range []int{1, 7, 64, 65, 150_000} {
			if n == 150_000 && bits > 8 {
				continue
			}
			sc := stepCase{width: bits / 2, in: []plan.SlotType{vector(n, bits)}, out: []plan.SlotType{vector(n, bits-3)}}
			sc.step = plan.Step{Proto: plan.ProtoMul, Attrs: &plan.Mul{Shift: 3}}
			sc.same = true
			sc.check(t, rand.New(rand.NewPCG(7, uint64(n))))
		}
	}
}

func TestMulIsItsIdealAndCost(t *testing.T) {
	for i, m := range []plan.Mul{{}, {Shift: 7}, {Batch: 2, M: 3, K: 5, N: 4, Shift: 4}, {Batch: 1, M: 1, K: 65, N: 2}} {
		for _, bits := range []int{8, 16, 24, 40} {
			for _, n := range []int{1, 7, 64, 65, 10_000} {
				a, b, o := n, n, n
				if m.M > 0 {
					a, b, o = m.Batch*m.M*m.K, m.Batch*m.K*m.N, m.Batch*m.M*m.N
				}
				sc := stepCase{width: bits / 2, in: []plan.SlotType{vector(a, bits), vector(b, bits)}, out: []plan.SlotType{vector(o, bits-m.Shift)}}
				sc.step = plan.Step{Proto: plan.ProtoMul, Attrs: &m}
				sc.check(t, rand.New(rand.NewPCG(uint64(i), uint64(n))))
				if n == 64 && m.M > 0 || bits != 24 && n == 65 {
					break
				}
			}
		}
	}
}

// A function of more elements than share a flight.
func TestFuncOfSeveralFlights(t *testing.T) {
	for name, f := range map[string]func(float64) float64{"floor": math.Floor, "exp": math.Exp} {
		in, out := plan.SlotType{Shape: []int{60_000}, Bits: 10, Frac: 3}, plan.SlotType{Shape: []int{60_000}, Bits: 10, Frac: 1}
		spline, err := choose.FitSpline(f, in, out, 64)
		if err != nil {
			t.Fatal(err)
		}
		sc := stepCase{width: 9, in: []plan.SlotType{in}, out: []plan.SlotType{out}}
		sc.step = plan.Step{Proto: plan.ProtoFunc, Attrs: &plan.Func{Name: name, Spline: spline}}
		t.Run(fmt.Sprintf("%s,%d pieces", name, len(spline.Slope)), func(t *testing.T) { sc.check(t, rand.New(rand.NewPCG(6, 6))) })
	}
}

func TestFuncIsItsIdealAndCost(t *testing.T) {
	for name, f := range map[string]func(float64) float64{
		"sigmoid": func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
		"exp":     math.Exp,
		"gelu":    func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) },
		"sign":    func(x float64) float64 { return math.Copysign(1, x) },
		"floor":   math.Floor,
		"square":  func(x float64) float64 { return x * x },
		"same":    func(x float64) float64 { return x },
		"one":     func(x float64) float64 { return 1 },
		"inverse": func(x float64) float64 { return 1 / x },
	} {
		for _, bits := range []int{10, 16, 18} {
			in, out := plan.SlotType{Bits: bits, Frac: bits - 6}, plan.SlotType{Bits: 16, Frac: 8}
			spline, err := choose.FitSpline(f, in, out, 64)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s from %d bits: %d pieces, error %.2f ulp", name, bits, len(spline.Slope), spline.Error)
			for _, n := range []int{1, 65, 1000} {
				in.Shape, out.Shape = []int{n}, []int{n}
				sc := stepCase{width: bits - 1, in: []plan.SlotType{in}, out: []plan.SlotType{out}}
				sc.step = plan.Step{Proto: plan.ProtoFunc, Attrs: &plan.Func{Name: name, Spline: spline}}
				t.Run(fmt.Sprintf("%s,bits=%d,n=%d", name, bits, n), func(t *testing.T) { sc.check(t, rand.New(rand.NewPCG(5, uint64(n)))) })
			}
		}
	}
}

// piecewiseCases are functions and formats whose fits differ in shape.
func piecewiseCases() map[string]func(float64) float64 {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	return map[string]func(float64) float64{
		"tanh": math.Tanh, "sigmoid": sigmoid, "floor": math.Floor, "sqrt": func(x float64) float64 { return math.Sqrt(max(x, 0)) },
		"gelu":        func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) },
		"exp of -|x|": func(x float64) float64 { return math.Exp(-math.Abs(x)) },
		"silu":        func(x float64) float64 { return x * sigmoid(x) },
	}
}

func TestPiecewiseIsItsIdealAndCost(t *testing.T) {
	for name, f := range piecewiseCases() {
		for _, flight := range []float64{10, 400} {
			for _, bits := range []int{10, 14, 16} {
				in, out := plan.SlotType{Bits: bits, Frac: bits - 6}, plan.SlotType{Bits: 16, Frac: 8}
				p := choose.FitPiecewise(f, in, out, flight)
				if p == nil {
					t.Fatalf("%s from %d bits: no fit", name, bits)
				}
				for _, n := range []int{1, 65, 1000} {
					in.Shape, out.Shape = []int{n}, []int{n}
					sc := stepCase{width: bits - 1, in: []plan.SlotType{in}, out: []plan.SlotType{out}}
					sc.step = plan.Step{Proto: plan.ProtoFunc, Attrs: &plan.Func{Name: name, Piecewise: p}}
					t.Run(fmt.Sprintf("%s,bits=%d,n=%d,%g", name, bits, n, flight), func(t *testing.T) { sc.check(t, rand.New(rand.NewPCG(5, uint64(n)))) })
				}
			}
		}
	}
}

// Lines of more elements than share a flight.
func TestPiecewiseOfSeveralFlights(t *testing.T) {
	in, out := plan.SlotType{Shape: []int{150_000}, Bits: 12, Frac: 5}, plan.SlotType{Shape: []int{150_000}, Bits: 12, Frac: 9}
	sc := stepCase{width: 11, in: []plan.SlotType{in}, out: []plan.SlotType{out}}
	sc.step = plan.Step{Proto: plan.ProtoFunc, Attrs: &plan.Func{Name: "tanh", Piecewise: choose.FitPiecewise(math.Tanh, in, out, 10)}}
	sc.check(t, rand.New(rand.NewPCG(6, 6)))
	if f := sc.step.Attrs.(*plan.Func).Piecewise; f.Slab() >= 150_000 {
		t.Errorf("all in a flight of up to %d elements", f.Slab())
	}
}
