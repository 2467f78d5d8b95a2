package passes

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// exactOnes lists the products of a compiled graph that round exactly, by name.
func exactOnes(g *ir.Graph) (names []string) {
	for _, v := range g.Values {
		exact := false
		switch a := v.Attrs.(type) {
		case *ir.ConvAttrs:
			exact = a.Exact
		case *ir.LinearAttrs:
			exact = a.Exact
		case *ir.TruncateAttrs:
			exact = a.Exact
		}
		if exact {
			names = append(names, v.Name)
		}
	}
	slices.Sort(names)
	return names
}

// product is a named product by random weights.
func (b *builder) product(name string, x *ir.Value, out int) *ir.Value {
	return b.must(b.g.New(ir.OpMatMul, name, nil, x, b.weights(0.3, x.Type.Shape[1], out)))
}

// What the client gets to see element by element is rounded exactly, unless it
// was asked for otherwise, and nothing else is.
func TestRevealedValuesRoundExactly(t *testing.T) {
	head := func(b *builder) *ir.Value { return b.op(ir.OpRelu, nil, b.product("first", b.input(1, 6), 8)) }
	for name, test := range map[string]struct {
		build   func(b *builder) []*ir.Value
		options Options
		want    []string
	}{
		"values": {build: func(b *builder) []*ir.Value { return []*ir.Value{b.product("last", head(b), 4)} }, want: []string{"last"}},
		"flag":   {build: func(b *builder) []*ir.Value { return []*ir.Value{b.product("last", head(b), 4)} }, options: Options{RevealStochastic: true}},
		"argmax": {build: func(b *builder) []*ir.Value { return []*ir.Value{b.product("last", head(b), 4)} }, options: Options{Reveal: plan.RevealArgMax}},
		"all":    {build: func(b *builder) []*ir.Value { return []*ir.Value{b.product("last", head(b), 4)} }, options: Options{Exact: true}, want: []string{"first", "last"}},
		"softmax by the client": {build: func(b *builder) []*ir.Value {
			return []*ir.Value{b.op(ir.OpSoftmax, &ir.AxisAttrs{Axis: 1}, b.product("last", head(b), 4))}
		}, want: []string{"last"}},
		"chosen and moved": {build: func(b *builder) []*ir.Value {
			x := b.op(ir.OpReshape, &ir.ReshapeAttrs{Shape: []int{2, 2}}, b.op(ir.OpRelu, nil, b.product("last", head(b), 4)))
			return []*ir.Value{b.op(ir.OpTranspose, &ir.TransposeAttrs{Perm: []int{1, 0}}, x)}
		}, want: []string{"last"}},
		"a sum of two": {build: func(b *builder) []*ir.Value {
			x := head(b)
			return []*ir.Value{b.op(ir.OpAdd, nil, b.product("left", x, 4), b.product("right", x, 4))}
		}, want: []string{"left", "right"}},
		"a product of two": {build: func(b *builder) []*ir.Value {
			x := head(b)
			return []*ir.Value{b.must(b.g.New(ir.OpMul, "last", nil, b.product("left", x, 4), b.product("right", x, 4)))}
		}, want: []string{"last"}},
		"two outputs, one within the network": {build: func(b *builder) []*ir.Value {
			x := b.product("first", b.input(1, 6), 8)
			return []*ir.Value{x, b.product("last", b.op(ir.OpRelu, nil, x), 4)}
		}, want: []string{"first", "last"}},
		"not behind a sum of many": {build: func(b *builder) []*ir.Value {
			return []*ir.Value{b.op(ir.OpSum, &ir.ReduceAttrs{Axes: []int{1}}, b.op(ir.OpRelu, nil, b.product("last", head(b), 4)))}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuilder(t)
			b.g.Outputs = test.build(b)
			o := test.options
			o.Calibration = b.samples(4)
			r, err := Compile(b.g, o)
			if err != nil {
				t.Fatal(err)
			}
			if got := exactOnes(r.Fixed); !slices.Equal(got, test.want) {
				t.Errorf("%v round exactly, want %v", got, test.want)
			}
			exact := 0
			for _, s := range r.Plan.Steps() {
				switch a := s.Attrs.(type) {
				case *plan.Linear:
					exact += truth(a.Exact)
				case *plan.Truncate:
					exact += truth(a.Exact)
				}
			}
			if exact != len(test.want) {
				t.Errorf("%d steps of the plan round exactly, want %d", exact, len(test.want))
			}
		})
	}
}

