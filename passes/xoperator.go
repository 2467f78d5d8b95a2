package passes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"secc/backend"
	"secc/backend/plan"
	"secc/ir"
)

// An X-operator (Ganesan et al. 2022) stands in for a convolution: of the input's
// channels the even ones pass a depthwise k x k convolution, the odd ones pass as
// they are, and a dense 1x1 convolution mixes both: HW*C*(k*k/2 + Cout)
// multiplications in place of HW*C*k*k*Cout. It is another network: unless it is
// trained again, its answers are only near the first one's.

// XReport says what was replaced and how well that fits.
type XReport struct {
	Layers    []XLayer `json:"layers"`
	Agreement float64  `json:"agreement"` // share of held-out calibration inputs whose largest output stays
	Deviation float64  `json:"deviation"` // of the outputs, relative to their spread
	HeldOut   int      `json:"held_out"`  // inputs that were not fitted to; if there are too few, those that were
}

// XLayer is one convolution that was considered.
type XLayer struct {
	Name      string  `json:"layer"`
	FitError  float64 `json:"fit_error"` // root mean square over the spread of the trained results
	Agreement float64 `json:"agreement"` // of the network so far, with this layer replaced
	Direct    float64 `json:"seconds"`   // predicted
	X         float64 `json:"seconds_x"`
	MACs      int64   `json:"macs"`
	XMACs     int64   `json:"macs_x"`
	Applied   bool    `json:"applied"`
	WhyNot    string  `json:"why_not,omitempty"`
}

// XChoice says which convolutions to replace: auto, off, force, or their names.
type XChoice string

// names are the layers that the choice lists, or nil.
func (c XChoice) names() []string {
	switch Choice(c) {
	case "", ChoiceAuto, ChoiceOff, ChoiceForce:
		return nil
	}
	return strings.Split(string(c), ",")
}

// XOperators replaces convolutions by X-operators, fitted to the trained ones on
// the calibration inputs, layer by layer, so that each fit makes up for what
// those before it changed. It works on the graph of the front end, before
// anything is folded, and does not change it: it returns another. Auto replaces
// what the cost model calls worth it, as long as the answers stay within XDrop;
// without an XDrop it changes nothing.
func XOperators(g *ir.Graph, o Options) (*ir.Graph, *XReport, error) {
	if o.keepsOperators() {
		return g, &XReport{Agreement: 1}, nil
	}
	if len(o.Calibration) == 0 {
		if o.XOperator == "" || Choice(o.XOperator) == ChoiceAuto {
			return g, &XReport{Agreement: 1}, nil
		}
		return nil, nil, fmt.Errorf("x-operator: weights are fitted on calibration inputs, and there are none")
	}
	x := &replacing{cfg: NewConfig(o), old: g, report: &XReport{Agreement: 1}, fitted: map[string]bool{}}
	x.now, x.twin = g.Clone()
	x.split(o.Calibration)
	if err := x.answers(); err != nil {
		return nil, nil, fmt.Errorf("x-operator: %w", err)
	}
	if err := x.run(); err != nil {
		return nil, nil, fmt.Errorf("x-operator: %w", err)
	}
	return x.now, x.report, nil
}

// keepsOperators says that X-operators are not wanted.
func (o *Options) keepsOperators() bool {
	c := Choice(o.XOperator)
	return c == ChoiceOff || (c == "" || c == ChoiceAuto) && o.XDrop <= 0
}

// replacing is the state of one run.
type replacing struct {
	cfg      *Config
	old, now *ir.Graph
	twin     map[*ir.Value]*ir.Value // from old to now
	fit      [][]*tensor.Dense
	held     [][]*tensor.Dense
	want     [][][]float32 // the old network's outputs for held
	report   *XReport
	fitted   map[string]bool
}

// split keeps every fourth input for judging, if there are enough.
func (x *replacing) split(inputs [][]*tensor.Dense) {
	if len(inputs) < 8 {
		x.fit, x.held = inputs, inputs
	} else {
		for i, in := range inputs {
			if i%4 == 3 {
				x.held = append(x.held, in)
			} else {
				x.fit = append(x.fit, in)
			}
		}
	}
	x.report.HeldOut = len(x.held)
}

func (x *replacing) answers() error {
	for _, in := range x.held {
		outs, err := ir.Eval(x.old, in, ir.EvalOptions{})
		if err != nil {
			return err
		}
		var want [][]float32
		for _, o := range outs {
			want = append(want, ir.Floats(o))
		}
		x.want = append(x.want, want)
	}
	return nil
}

