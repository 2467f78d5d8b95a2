package passes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// builder makes small networks with random weights; it fails the test on error.
type builder struct {
	t *testing.T
	g *ir.Graph
	r *rand.Rand
}

func newBuilder(t *testing.T) *builder {
	return &builder{t, &ir.Graph{Name: t.Name()}, rand.New(rand.NewPCG(7, 9))}
}

func (b *builder) must(v *ir.Value, err error) *ir.Value {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *builder) input(shape ...int) *ir.Value { return b.must(b.g.Input("x", shape)) }

func (b *builder) weights(scale float64, shape ...int) *ir.Value {
	x := make([]float32, ir.Numel(shape))
	for i := range x {
		x[i] = float32(b.r.NormFloat64() * scale)
	}
	return b.must(b.g.Const("w", ir.NewReal(shape, x)))
}

func (b *builder) op(op ir.Op, attrs any, args ...*ir.Value) *ir.Value {
	b.t.Helper()
	return b.must(b.g.New(op, string(op), attrs, args...))
}

func (b *builder) conv(x *ir.Value, out, k, stride, pad int) *ir.Value {
	in := x.Type.Shape[1]
	a := &ir.ConvAttrs{Strides: []int{stride, stride}, PadsBegin: []int{pad, pad}, PadsEnd: []int{pad, pad}}
	return b.op(ir.OpConv, a, x, b.weights(1/math.Sqrt(float64(in*k*k)), out, in, k, k), b.weights(0.3, out))
}

func (b *builder) bn(x *ir.Value) *ir.Value {
	c := x.Type.Shape[1]
	return b.op(ir.OpBatchNorm, nil, x, b.weights(1, c), b.weights(0.5, c))
}

func (b *builder) samples(n int) [][]*num.Tensor {
	all := make([][]*num.Tensor, n)
	for i := range all {
		for _, v := range b.g.Inputs {
			x := make([]float32, v.Type.N())
			for j := range x {
				x[j] = float32(b.r.NormFloat64())
			}
			all[i] = append(all[i], ir.NewReal(v.Type.Shape, x))
		}
	}
	return all
}

