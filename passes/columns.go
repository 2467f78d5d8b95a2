package passes

import (
	"math"
	"slices"

	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// Columns of very different scale. All elements of an input share one format,
// which the loudest column of a table dictates: one counted in thousands leaves a
// ratio between 0 and 1 no bits, and the weights that make up for it none either. The
// client multiplies quiet columns by powers of two before it encodes them (the plan
// says by which, and it costs nothing); whatever multiplies them by weights takes the
// factor out again. Elements that meet in one channel of a convolution have one factor.

const (
	// columnRoom is how far below the loudest a raised column stays, at most: what
	// calibration saw of a quiet one is known less well, and inputs have bits to spare.
	columnRoom = 1. / 16
	// rareRoom is the same for a column that hardly ever is anything but zero, or
	// that is far larger in one input than in others.
	rareRoom = 1. / 256
	// steadyPeak is how much larger than usual a steady column becomes.
	steadyPeak = 8
	// trackedElems bounds the elements of inputs that are followed: their numbers
	// stand in float32 tensors.
	trackedElems = 1 << 23
)

// columns raises quiet columns of the inputs.
func columns(g *ir.Graph, cfg *Config) error {
	t, err := track(g)
	if err != nil || t == nil {
		return err
	}
	exps, err := cfg.found("columns", len(t.classes()), func() ([]float64, error) { return t.exponents(g, cfg), nil })
	if err != nil {
		return err
	}
	return t.apply(g, exps)
}

// tracker follows the elements of inputs to where weights read them. Elements
// are numbered from 1 through all inputs.
type tracker struct {
	at     map[*ir.Value][]float32 // which element stands at each place of a value; 0: none
	first  map[*ir.Value]int       // number of an input's first element
	parent []int                   // union-find
	pinned []bool                  // by root: no factor
}

// track follows the inputs of a graph; nil if they are too large.
func track(g *ir.Graph) (*tracker, error) {
	t := &tracker{at: map[*ir.Value][]float32{}, first: map[*ir.Value]int{}, parent: []int{0}, pinned: []bool{true}}
	for _, v := range g.Inputs {
		t.first[v] = len(t.parent)
		at := make([]float32, v.Type.N())
		if len(t.parent)+len(at) > trackedElems {
			return nil, nil
		}
		for i := range at {
			at[i] = float32(len(t.parent))
			t.parent, t.pinned = append(t.parent, len(t.parent)), append(t.pinned, false)
		}
		t.at[v] = at
	}
	for _, v := range g.Values {
		if err := t.follow(v); err != nil {
			return nil, err
		}
	}
	for _, o := range g.Outputs {
		t.pin(o)
	}
	return t, nil
}

func (t *tracker) root(i int) int {
	for t.parent[i] != i {
		t.parent[i] = t.parent[t.parent[i]]
		i = t.parent[i]
	}
	return i
}

func (t *tracker) join(a, b int) {
	if a, b = t.root(a), t.root(b); a != b {
		t.parent[b] = a
		t.pinned[a] = t.pinned[a] || t.pinned[b]
	}
}

func (t *tracker) pin(v *ir.Value) {
	for _, x := range t.at[v] {
		t.pinned[t.root(int(x))] = true
	}
}

// follow takes the elements through one operator.
func (t *tracker) follow(v *ir.Value) error {
	if !slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return t.at[a] != nil }) {
		return nil
	}
	switch {
	case movesOnly(v):
		return t.move(v)
	case v.Op == ir.OpConv && t.at[v.Args[0]] != nil && ir.IsConst(v.Args[1]) && (len(v.Args) < 3 || ir.IsConst(v.Args[2])):
		t.meet(v.Args[0])
	case v.Op == ir.OpNeg, (v.Op == ir.OpRelu || v.Op == ir.OpPRelu) && t.at[v.Args[0]] != nil:
		t.at[v] = t.at[v.Args[0]]
	case t.shifted(v) != nil:
		t.at[v] = widened(t.at[t.shifted(v)], t.shifted(v).Type.Shape, v.Type.Shape)
	case signOnly(v): // whatever the factor, the answer is the same
	default:
		for _, a := range v.Args {
			t.pin(a)
		}
	}
	return nil
}

// movesOnly reports operators that only put elements elsewhere, beside zeros.
func movesOnly(v *ir.Value) bool {
	switch v.Op {
	case ir.OpReshape, ir.OpTranspose, ir.OpConcat, ir.OpSlice, ir.OpGather, ir.OpExpand:
		return true
	case ir.OpPad:
		return v.Attrs.(*ir.PadAttrs).Value == 0
	}
	return false
}

