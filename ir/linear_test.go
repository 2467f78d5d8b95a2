package ir

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"secc.example/secc/ir/num"
)

// coords visits every coordinate of a shape.
func coords(shape []int, f func(c []int)) {
	c := make([]int, len(shape))
	var walk func(d int)
	walk = func(d int) {
		if d == len(shape) {
			f(c)
			return
		}
		for c[d] = 0; c[d] < shape[d]; c[d]++ {
			walk(d + 1)
		}
	}
	walk(0)
}

func at(shape, c []int) int {
	i := 0
	for d, n := range shape {
		if c[d] < 0 || c[d] >= n {
			return -1
		}
		i = i*n + c[d]
	}
	return i
}

// naiveConv is the textbook definition, on ring elements.
func naiveConv(v *Value, x, w, b []int64) []int64 {
	a, xs, ws := v.Attrs.(*ConvAttrs), v.Args[0].Type.Shape, v.Args[1].Type.Shape
	out := make([]int64, v.Type.N())
	if b != nil {
		coords(v.Type.Shape, func(c []int) { out[at(v.Type.Shape, c)] = b[c[1]] })
	}
	if v.Op == OpConvTranspose {
		coords(xs, func(i []int) {
			coords(ws[1:], func(k []int) {
				mg := ws[1]
				o := []int{i[0], i[1]/(xs[1]/a.Group)*mg + k[0]}
				for d := range k[1:] {
					o = append(o, i[d+2]*a.Strides[d]+k[d+1]*a.Dilations[d]-a.PadsBegin[d])
				}
				if p := at(v.Type.Shape, o); p >= 0 {
					out[p] += x[at(xs, i)] * w[at(ws, append([]int{i[1]}, k...))]
				}
			})
		})
		return out
	}
	coords(v.Type.Shape, func(o []int) {
		coords(ws[1:], func(k []int) {
			i := []int{o[0], o[1]/(ws[0]/a.Group)*ws[1] + k[0]}
			for d := range k[1:] {
				i = append(i, o[d+2]*a.Strides[d]+k[d+1]*a.Dilations[d]-a.PadsBegin[d])
			}
			if p := at(xs, i); p >= 0 {
				out[at(v.Type.Shape, o)] += x[p] * w[at(ws, append([]int{o[1]}, k...))]
			}
		})
	})
	return out
}

// drawInts draws small integers, so that float32 arithmetic on them is exact.
func drawInts(t *rapid.T, n int, label string) []int64 {
	seed := rapid.Uint64().Draw(t, label)
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(num.Mix(seed+uint64(i))%41) - 20
	}
	return out
}

func toFloats(x []int64) []float32 {
	out := make([]float32, len(x))
	for i, y := range x {
		out[i] = float32(y)
	}
	return out
}

// drawConv draws the geometry of a convolution.
func drawConv(t *rapid.T) (x, w []int, a *ConvAttrs, transposed bool) {
	n := rapid.IntRange(1, 3).Draw(t, "dims")
	transposed = rapid.Bool().Draw(t, "transposed")
	a = &ConvAttrs{Group: rapid.IntRange(1, 3).Draw(t, "group")}
	c, m := rapid.IntRange(1, 3).Draw(t, "c"), rapid.IntRange(1, 9).Draw(t, "m")
	x, w = []int{rapid.IntRange(1, 2).Draw(t, "n"), c * a.Group}, []int{m * a.Group, c}
	if transposed {
		w = []int{c * a.Group, m}
	}
	for range n {
		k, s, d := rapid.IntRange(1, 3).Draw(t, "k"), rapid.IntRange(1, 3).Draw(t, "s"), rapid.IntRange(1, 2).Draw(t, "d")
		b, e := rapid.IntRange(0, 2).Draw(t, "b"), rapid.IntRange(0, 2).Draw(t, "e")
		x, w = append(x, rapid.IntRange(1, 9).Draw(t, "in")), append(w, k)
		a.Strides, a.Dilations = append(a.Strides, s), append(a.Dilations, d)
		a.PadsBegin, a.PadsEnd = append(a.PadsBegin, b), append(a.PadsEnd, e)
		p := 0
		if transposed {
			p = rapid.IntRange(0, max(s, d)-1).Draw(t, "p")
		}
		a.OutputPad = append(a.OutputPad, p)
	}
	return x, w, a, transposed
}