// tree is a decision tree as products and comparisons: the features at the
// inner nodes, their bits, the paths that the bits make, and the leaves' values.
//
//	x0 <= 2 ? (x1 <= 5 ? A : B) : (x0 <= 7 ? C : D)
func (b *builder) tree() *ir.Value {
	constant := func(shape []int, x ...float32) *ir.Value { return b.must(b.g.Const("c", ir.NewReal(shape, x))) }
	x := b.op(ir.OpMatMul, nil, b.input(1, 2), constant([]int{2, 3}, 1, 0, 1, 0, 1, 0))
	bits := b.op(ir.OpFunc, &ir.FuncAttrs{Name: "step"}, b.op(ir.OpSub, nil, constant([]int{1, 3}, 2, 5, 7), x))
	paths := b.op(ir.OpMatMul, nil, bits, constant([]int{3, 4}, 1, 1, -1, -1, 1, -1, 0, 0, 0, 0, 1, -1))
	leaf := b.op(ir.OpFunc, &ir.FuncAttrs{Name: "is_zero"}, b.op(ir.OpSub, nil, paths, constant([]int{1, 4}, 2, 1, 1, 0)))
	return b.op(ir.OpMatMul, nil, leaf, constant([]int{4, 2}, 1, -3, 2, 5, -1, 4, 0.5, -2))
}

// A tree of comparisons and equalities of whole numbers answers as the real one
// does, at the thresholds too, whether or not calibration shows that its inputs
// are whole.
func TestWholeNumbersKeepTheirSteps(t *testing.T) {
	b := newBuilder(t)
	b.g.Outputs = []*ir.Value{b.tree()}
	var whole, between [][]*num.Tensor
	for i := range 12 {
		x, y := float32(i*5%10), float32(i*7%10)
		whole = append(whole, []*num.Tensor{ir.NewReal([]int{1, 2}, []float32{x, y})})
		between = append(between, []*num.Tensor{ir.NewReal([]int{1, 2}, []float32{x + 0.317*float32(i%3), y - 0.171})})
	}
	for name, calibration := range map[string][][]*num.Tensor{"whole": whole, "between": between} {
		t.Run(name, func(t *testing.T) {
			r, err := Compile(b.g, Options{Calibration: calibration})
			if err != nil {
				t.Fatal(err)
			}
			for x := range 10 {
				for y := range 10 {
					in := []*num.Tensor{ir.NewReal([]int{1, 2}, []float32{float32(x), float32(y)})}
					want := eval(t, b.g, in)
					for seed := range uint64(3) {
						s, err := ir.Simulate(r.Fixed, in, ir.SimOptions{Rounding: ir.Stochastic, Seed: seed, Noise: 0.1})
						if err != nil {
							t.Fatal(err)
						}
						for i, got := range s.Outputs[0].Floats() {
							if math.Abs(float64(got-want[i])) > 0.01 {
								t.Fatalf("features %d, %d, seed %d: %v, want %v", x, y, seed, s.Outputs[0].Floats(), want)
							}
						}
					}
				}
			}
		})
	}
}