func (x *replacing) run() error {
	chosen, err := x.candidates()
	if err != nil {
		return err
	}
	for i, v := range chosen {
		if err := x.replace(v, &x.report.Layers[i]); err != nil {
			return err
		}
	}
	for _, name := range x.cfg.XOperator.names() {
		if !x.fitted[name] {
			return fmt.Errorf("no layer %q that an X-operator can stand in for", name)
		}
	}
	agree, deviation, err := x.judge(x.now)
	x.report.Agreement, x.report.Deviation = agree, deviation
	return err
}

// A convolution is a bottleneck if an X-operator takes at most worthX of its
// time, and saves at least leastX of that of all that could be replaced.
const (
	worthX = 0.8
	leastX = 0.01
)

// candidates lists the convolutions to replace, in order: those that are named,
// all, or the bottlenecks.
func (x *replacing) candidates() (chosen []*ir.Value, err error) {
	names := x.cfg.XOperator.names()
	var layers []XLayer
	var convs []*ir.Value
	all := 0.0
	for _, v := range x.old.Values {
		if !replaceable(v) || names != nil && !slices.Contains(names, v.Name) {
			continue
		}
		layer := XLayer{Name: v.Name}
		if err := x.price(v, &layer); err != nil {
			return nil, err
		}
		layers, convs, all = append(layers, layer), append(convs, v), all+layer.Direct
	}
	for i, l := range layers {
		if names == nil && Choice(x.cfg.XOperator) != ChoiceForce && (l.X > worthX*l.Direct || l.Direct-l.X < leastX*all) {
			continue
		}
		x.fitted[l.Name] = true
		x.report.Layers, chosen = append(x.report.Layers, l), append(chosen, convs[i])
	}
	return chosen, nil
}

// replaceable reports ungrouped convolutions by an odd kernel, padded to keep
// the size (a stride apart): the identity's half must line up with the other.
func replaceable(v *ir.Value) bool {
	if v.Op != ir.OpConv || len(v.Type.Shape) != 4 || !ir.IsConst(v.Args[1]) || len(v.Args) == 3 && !ir.IsConst(v.Args[2]) {
		return false
	}
	a, w, in := v.Attrs.(*ir.ConvAttrs), v.Args[1].Type.Shape, v.Args[0].Type.Shape
	if a.Group > 1 || w[1] < 2 || w[2]*w[3] < 2 || slices.Max(a.Dilations) > 1 {
		return false
	}
	for d := range 2 {
		if w[2+d]%2 == 0 || a.PadsBegin[d] != w[2+d]/2 || v.Type.Shape[2+d] != (in[2+d]+a.Strides[d]-1)/a.Strides[d] {
			return false
		}
	}
	return true
}

// price predicts the seconds of a convolution and of the X-operator in its place.
func (x *replacing) price(v *ir.Value, layer *XLayer) error {
	l := backend.Geometry(v)
	l.OutBits, l.Shift = x.cfg.Bits, usualShift
	l.InBits = l.OutBits + l.Shift
	even := (l.CIn + 1) / 2
	depth, dense := *l, *l
	depth.G, depth.CIn, depth.COut = even, even, even
	dense.H, dense.W, dense.KH, dense.KW, dense.SH, dense.SW, dense.PT, dense.PL = l.OH, l.OW, 1, 1, 1, 1, 0, 0
	area := int64(l.Batch * l.OH * l.OW)
	layer.MACs = area * int64(l.COut*l.FilterLen())
	layer.XMACs = area * int64(even*l.KH*l.KW+l.CIn*l.COut)
	var err error
	if layer.Direct, err = x.seconds(l); err != nil {
		return err
	}
	a, err := x.seconds(&depth)
	if err != nil {
		return err
	}
	b, err := x.seconds(&dense)
	extend := plan.CostExtend(depth.NumOut(), &plan.Extend{From: l.OutBits, To: l.InBits})
	layer.X = a + b + x.cfg.Profile.Seconds(extend)
	return err
}

func (x *replacing) seconds(l *plan.Linear) (float64, error) {
	ot := x.cfg.Profile.OverOT(l.AsOT([]plan.BitRange{{Lo: 0, Hi: usualDigits}}))
	if x.cfg.Linear == LinearOT {
		return ot, nil
	}
	rlwe, err := x.cfg.Profile.OverRLWE(l)
	if x.cfg.Linear == LinearAuto {
		rlwe = math.Min(rlwe, ot)
	}
	return rlwe, err
}