func (t *tracker) move(v *ir.Value) error {
	args := make([]*num.Tensor, len(v.Args))
	for i, a := range v.Args {
		at := t.at[a]
		if at == nil {
			at = make([]float32, a.Type.N())
		}
		args[i] = ir.NewReal(a.Type.Shape, at)
	}
	moved, err := ir.EvalValue(v, args...)
	if err == nil {
		t.at[v] = ir.Floats(moved)
	}
	return err
}

// shifted gives the tracked argument of a sum with a constant; else nil.
func (t *tracker) shifted(v *ir.Value) *ir.Value {
	if v.Op != ir.OpAdd && v.Op != ir.OpSub {
		return nil
	}
	if x, _, _, ok := constArg(v); ok && t.at[x] != nil {
		return x
	}
	return nil
}

// signOnly reports functions that depend on the sign of a number alone.
func signOnly(v *ir.Value) bool {
	f, ok := v.Attrs.(*ir.FuncAttrs)
	return ok && (f.Name == "step" || f.Name == "sign" || f.Name == "is_zero")
}

// widened reads a tensor as if it had a larger shape.
func widened(x []float32, from, to []int) []float32 {
	if len(x) == ir.Numel(to) {
		return x
	}
	y := make([]float32, ir.Numel(to))
	for i := range y {
		y[i] = x[broadcastIndex(i, to, from)]
	}
	return y
}

// meet gives the elements of each channel one factor.
func (t *tracker) meet(x *ir.Value) {
	channels, inner := x.Type.Shape[1], ir.Numel(x.Type.Shape[2:])
	seen := make([]int, channels)
	for i, e := range t.at[x] {
		c := i / inner % channels
		switch {
		case e == 0:
		case seen[c] == 0:
			seen[c] = int(e)
		default:
			t.join(seen[c], int(e))
		}
	}
}

// classes lists the roots of elements that may have a factor.
func (t *tracker) classes() []int {
	var all []int
	for i := 1; i < len(t.parent); i++ {
		if t.root(i) == i && !t.pinned[i] {
			all = append(all, i)
		}
	}
	return all
}

// exponents measures the columns and gives the power of two that each class is raised by.
func (t *tracker) exponents(g *ir.Graph, cfg *Config) []float64 {
	f := &formats{secret: secrets(g, clientTail(g)), parent: map[*ir.Value]*ir.Value{}}
	f.share(g)
	inputs, _ := cfg.inputs(g)
	peaks := map[int][]float64{} // by root, an entry a calibration input
	loudest := map[*ir.Value]float64{}
	format := map[int]*ir.Value{} // by root
	for n, tensors := range inputs {
		for k, v := range g.Inputs {
			for i, x := range v.Attrs.(*ir.InputAttrs).Apply(ir.Floats(tensors[k])) {
				r := t.root(t.first[v] + i)
				if peaks[r] == nil {
					peaks[r], format[r] = make([]float64, len(inputs)), f.root(v)
				}
				m := math.Abs(float64(x))
				peaks[r][n] = math.Max(peaks[r][n], m)
				loudest[f.root(v)] = math.Max(loudest[f.root(v)], m)
			}
		}
	}
	t.addends(g, peaks)
	var exps []float64
	for _, r := range t.classes() {
		exps = append(exps, raiseColumn(peaks[r], loudest[format[r]]))
	}
	return exps
}

// addends counts constants that are added to elements among what these reach: they are
// raised with them.
func (t *tracker) addends(g *ir.Graph, peaks map[int][]float64) {
	for _, v := range g.Values {
		if t.shifted(v) == nil {
			continue
		}
		_, c, _, _ := constArg(v)
		for i, e := range t.at[v] {
			m := math.Abs(float64(data(c)[broadcastIndex(i, v.Type.Shape, c.Type.Shape)]))
			for n, p := range peaks[t.root(int(e))] {
				peaks[t.root(int(e))][n] = math.Max(p, m)
			}
		}
	}
}

// raiseColumn gives the exponent for a column whose largest magnitudes, input by
// input, are peaks, beside columns of which the loudest reaches loudest.
func raiseColumn(peaks []float64, loudest float64) float64 {
	var spoke []float64
	for _, p := range peaks {
		if p > 0 {
			spoke = append(spoke, p)
		}
	}
	if len(spoke) == 0 || math.IsInf(loudest, 1) || math.IsNaN(loudest) {
		return 0
	}
	slices.Sort(spoke)
	peak, room := spoke[len(spoke)-1], columnRoom
	if 2*len(spoke) < len(peaks) || peak > steadyPeak*spoke[len(spoke)/2] {
		peak, room = math.Max(peak, 1), rareRoom
	}
	e := math.Floor(math.Log2(loudest * room / peak))
	return math.Min(math.Max(e, 0), ir.MaxInputShift)
}