// networks holds a constructor for each kind of structure that matters to the passes.
func networks() map[string]func(b *builder) *ir.Value {
	return map[string]func(b *builder) *ir.Value{
		"lenet": func(b *builder) *ir.Value {
			x := b.op(ir.OpRelu, nil, b.conv(b.input(1, 1, 12, 12), 4, 5, 1, 2))
			x = b.op(ir.OpMaxPool, &ir.PoolAttrs{Kernel: []int{2, 2}, Strides: []int{2, 2}}, x)
			x = b.op(ir.OpRelu, nil, b.conv(x, 6, 3, 1, 0))
			x = b.op(ir.OpReshape, &ir.ReshapeAttrs{Shape: []int{1, 96}}, x)
			x = b.op(ir.OpMatMul, nil, x, b.weights(0.1, 96, 10), b.weights(0.3, 10))
			return b.op(ir.OpSoftmax, &ir.AxisAttrs{Axis: 1}, x)
		},
		"residual": func(b *builder) *ir.Value {
			x := b.op(ir.OpRelu, nil, b.bn(b.conv(b.input(1, 3, 8, 8), 4, 3, 1, 1)))
			y := b.bn(b.conv(b.op(ir.OpRelu, nil, b.bn(b.conv(x, 8, 3, 2, 1))), 8, 3, 1, 1))
			x = b.op(ir.OpRelu, nil, b.op(ir.OpAdd, nil, y, b.bn(b.conv(x, 8, 1, 2, 0))))
			x = b.op(ir.OpAvgPool, &ir.PoolAttrs{Kernel: []int{4, 4}}, x)
			x = b.op(ir.OpReshape, &ir.ReshapeAttrs{Shape: []int{1, 8}}, x)
			return b.op(ir.OpMatMul, nil, x, b.weights(0.3, 8, 5))
		},
		"dense": func(b *builder) *ir.Value {
			x := b.conv(b.input(1, 3, 8, 8), 4, 3, 1, 1)
			for range 2 {
				y := b.conv(b.op(ir.OpRelu, nil, b.bn(x)), 4, 3, 1, 1)
				x = b.op(ir.OpConcat, &ir.AxisAttrs{Axis: 1}, x, y)
			}
			x = b.conv(b.op(ir.OpRelu, nil, b.bn(x)), 6, 1, 1, 0)
			x = b.op(ir.OpAvgPool, &ir.PoolAttrs{Kernel: []int{2, 2}, Strides: []int{2, 2}}, x)
			x = b.op(ir.OpRelu, nil, b.bn(x))
			x = b.op(ir.OpSum, &ir.ReduceAttrs{Axes: []int{2, 3}}, x)
			x = b.op(ir.OpMul, nil, x, b.must(b.g.Const("sixteenth", ir.NewReal(nil, []float32{1. / 16}))))
			return b.op(ir.OpFunc, &ir.FuncAttrs{Name: "sigmoid"}, b.op(ir.OpMatMul, nil, x, b.weights(0.5, 6, 3)))
		},
		"fire": func(b *builder) *ir.Value {
			x := b.op(ir.OpRelu, nil, b.conv(b.input(1, 3, 9, 9), 4, 3, 2, 0))
			l, r := b.op(ir.OpRelu, nil, b.conv(x, 3, 1, 1, 0)), b.op(ir.OpRelu, nil, b.conv(x, 5, 3, 1, 1))
			x = b.op(ir.OpConcat, &ir.AxisAttrs{Axis: 1}, l, r)
			x = b.op(ir.OpMaxPool, &ir.PoolAttrs{Kernel: []int{3, 3}, Strides: []int{2, 2}, Ceil: true}, x)
			x = b.op(ir.OpRelu, nil, b.conv(x, 7, 1, 1, 0))
			return b.op(ir.OpAvgPool, &ir.PoolAttrs{Kernel: x.Type.Shape[2:]}, x)
		},
		"slopes": func(b *builder) *ir.Value {
			x := b.op(ir.OpPRelu, nil, b.conv(b.input(1, 2, 6, 6), 3, 3, 1, 1), b.weights(0.3, 3, 1, 1))
			x = b.op(ir.OpClip, &ir.ClipAttrs{Min: 0, Max: 1.5}, b.conv(x, 4, 3, 1, 0))
			x = b.op(ir.OpMul, nil, x, b.conv(x, 4, 1, 1, 0))
			return b.op(ir.OpClip, &ir.ClipAttrs{Min: -0.5, Max: math.Inf(1)}, b.conv(x, 2, 1, 1, 0))
		},
		"steep": func(b *builder) *ir.Value {
			x := b.op(ir.OpPRelu, nil, b.conv(b.input(1, 2, 6, 6), 4, 3, 1, 1), b.must(b.g.Const("steep", ir.NewReal([]int{4, 1, 1}, []float32{-2, 2.5, -1.99999, 0.1}))))
			x = b.op(ir.OpPRelu, nil, b.conv(x, 3, 3, 1, 0), b.must(b.g.Const("one", ir.NewReal(nil, []float32{-3}))))
			return b.op(ir.OpMatMul, nil, b.op(ir.OpReshape, &ir.ReshapeAttrs{Shape: []int{1, 48}}, x), b.weights(0.3, 48, 3))
		},
		"edges": func(b *builder) *ir.Value {
			x := b.op(ir.OpAvgPool, &ir.PoolAttrs{Kernel: []int{3, 3}, PadsBegin: []int{1, 1}, PadsEnd: []int{1, 1}}, b.input(1, 2, 6, 6))
			x = b.op(ir.OpPad, &ir.PadAttrs{Before: []int{0, 0, 1, 1}, After: []int{0, 0, 0, 1}}, b.op(ir.OpAbs, nil, x))
			x = b.op(ir.OpMax, nil, b.conv(x, 3, 3, 1, 0), b.weights(1, 3, 1, 1))
			x = b.op(ir.OpTranspose, &ir.TransposeAttrs{Perm: []int{0, 2, 3, 1}}, x)
			x = b.op(ir.OpSlice, &ir.SliceAttrs{Start: []int{0, 0, 4, 2}, Step: []int{1, 2, -1, -1}, Size: []int{1, 3, 4, 3}}, x)
			x = b.op(ir.OpMul, nil, x, b.weights(1, 3, 4, 3))
			x = b.op(ir.OpReduceMax, &ir.ReduceAttrs{Axes: []int{1}}, x)
			return b.op(ir.OpSub, nil, b.op(ir.OpMatMul, nil, b.weights(0.5, 2, 4), x), b.weights(1, 2, 3))
		},
	}
}