// replace fits and builds one X-operator; where the answers would leave XDrop it
// is taken back, unless the user asked for it by name or by force without a limit.
func (x *replacing) replace(v *ir.Value, layer *XLayer) error {
	m, err := x.collect(v)
	if err != nil {
		return err
	}
	w, left, err := m.fit(trainedKernels(v), 20)
	if err != nil {
		return fmt.Errorf("layer %q: %w", v.Name, err)
	}
	layer.FitError = left
	trial, to := x.now.Clone()
	if err := buildX(trial, to[x.twin[v]], w); err != nil {
		return fmt.Errorf("layer %q: %w", v.Name, err)
	}
	agree, deviation, err := x.judge(trial)
	if err != nil {
		return err
	}
	layer.Agreement = agree
	if x.cfg.XDrop > 0 && !x.within(agree, deviation) {
		layer.WhyNot = fmt.Sprintf("outputs would deviate by %.2g %% of their spread", 100*deviation)
		return nil
	}
	layer.Applied = true
	for old, now := range x.twin {
		x.twin[old] = to[now]
	}
	x.now = trial
	return nil
}

// enoughHeldOut times the inverse of a drop is how many inputs must agree for
// that drop to be excluded: of n inputs without a change, 3/n is the rate that
// would have shown one with 95 % probability.
const enoughHeldOut = 3

// within says whether the network's answers stay inside the drop that is
// allowed. Agreement on a few inputs proves nothing: then the outputs must not
// deviate by more than that share of their spread.
func (x *replacing) within(agree, deviation float64) bool {
	if len(x.want[0][0]) > 1 && float64(len(x.held))*x.cfg.XDrop >= enoughHeldOut {
		return 1-agree <= x.cfg.XDrop
	}
	return 1-agree <= x.cfg.XDrop && deviation <= x.cfg.XDrop
}

// judge compares a network with the old one on the inputs held out.
func (x *replacing) judge(g *ir.Graph) (agree, deviation float64, err error) {
	same, n, diff, sum, squares, count := 0, 0, 0.0, 0.0, 0.0, 0.0
	for i, in := range x.held {
		outs, err := ir.Eval(g, in, ir.EvalOptions{})
		if err != nil {
			return 0, 0, err
		}
		for o, out := range outs {
			got, want := ir.Floats(out), x.want[i][o]
			if n++; largest(got) == largest(want) {
				same++
			}
			for j, y := range want {
				diff += math.Pow(float64(got[j]-y), 2)
				sum, squares, count = sum+float64(y), squares+float64(y)*float64(y), count+1
			}
		}
	}
	if spread := squares - sum*sum/count; spread > 0 {
		deviation = math.Sqrt(diff / spread)
	}
	return float64(same) / float64(n), deviation, nil
}

// trainedKernels are the even channels' kernels: row c*taps+t, a column a filter.
func trainedKernels(v *ir.Value) *mat.Dense {
	w, s := data(v.Args[1]), v.Args[1].Type.Shape
	taps, even := s[2]*s[3], (s[1]+1)/2
	k := mat.NewDense(even*taps, s[0], nil)
	for o := range s[0] {
		for c := range even {
			for t := range taps {
				k.Set(c*taps+t, o, float64(w[(o*s[1]+2*c)*taps+t]))
			}
		}
	}
	return k
}

// rowsPerUnknown is how many positions are looked at, at least, for each number
// that the fit must find.
const rowsPerUnknown = 8

// collect evaluates both networks on the inputs for fitting, and sums the
// moments of what the layer sees now and what it gave before.
func (x *replacing) collect(v *ir.Value) (*moments, error) {
	in, s := x.twin[v.Args[0]], v.Args[1].Type.Shape
	m := newMoments((s[1]+1)/2, s[1]/2, s[2]*s[3], s[0])
	rows := rowsPerUnknown*m.dim()/len(x.fit) + 64
	r := rand.New(rand.NewPCG(11, uint64(v.ID)))
	for _, sample := range x.fit {
		var seen, gave []float32
		if _, err := ir.Eval(x.now, sample, ir.EvalOptions{Observe: keeping(in, &seen)}); err != nil {
			return nil, err
		}
		if _, err := ir.Eval(x.old, sample, ir.EvalOptions{Observe: keeping(v, &gave)}); err != nil {
			return nil, err
		}
		z, y := patches(v, seen, gave, min(rows, v.Type.N()/s[0]), r)
		m.add(z, y)
	}
	return m, nil
}

func keeping(v *ir.Value, to *[]float32) func(*ir.Value, *tensor.Dense) {
	return func(w *ir.Value, t *tensor.Dense) {
		if w == v {
			*to = slices.Clone(ir.Floats(t))
		}
	}
}