// A vote counts whole numbers: with the winner revealed only, the first of equal
// ones wins, which a rounding by chance would not keep.
func TestVotesRoundExactly(t *testing.T) {
	b := newBuilder(t)
	x := b.op(ir.OpFunc, &ir.FuncAttrs{Name: "step"}, b.input(1, 6))
	votes := make([]float32, 6*3)
	for i := range 6 {
		votes[i*3+i%3] = 1
	}
	b.g.Outputs = []*ir.Value{b.must(b.g.New(ir.OpMatMul, "votes", nil, x, b.must(b.g.Const("w", ir.NewReal([]int{6, 3}, votes)))))}
	r, err := Compile(b.g, Options{Calibration: b.samples(6), Reveal: plan.RevealArgMax})
	if err != nil {
		t.Fatal(err)
	}
	if got := exactOnes(r.Fixed); !slices.Equal(got, []string{"votes"}) {
		t.Errorf("%v round exactly", got)
	}
}

// Which grids are seen, and which are taken for chance.
func TestGrid(t *testing.T) {
	quarters := []float32{-3, 0.25, 0.5, 1.75, -2.25, 4.5, 7.75, 3.25, -1.5, 10}
	for name, test := range map[string]struct {
		seen [][]float32
		want float64 // 0: none
	}{
		"whole":                 {[][]float32{{0, 3, -4}, {1, 2, 100}}, 1},
		"zeros only":            {[][]float32{{0, 0}, {0}}, 0},
		"real":                  {[][]float32{{0.5, 1.1, -2.7}}, 0},
		"quarters":              {[][]float32{quarters[:5], quarters[5:]}, 0.25},
		"few halves":            {[][]float32{{0.5, 1.5, 2}}, 0},
		"thirds":                {[][]float32{{1. / 3, 2. / 3, 4. / 3, 5. / 3, -1. / 3, -2. / 3, 7. / 3, 8. / 3, 10. / 3}}, 1. / 3},
		"whole, then not":       {[][]float32{{1, 2, 3}, {1, 2.5001}}, 0},
		"large float32 numbers": {[][]float32{{1 << 24, 3 << 22}}, 0},
		"what float32 loses":    {[][]float32{{0.1 * 30, 0.7 * 10, 1e-6}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := gridOf(test.seen[0])
			for _, xs := range test.seen[1:] {
				g = g.with(gridOf(xs))
			}
			if step, ok := g.step(); ok != (test.want > 0) || math.Abs(step-test.want) > 1e-12 {
				t.Errorf("grid of %v (%v), want %v", step, ok, test.want)
			}
		})
	}
	for _, f := range []string{"step", "sign", "is_zero", "floor", "ceil", "trunc", "round"} {
		on := &ir.FuncAttrs{Name: f, Grid: 0.25}
		snapped, _ := on.Func()
		plain, _ := (&ir.FuncAttrs{Name: f}).Func()
		for x := -3.0; x <= 3; x += 0.25 {
			for _, e := range []float64{-0.12, -0.01, 0, 0.01, 0.12} {
				if got, want := snapped(x+e), plain(x); got != want {
					t.Errorf("%s of %g is %g, want that of %g, %g", f, x+e, got, x, want)
				}
			}
		}
	}
}

// Answers round exactly where that costs little of the weights, and by digits of them where
// it would cost much; only what not even digits have room for rounds by chance, unless
// exactness was asked for.
func TestExactRoundingCutsWeights(t *testing.T) {
	for _, c := range []struct {
		want, room, base int
		asked            bool
		bits             int
		exact, cut       bool
	}{
		{10, 12, 16, false, 10, true, false},
		{12, 8, 16, false, 8, true, false},
		{15, 8, 16, false, 15, true, true},
		{15, 8, 16, true, 15, true, true},
		{15, 8, 22, false, 13, true, true},
		{15, 8, 26, false, 15, false, false},
		{15, 8, 26, true, 8, true, false},
	} {
		b := newBuilder(t)
		v := b.op(ir.OpConv, &ir.ConvAttrs{}, b.input(1, 2048, 1, 1), b.weights(0.02, 10, 2048, 1, 1))
		f := &formats{exact: map[*ir.Value]bool{v: true}, digits: map[*ir.Value]digits{}, asked: c.asked}
		bits := f.exactWeightBits(v, c.want, c.room, c.base)
		if bits != c.bits || f.exact[v] != c.exact || (len(f.rough) == 1) == c.exact || (f.digits[v].count > 1) != c.cut {
			t.Errorf("%+v: %d bits, exact %v, digits %v, named %v", c, bits, f.exact[v], f.digits[v], f.rough)
		}
	}
}