func build(t *testing.T, f func(*builder) *ir.Value) *builder {
	b := newBuilder(t)
	b.g.Outputs = []*ir.Value{f(b)}
	if err := ir.Verify(b.g, ir.Real); err != nil {
		t.Fatal(err)
	}
	return b
}

func eval(t *testing.T, g *ir.Graph, in []*num.Tensor) []float32 {
	t.Helper()
	out, err := ir.Eval(g, in, ir.EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ir.Floats(out[0])
}

func farthest(a, b []float32) (d, size float64) {
	for i := range a {
		d = math.Max(d, math.Abs(float64(a[i]-b[i])))
		size = math.Max(size, math.Abs(float64(a[i])))
	}
	return d, size
}

// Every real pass leaves what the network computes as it was.
func TestRealPassesKeepMeaning(t *testing.T) {
	for name, f := range networks() {
		t.Run(name, func(t *testing.T) {
			b := build(t, f)
			in := b.samples(1)[0]
			want := eval(t, b.g, in)
			cfg := NewConfig(Options{})
			for _, p := range Pipeline() {
				if p.Makes != ir.Real {
					break
				}
				if err := Run(b.g, []Pass{p}, cfg); err != nil {
					t.Fatal(err)
				}
				if d, size := farthest(want, eval(t, b.g, in)); d > 1e-5*(1+size) {
					t.Fatalf("after %s the output moved by %g (largest output %g)\n%s", p.Name, d, size, ir.Print(b.g))
				}
			}
		})
	}
}

// The compiled network computes in fixed point what the original computes on
// reals, whichever way it rounds.
func TestCompiledFollowsReal(t *testing.T) {
	for name, f := range networks() {
		for _, exact := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s exact=%v", name, exact), func(t *testing.T) {
				b := build(t, f)
				samples := b.samples(8)
				c, err := Compile(b.g, Options{Calibration: samples, Exact: exact})
				if err != nil {
					t.Fatal(err)
				}
				for _, in := range samples[:2] {
					want := eval(t, b.g, in)
					res, err := ir.Simulate(c.Fixed, in, ir.SimOptions{Rounding: ir.Stochastic})
					if err != nil {
						t.Fatal(err)
					}
					if d, size := farthest(want, res.Outputs[0].Floats()); d > 0.01*size {
						t.Errorf("outputs differ by %g (largest %g)\n%s", d, size, ir.Print(c.Fixed))
					}
				}
			})
		}
	}
}

// The same network, options and calibration give the same bytes.
func TestCompileIsDeterministic(t *testing.T) {
	for name, f := range networks() {
		var first []byte
		for range 2 {
			b := build(t, f)
			c, err := Compile(b.g, Options{Calibration: b.samples(3), Target: TargetCost})
			if err != nil {
				t.Fatal(err)
			}
			bytes, err := plan.Encode(c.Plan)
			if err != nil {
				t.Fatal(err)
			}
			if first != nil && !slices.Equal(first, bytes) {
				t.Errorf("%s: two plans", name)
			}
			first = bytes
		}
	}
}

// What is wrong is said by the name of the tensor or node.
func TestBadCalibrationIsNamed(t *testing.T) {
	b := build(t, networks()["lenet"])
	wrong := ir.NewReal([]int{1, 1, 3, 3}, make([]float32, 9))
	if _, err := Compile(b.g, Options{Calibration: [][]*num.Tensor{{wrong}}}); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("wrong shape: %v", err)
	}
	in := b.samples(1)
	ir.Floats(in[0][0])[5] = float32(math.Inf(1))
	if _, err := Compile(b.g, Options{Calibration: in}); err == nil || !strings.Contains(err.Error(), "infinite") {
		t.Errorf("infinite activation: %v", err)
	}
}