// TestConvDefinition holds convolutions of every kind, real and fixed, to the
// textbook definition, with every kernel that this machine has.
func TestConvDefinition(t *testing.T) {
	for _, k := range num.Kernels() {
		t.Run(k.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				xs, ws, a, transposed := drawConv(t)
				op, bias := OpConv, ws[0]
				if transposed {
					op, bias = OpConvTranspose, ws[1]*a.Group
				}
				g := &Graph{}
				x, _ := g.Input("x", xs)
				xi, wi, bi := drawInts(t, Numel(xs), "x"), drawInts(t, Numel(ws), "w"), drawInts(t, bias, "bias")
				w, _ := g.Const("w", NewReal(ws, toFloats(wi)))
				b, _ := g.Const("b", NewReal([]int{bias}, toFloats(bi)))
				v, err := g.New(op, "conv", a, x, w, b)
				if err != nil {
					t.Skip(err)
				}
				want := naiveConv(v, xi, wi, bi)
				ints := make([]int64, v.Type.N())
				fillBias(v, [][]int64{xi, wi, bi}, ints)
				evalConv(v, [][]int64{xi, wi, bi}, ints, k.Int, nil, 2)
				reals := make([]float32, v.Type.N())
				in := [][]float32{toFloats(xi), toFloats(wi), toFloats(bi)}
				fillBias(v, in, reals)
				evalConv(v, in, reals, k.Float, nil, 2)
				for i, y := range want {
					if ints[i] != y || reals[i] != float32(y) {
						t.Fatalf("%v\nelement %d: fixed %d, real %v, want %d", v, i, ints[i], reals[i], y)
					}
				}
			})
		})
	}
}

// TestMatMulDefinition: batched, broadcast, vectors.
func TestMatMulDefinition(t *testing.T) {
	for _, k := range num.Kernels() {
		for _, c := range []struct{ a, b, out []int }{
			{[]int{3, 5}, []int{5, 70}, []int{3, 70}},
			{[]int{17, 600}, []int{600, 33}, []int{17, 33}},
			{[]int{5}, []int{5, 7}, []int{7}},
			{[]int{4, 5}, []int{5}, []int{4}},
			{[]int{5}, []int{5}, []int{}},
			{[]int{2, 1, 8, 5}, []int{3, 5, 2}, []int{2, 3, 8, 2}},
		} {
			t.Run(fmt.Sprint(k.Name, c.a, c.b), func(t *testing.T) { checkMatMul(t, k, c.a, c.b, c.out) })
		}
	}
}

func checkMatMul(t *testing.T, k num.Kernel, as, bs, want []int) {
	g, ok := &Graph{}, must(t)
	a, b := ok(g.Input("a", as)), ok(g.Input("b", bs))
	v := ok(g.New(OpMatMul, "", nil, a, b))
	if fmt.Sprint(v.Type.Shape) != fmt.Sprint(want) {
		t.Fatalf("shape %v, want %v", v.Type.Shape, want)
	}
	x, y := make([]int64, Numel(as)), make([]int64, Numel(bs))
	for i := range x {
		x[i] = int64(i*7%23) - 11
	}
	for i := range y {
		y[i] = int64(i*5%19) - 9
	}
	ints, reals := make([]int64, v.Type.N()), make([]float32, v.Type.N())
	evalMatMul(v, [][]int64{x, y}, ints, k.Int, 1)
	evalMatMul(v, [][]float32{toFloats(x), toFloats(y)}, reals, k.Float, 3)
	naive := naiveMatMul(as, bs, v.Type.Shape, x, y)
	for i, z := range naive {
		if ints[i] != z || reals[i] != float32(z) {
			t.Fatalf("element %d: fixed %d, real %v, want %d", i, ints[i], reals[i], z)
		}
	}
}