// patches draws some positions: what lies under the kernel in the even channels,
// the odd channels at the centre, a one; and the results.
func patches(v *ir.Value, in, out []float32, rows int, r *rand.Rand) (z, y *mat.Dense) {
	a, xs, ys, ks := v.Attrs.(*ir.ConvAttrs), v.Args[0].Type.Shape, v.Type.Shape, v.Args[1].Type.Shape
	c, h, w, taps := xs[1], xs[2], xs[3], ks[2]*ks[3]
	even := (c + 1) / 2
	z, y = mat.NewDense(rows, even*taps+c/2+1, nil), mat.NewDense(rows, ys[1], nil)
	plane := ys[2] * ys[3]
	for i, at := range r.Perm(ys[0] * plane)[:rows] {
		b, oy, ox := at/plane, at%plane/ys[3], at%ys[3]
		line := z.RawRowView(i)
		for ch := range c {
			from := in[(b*c+ch)*h*w:]
			if ch%2 == 1 {
				line[even*taps+ch/2] = float64(from[oy*a.Strides[0]*w+ox*a.Strides[1]])
				continue
			}
			for t := range taps {
				p, q := oy*a.Strides[0]+t/ks[3]-a.PadsBegin[0], ox*a.Strides[1]+t%ks[3]-a.PadsBegin[1]
				if p >= 0 && p < h && q >= 0 && q < w {
					line[ch/2*taps+t] = float64(from[p*w+q])
				}
			}
		}
		line[len(line)-1] = 1
		for o := range ys[1] {
			y.Set(i, o, float64(out[(b*ys[1]+o)*plane+at%plane]))
		}
	}
	return z, y
}

// buildX puts the X-operator in the place of a convolution.
func buildX(g *ir.Graph, v *ir.Value, w xWeights) error {
	x, a := v.Args[0], v.Attrs.(*ir.ConvAttrs)
	xs, ys, ks := x.Type.Shape, v.Type.Shape, v.Args[1].Type.Shape
	even := (xs[1] + 1) / 2
	b := xBuilder{g: g}
	half := b.op(ir.OpSlice, v.Name+".even", &ir.SliceAttrs{Start: []int{0, 0, 0, 0}, Step: []int{1, 2, 1, 1}, Size: []int{xs[0], even, xs[2], xs[3]}}, x)
	deep := b.op(ir.OpConv, v.Name+".depthwise", &ir.ConvAttrs{
		Group: even, Strides: slices.Clone(a.Strides), PadsBegin: slices.Clone(a.PadsBegin), PadsEnd: slices.Clone(a.PadsEnd),
	}, half, b.weights(v.Name+".depthwise.weight", []int{even, 1, ks[2], ks[3]}, w.kernels))
	other := b.op(ir.OpSlice, v.Name+".odd", &ir.SliceAttrs{
		Start: []int{0, 1, 0, 0}, Step: []int{1, 2, a.Strides[0], a.Strides[1]}, Size: []int{xs[0], xs[1] / 2, ys[2], ys[3]},
	}, x)
	both := b.op(ir.OpConcat, v.Name+".concat", &ir.AxisAttrs{Axis: 1}, deep, other)
	dense := w.dense.Slice(0, ys[1], 0, xs[1])
	y := b.op(ir.OpConv, v.Name, &ir.ConvAttrs{}, both, b.weights(v.Name+".dense.weight", []int{ys[1], xs[1], 1, 1}, dense),
		b.weights(v.Name+".dense.bias", []int{ys[1]}, w.dense.Slice(0, ys[1], xs[1], xs[1]+1)))
	if b.err != nil {
		return b.err
	}
	g.ReplaceUses(v, y)
	g.RemoveDead()
	return g.Sort()
}

// xBuilder appends values and keeps the first error.
type xBuilder struct {
	g   *ir.Graph
	err error
}

func (b *xBuilder) op(op ir.Op, name string, attrs any, args ...*ir.Value) *ir.Value {
	if b.err != nil {
		return nil
	}
	v, err := b.g.New(op, name, attrs, args...)
	b.err = err
	return v
}

func (b *xBuilder) weights(name string, shape []int, m mat.Matrix) *ir.Value {
	if b.err != nil {
		return nil
	}
	rows, cols := m.Dims()
	x := make([]float32, 0, rows*cols)
	for i := range rows {
		for j := range cols {
			x = append(x, float32(m.At(i, j)))
		}
	}
	v, err := constant(b.g, name, shape, x)
	b.err = err
	return v
}
