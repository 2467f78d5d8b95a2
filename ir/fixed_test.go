package ir

import (
	"fmt"
	"math"
	"testing"

	"secc.example/secc/ir/num"
)

// quantizer turns a real graph into a fixed one the plain way: k bits
// everywhere, fraction bits from the values seen, s bits in weights. It is the
// smallest scale pass that gives the simulator something to run.
type quantizer struct {
	t    testing.TB
	k, s int
	top  map[*Value]float64
	g    *Graph
	to   map[*Value]*Value
}

func quantize(t testing.TB, g *Graph, in []*num.Tensor, k, s int) *Graph {
	q := &quantizer{t, k, s, map[*Value]float64{}, &Graph{Name: g.Name}, map[*Value]*Value{}}
	_, err := Eval(g, in, EvalOptions{Observe: func(v *Value, x *num.Tensor) {
		for _, y := range Floats(x) {
			q.top[v] = math.Max(q.top[v], math.Abs(float64(y)))
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range g.Values {
		q.value(v)
	}
	for _, o := range g.Outputs {
		r := q.new(OpReveal, nil, q.to[o])
		q.g.Outputs = append(q.g.Outputs, q.new(OpToReal, nil, r))
	}
	if err := Verify(q.g, Fixed); err != nil {
		t.Fatal(err)
	}
	return q.g
}

func (q *quantizer) new(op Op, attrs any, args ...*Value) *Value {
	q.t.Helper()
	return must(q.t)(q.g.New(op, string(op), attrs, args...))
}

func (q *quantizer) frac(v *Value) int {
	return q.k - 3 - int(math.Ceil(math.Log2(math.Max(q.top[v], 1e-6))))
}

func (q *quantizer) constant(v *Value, e Elem) *Value {
	x := Floats(v.Attrs.(*ConstAttrs).Real)
	ints := make([]int64, len(x))
	for i, y := range x {
		ints[i] = e.Quantize(float64(y))
	}
	return must(q.t)(q.g.FixedConst(v.Name, v.Type.Shape, e, ints, Server))
}

// fit truncates to f fraction bits.
func (q *quantizer) fit(v *Value, f int) *Value {
	if v.Type.Elem.Frac <= f {
		return v
	}
	return q.new(OpTruncate, &TruncateAttrs{Shift: v.Type.Elem.Frac - f, Bits: q.k}, v)
}

func (q *quantizer) value(v *Value) {
	switch v.Op {
	case OpConst:
	case OpInput:
		q.to[v] = must(q.t)(q.g.FixedInput(v.Name, v.Type.Shape, Elem{q.k, q.frac(v)}))
	case OpConv:
		x := q.to[v.Args[0]]
		shift := x.Type.Elem.Frac + q.s - q.frac(v)
		a := *v.Attrs.(*ConvAttrs)
		a.Shift = shift
		wide := q.new(OpExtend, &ExtendAttrs{Bits: q.k + shift}, x)
		args := []*Value{wide, q.constant(v.Args[1], Elem{q.s + 6, q.s})}
		if len(v.Args) == 3 {
			args = append(args, q.constant(v.Args[2], Elem{q.k + shift, x.Type.Elem.Frac + q.s}))
		}
		q.to[v] = q.new(v.Op, &a, args...)
	case OpAdd, OpConcat:
		f := q.frac(v)
		for _, a := range v.Args {
			f = min(f, q.to[a].Type.Elem.Frac)
		}
		args := []*Value{}
		for _, a := range v.Args {
			args = append(args, q.fit(q.to[a], f))
		}
		q.to[v] = q.new(v.Op, cloneAttrs(v.Attrs), args...)
	case OpSumPool: // sums need room first
		q.to[v] = q.new(v.Op, cloneAttrs(v.Attrs), q.fit(q.to[v.Args[0]], q.frac(v)))
	default:
		q.to[v] = q.new(v.Op, cloneAttrs(v.Attrs), q.to[v.Args[0]])
	}
}

// netBuilder makes small convolutional networks with deterministic weights.
type netBuilder struct {
	t testing.TB
	g *Graph
	n uint64
}

func (b *netBuilder) new(op Op, attrs any, args ...*Value) *Value {
	return must(b.t)(b.g.New(op, fmt.Sprintf("%s%d", op, len(b.g.Values)), attrs, args...))
}

func (b *netBuilder) random(n int, scale float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		b.n++
		out[i] = float32(scale * num.Bell(num.Mix(b.n)))
	}
	return out
}

func (b *netBuilder) conv(x *Value, filters, k, stride, pad int) *Value {
	c := x.Type.Shape[1]
	w := must(b.t)(b.g.Const("w", NewReal([]int{filters, c, k, k}, b.random(filters*c*k*k, 1.4/math.Sqrt(float64(c*k*k))))))
	bias := must(b.t)(b.g.Const("b", NewReal([]int{filters}, b.random(filters, 0.1))))
	p := []int{pad, pad}
	a := &ConvAttrs{Strides: []int{stride, stride}, PadsBegin: p, PadsEnd: []int{pad, pad}}
	return b.new(OpRelu, nil, b.new(OpConv, a, x, w, bias))
}

func (b *netBuilder) fire(x *Value, squeeze, expand int) *Value {
	s := b.conv(x, squeeze, 1, 1, 0)
	return b.new(OpConcat, &AxisAttrs{1}, b.conv(s, expand, 1, 1, 0), b.conv(s, expand, 3, 1, 1))
}

func (b *netBuilder) pool(x *Value) *Value {
	return b.new(OpMaxPool, &PoolAttrs{Kernel: []int{3, 3}, Strides: []int{2, 2}, Ceil: true}, x)
}

// squeezeNet builds SqueezeNet 1.1's geometry for images of the given side.
func squeezeNet(t testing.TB, side, classes int) (*Graph, []*num.Tensor) {
	b := &netBuilder{t: t, g: &Graph{Name: "squeezenet"}}
	x := must(t)(b.g.Input("x", []int{1, 3, side, side}))
	y := b.pool(b.conv(x, 64, 3, 2, 0))
	y = b.pool(b.fire(b.fire(y, 16, 64), 16, 64))
	y = b.pool(b.fire(b.fire(y, 32, 128), 32, 128))
	for _, f := range [][2]int{{48, 192}, {48, 192}, {64, 256}, {64, 256}} {
		y = b.fire(y, f[0], f[1])
	}
	y = b.conv(y, classes, 1, 1, 0)
	h := y.Type.Shape[2]
	b.g.Outputs = []*Value{b.new(OpSumPool, &PoolAttrs{Kernel: []int{h, h}}, y)}
	return b.g, []*num.Tensor{NewReal(x.Type.Shape, b.random(x.Type.N(), 1))}
}

// residual is a small network with additions.
func residual(t testing.TB) (*Graph, []*num.Tensor) {
	b := &netBuilder{t: t, g: &Graph{Name: "residual"}}
	x := must(t)(b.g.Input("x", []int{2, 3, 12, 12}))
	y := b.conv(x, 8, 3, 1, 1)
	for range 3 {
		y = b.new(OpAdd, nil, y, b.conv(b.conv(y, 16, 3, 1, 1), 8, 3, 1, 1))
	}
	y = b.pool(y)
	b.g.Outputs = []*Value{b.new(OpReshape, &ReshapeAttrs{[]int{2, 288}}, y)}
	return b.g, []*num.Tensor{NewReal(x.Type.Shape, b.random(x.Type.N(), 1))}
}

// deviation is the largest error against the real outputs, relative to their largest element.
func deviation(want []*num.Tensor, got *SimResult) float64 {
	worst, top := 0.0, 0.0
	for i, w := range want {
		g := got.Outputs[i].Floats()
		for j, y := range Floats(w) {
			top = math.Max(top, math.Abs(float64(y)))
			worst = math.Max(worst, math.Abs(float64(y-g[j])))
		}
	}
	return worst / top
}

// TestSimulationFollowsReal: with enough bits the fixed-point network is the
// real one, in both rounding modes; bits cost what they should.
func TestSimulationFollowsReal(t *testing.T) {
	for _, build := range []func(testing.TB) (*Graph, []*num.Tensor){
		residual, func(t testing.TB) (*Graph, []*num.Tensor) { return squeezeNet(t, 40, 20) },
	} {
		g, in := build(t)
		want, err := Eval(g, in, EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			k, s  int
			limit float64
		}{{24, 16, 2e-4}, {18, 11, 1e-2}} {
			q := quantize(t, g, in, c.k, c.s)
			for _, r := range []Rounding{Nearest, Stochastic} {
				res, err := Simulate(q, in, SimOptions{Rounding: r, Seed: 1})
				if err != nil {
					t.Fatal(err)
				}
				if d := deviation(want, res); d > c.limit || d == 0 {
					t.Errorf("%s, k=%d s=%d, rounding %d: deviation %.2g, limit %.2g", g.Name, c.k, c.s, r, d, c.limit)
				}
				for v, u := range res.Ranges {
					if u.Over > 0 {
						t.Errorf("%s, k=%d: %v: %v", g.Name, c.k, v, u)
					}
				}
			}
		}
	}
}

// TestSimulationIsDeterministic: workers do not matter, the seed does.
func TestSimulationIsDeterministic(t *testing.T) {
	g, in := residual(t)
	q := quantize(t, g, in, 14, 8)
	run := func(seed uint64, workers int) string {
		res, err := Simulate(q, in, SimOptions{Rounding: Stochastic, Seed: seed, Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(res.Outputs[0].Floats())
	}
	if run(1, 1) != run(1, 3) {
		t.Error("the number of workers changes the result")
	}
	if run(1, 1) == run(2, 1) {
		t.Error("the seed does not change the result")
	}
}

// TestOverflowIsCounted: too few integer bits must be seen.
func TestOverflowIsCounted(t *testing.T) {
	g := parse(t, `graph ""
%1 = input "x" : client i8.0[4]
%2 = add(%1, %1)
%3 = reveal(%2)
return %3
`)
	res, err := Simulate(g, []*num.Tensor{NewReal([]int{4}, []float32{10, 31, -50, 100})}, SimOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(res.Outputs[0].Ints); got != "[20 62 -100 -56]" {
		t.Errorf("got %s", got)
	}
	if r := res.Ranges[g.Values[1]]; r != (Range{Max: 200, Over: 2, Wrapped: 1, N: 4}) {
		t.Errorf("got %+v", r)
	}
}

func BenchmarkEvalSqueezeNet(b *testing.B) {
	g, in := squeezeNet(b, 224, 1000)
	for b.Loop() {
		if _, err := Eval(g, in, EvalOptions{Workers: 1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSimulateSqueezeNet(b *testing.B) {
	g, in := squeezeNet(b, 224, 1000)
	q := quantize(b, g, in, 16, 10)
	for _, r := range []Rounding{Nearest, Stochastic} {
		b.Run(fmt.Sprint(r), func(b *testing.B) {
			for b.Loop() {
				if _, err := Simulate(q, in, SimOptions{Rounding: r, Workers: 1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