// The digits of a weight add up to it, group by group, and their filters stay within the norm.
func TestDigitsAddUp(t *testing.T) {
	const groups, filters, fan = 2, 6, 700
	w := make([]float32, filters*fan)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	for base := 12; base <= 20; base++ {
		s, d, ok := cut(w, filters, 13, 11, 9, base)
		if !ok {
			t.Fatalf("accumulator of %d bits beside the weights': no room", base)
		}
		ints := rounded(w, s)
		all, size := d.split(ints, groups), len(ints)/groups
		if n := plan.LargestNorm(all, d.count*filters); n > math.Exp2(float64(digitRoom-base-s)) {
			t.Errorf("base %d: a digit's filter has norm %.0f, there is room for 2^%d", base, n, digitRoom-base-s)
		}
		for i, x := range ints {
			sum, at := int64(0), i/size*d.count*size+i%size
			for n := d.count - 1; n >= 0; n-- {
				sum = sum<<d.bits + all[at+n*size]
			}
			if sum != x {
				t.Fatalf("base %d, %+v: digits of weight %d add up to %d, not %d", base, d, i, sum, x)
			}
		}
	}
}

// What the client learns of a last layer is exact in every shape: no rounding by chance is
// left, and answers do not change from run to run.
func TestLastLayersAreExact(t *testing.T) {
	for _, c := range []struct {
		in, w   []int
		groups  int
		size    float64
		options Options
	}{
		{[]int{1, 2048, 1, 1}, []int{100, 2048, 1, 1}, 1, 0.022, Options{}},
		{[]int{1, 2048, 1, 1}, []int{100, 2048, 1, 1}, 1, 1, Options{Target: TargetAccuracy}},
		{[]int{1, 2048, 1, 1}, []int{100, 2048, 1, 1}, 1, 0.022, Options{Target: TargetCost}},
		{[]int{1, 4096, 1, 1}, []int{20, 4096, 1, 1}, 1, 0.1, Options{Bits: 20}},
		{[]int{1, 512, 3, 3}, []int{8, 512, 3, 3}, 1, 0.05, Options{}},
		{[]int{2, 512, 4, 4}, []int{8, 128, 3, 3}, 4, 0.5, Options{Target: TargetAccuracy}},
		{[]int{1, 2048, 1, 1}, []int{100, 2048, 1, 1}, 1, 0.022, Options{Exact: true}},
	} {
		b := newBuilder(t)
		g := b.g
		g.Outputs = []*ir.Value{b.op(ir.OpConv, &ir.ConvAttrs{Group: c.groups}, b.input(c.in...), b.weights(c.size, c.w...), b.weights(1, c.w[0]))}
		c.options.Calibration = b.samples(enoughInputs)
		made, err := Compile(g, c.options)
		if err != nil {
			t.Errorf("%v by %v: %v", c.in, c.w, err)
			continue
		}
		if said := strings.Join(made.Warnings, "; "); strings.Contains(said, "by chance") {
			t.Errorf("%v by %v, %+v: %s", c.in, c.w, c.options.Bits, said)
		}
		for _, v := range made.Fixed.Values { // the simulation does not see the noise of one that is not
			if a, ok := v.Attrs.(*ir.ConvAttrs); ok && !a.Exact {
				t.Errorf("%v by %v: a product is not exact", c.in, c.w)
			}
		}
		var outputs [2][]*ir.FixedTensor
		for i := range outputs {
			r, err := ir.Simulate(made.Fixed, c.options.Calibration[0], ir.SimOptions{Seed: uint64(i + 1)})
			if err != nil {
				t.Fatal(err)
			}
			outputs[i] = r.Outputs
		}
		if !reflect.DeepEqual(outputs[0], outputs[1]) {
			t.Errorf("%v by %v: answers change from run to run", c.in, c.w)
		}
	}
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