// naiveMatMul pads vectors to matrices and walks every index.
func naiveMatMul(as, bs, os []int, x, y []int64) []int64 {
	full := append([]int{}, os...)
	if len(as) == 1 {
		as = []int{1, as[0]}
		at := len(full)
		if len(bs) > 1 {
			at--
		}
		full = append(full[:at:at], append([]int{1}, full[at:]...)...)
	}
	if len(bs) == 1 {
		bs, full = []int{bs[0], 1}, append(full, 1)
	}
	lead := func(s, c []int) []int {
		out := make([]int, 0, len(s))
		for d := range s[:len(s)-2] {
			i := c[len(full)-len(s)+d]
			if s[d] == 1 {
				i = 0
			}
			out = append(out, i)
		}
		return out
	}
	out := make([]int64, Numel(full))
	coords(full, func(c []int) {
		for k := range as[len(as)-1] {
			i, j := c[len(c)-2], c[len(c)-1]
			out[at(full, c)] += x[at(as, append(lead(as, c), i, k))] * y[at(bs, append(lead(bs, c), k, j))]
		}
	})
	return out
}

// TestPoolDefinition holds maxima, sums and averages to their definition.
func TestPoolDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3).Draw(t, "dims")
		shape, a := []int{2, 3}, &PoolAttrs{Ceil: rapid.Bool().Draw(t, "ceil")}
		for range n {
			shape = append(shape, rapid.IntRange(1, 9).Draw(t, "in"))
			a.Kernel = append(a.Kernel, rapid.IntRange(1, 4).Draw(t, "k"))
			a.Strides = append(a.Strides, rapid.IntRange(1, 3).Draw(t, "s"))
			a.Dilations = append(a.Dilations, rapid.IntRange(1, 2).Draw(t, "d"))
			a.PadsBegin = append(a.PadsBegin, rapid.IntRange(0, 2).Draw(t, "b"))
			a.PadsEnd = append(a.PadsEnd, rapid.IntRange(0, 2).Draw(t, "e"))
		}
		avg := *a
		avg.CountIncludePad = rapid.Bool().Draw(t, "count")
		g := &Graph{}
		x, _ := g.Input("x", shape)
		in := drawInts(t, Numel(shape), "x")
		sum, err := g.New(OpSumPool, "", a, x)
		if err != nil {
			t.Skip(err)
		}
		mean, err := g.New(OpAvgPool, "", &avg, x)
		if err != nil {
			t.Fatal(err)
		}
		most, err := g.New(OpMaxPool, "", a, x)
		checkPools(t, sum, mean, most, err != nil, in)
	})
}

func checkPools(t *rapid.T, sum, mean, most *Value, empty bool, in []int64) {
	a, avg, shape := sum.Attrs.(*PoolAttrs), mean.Attrs.(*PoolAttrs), sum.Args[0].Type.Shape
	args := [][]float32{toFloats(in)}
	got := map[*Value][]float32{}
	for _, v := range []*Value{sum, mean, most} {
		if v != nil {
			got[v], _ = evalReal(v, args, fresh[float32], 1)
		}
	}
	sawEmpty := false
	coords(sum.Type.Shape, func(o []int) {
		total, n, padded, top := 0.0, 0, 0, math.Inf(-1)
		coords(a.Kernel, func(k []int) {
			i, inPads := []int{o[0], o[1]}, true
			for d := range k {
				p := o[d+2]*a.Strides[d] + k[d]*a.Dilations[d] - a.PadsBegin[d]
				i = append(i, p)
				inPads = inPads && p < shape[d+2]+a.PadsEnd[d]
			}
			if inPads {
				padded++
			}
			if p := at(shape, i); p >= 0 {
				total, n, top = total+float64(in[p]), n+1, math.Max(top, float64(in[p]))
			}
		})
		p := at(sum.Type.Shape, o)
		if avg.CountIncludePad {
			n = padded
		}
		sawEmpty = sawEmpty || math.IsInf(top, -1)
		if float64(got[sum][p]) != total || n > 0 && math.Abs(float64(got[mean][p])-total/float64(n)) > 1e-5 || most != nil && float64(got[most][p]) != top {
			t.Fatalf("%v\nat %v: sum %v want %v, n %d, mean %v, top %v", mean, o, got[sum][p], total, n, got[mean][p], top)
		}
	})
	if sawEmpty != empty {
		t.Fatalf("a num.Window holds nothing: %v, max_pool refused: %v (%v)", sawEmpty, empty, sum)
	}
}