// apply tells the client the factors and takes them out of weights.
func (t *tracker) apply(g *ir.Graph, exps []float64) error {
	exp := map[int]int{}
	for i, r := range t.classes() {
		if exps[i] != 0 {
			exp[r] = int(exps[i])
		}
	}
	if len(exp) == 0 {
		return nil
	}
	of := func(e float32) int { return exp[t.root(int(e))] }
	for _, v := range slices.Clone(g.Values) {
		var err error
		switch at := t.at; {
		case v.Op == ir.OpInput:
			setShifts(v, at[v], of)
		case v.Op == ir.OpConv && at[v.Args[0]] != nil:
			err = t.takeOut(g, v, of)
		case t.shifted(v) != nil:
			err = raiseAddend(g, v, at[v], of)
		}
		if err != nil {
			return err
		}
	}
	return g.Sort()
}

// setShifts writes the exponents of an input as a pattern that repeats.
func setShifts(v *ir.Value, at []float32, of func(float32) int) {
	a := v.Attrs.(*ir.InputAttrs)
	all := make([]int, len(at))
	inner := len(all)
	for i, e := range at {
		if all[i] = of(e); len(a.Shift) > 0 {
			all[i] += a.Shift[i/a.Inner%len(a.Shift)]
		}
		if i > 0 && all[i] != all[i-1] {
			inner = gcd(inner, i)
		}
	}
	var blocks []int
	for i := 0; i < len(all); i += inner {
		blocks = append(blocks, all[i])
	}
	if len(blocks) == 1 && blocks[0] == 0 {
		return
	}
	for p := 1; p <= len(blocks); p++ {
		if len(blocks)%p == 0 && slices.Equal(blocks[p:], blocks[:len(blocks)-p]) {
			blocks = blocks[:p]
			break
		}
	}
	a.Shift, a.Inner = blocks, inner
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// takeOut divides a convolution's weights by the factors of its channels.
func (t *tracker) takeOut(g *ir.Graph, conv *ir.Value, of func(float32) int) error {
	x := conv.Args[0]
	channels, inner := x.Type.Shape[1], ir.Numel(x.Type.Shape[2:])
	m := channelMap{scale: slices.Repeat([]float32{1}, channels), shift: make([]float32, channels)}
	any := false
	for i, e := range t.at[x] {
		if k := of(e); k != 0 {
			m.scale[i/inner%channels], any = float32(math.Ldexp(1, -k)), true
		}
	}
	if !any {
		return nil
	}
	return scaleInputs(g, conv, m)
}

// raiseAddend multiplies a sum's constant as the elements that it is added to are.
func raiseAddend(g *ir.Graph, v *ir.Value, at []float32, of func(float32) int) error {
	_, c, second, _ := constArg(v)
	x, factors := make([]float32, len(at)), make([]float32, len(at))
	for i, e := range at {
		factors[i] = float32(of(e))
		x[i] = float32(math.Ldexp(float64(data(c)[broadcastIndex(i, v.Type.Shape, c.Type.Shape)]), of(e)))
	}
	shape, _ := collapse(v.Type.Shape, factors)
	for d, n := range c.Type.Shape { // where the constant has an extent it keeps it, whatever it holds
		if d += len(shape) - len(c.Type.Shape); n > 1 {
			shape[d] = n
		}
	}
	raised, err := constant(g, c.Name, shape, firstAlong(v.Type.Shape, shape, x))
	if err != nil {
		return err
	}
	if second {
		v.Args[1] = raised
	} else {
		v.Args[0] = raised
	}
	return nil
}

// firstAlong is x, of a shape, without all but the first elements along the dimensions that are 1 in to.
func firstAlong(shape, to []int, x []float32) []float32 {
	y := make([]float32, ir.Numel(to))
	for i := range y {
		at, left, stride := 0, i, 1
		for d := len(to) - 1; d >= 0; d-- {
			at += left % to[d] * stride
			left, stride = left/to[d], stride*shape[d]
		}
		y[i] = x[at]
	}
	return y
}

// collapse drops the extent of dimensions along which a tensor does not vary.
func collapse(shape []int, x []float32) ([]int, []float32) {
	shape = slices.Clone(shape)
	for d := range shape {
		outer, n, inner := ir.Numel(shape[:d]), shape[d], ir.Numel(shape[d+1:])
		first := make([]float32, 0, outer*inner)
		same := true
		for o := range outer {
			row := x[o*n*inner:][:inner]
			first = append(first, row...)
			for i := range n {
				same = same && slices.Equal(x[(o*n+i)*inner:][:inner], row)
			}
		}
		if same {
			x, shape[d] = first, 1
		}
	}
	return shape, x
}
