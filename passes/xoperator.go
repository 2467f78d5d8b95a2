package passes

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"secc.example/secc/backend"
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// An X-operator (Ganesan et al. 2022) stands in for a convolution: of the input's
// channels the even ones pass a depthwise k x k convolution, the odd ones pass as
// they are, and a dense 1x1 convolution mixes both: HW*C*(k*k/2 + Cout)
// multiplications in place of HW*C*k*k*Cout. With strides, or padding that changes
// the size, the odd ones pass as seen by the kernel's middle tap. It is another
// network: unless it is trained again, its answers are only near the first one's.

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
	x := &replacing{cfg: NewConfig(o), old: g, report: &XReport{Agreement: 1}}
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
	fit      [][]*num.Tensor
	held     [][]*num.Tensor
	want     [][][]float32 // the old network's outputs for held
	report   *XReport
}

// split keeps every fourth input for judging, if there are enough.
func (x *replacing) split(inputs [][]*num.Tensor) {
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
		outs, err := ir.Eval(x.old, in, ir.EvalOptions{Stop: x.cfg.Stop})
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
	for _, c := range chosen {
		if c.WhyNot != "" {
			x.report.Layers = append(x.report.Layers, c.XLayer)
			continue
		}
		if err := x.replace(c.conv, &c.XLayer); err != nil {
			return err
		}
		x.report.Layers = append(x.report.Layers, c.XLayer)
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

// candidate is a convolution and what is known of it.
type candidate struct {
	conv *ir.Value
	XLayer
}

// candidates lists the convolutions to replace, in order: those that are named,
// all (with those that cannot be, and why), or the bottlenecks.
func (x *replacing) candidates() (chosen []candidate, err error) {
	names := x.cfg.XOperator.names()
	found := map[string]bool{}
	all := 0.0
	for _, v := range x.old.Values {
		if v.Op != ir.OpConv || names != nil && !slices.Contains(names, v.Name) {
			continue
		}
		c := candidate{v, XLayer{Name: v.Name, WhyNot: whyNotX(v)}}
		if c.WhyNot == "" {
			err = x.price(v, &c.XLayer)
		} else if names != nil {
			err = fmt.Errorf("no X-operator can stand in for layer %q: %s", v.Name, c.WhyNot)
		}
		if err != nil {
			return nil, err
		}
		chosen, all, found[v.Name] = append(chosen, c), all+c.Direct, true
	}
	for _, name := range names {
		if !found[name] {
			return nil, fmt.Errorf("no layer %q that an X-operator can stand in for", name)
		}
	}
	if names == nil && Choice(x.cfg.XOperator) != ChoiceForce {
		chosen = slices.DeleteFunc(chosen, func(c candidate) bool {
			return c.WhyNot != "" || c.X > worthX*c.Direct || c.Direct-c.X < leastX*all
		})
	}
	return chosen, nil
}

// whyNotX says why no X-operator can stand in for a convolution, or nothing.
func whyNotX(v *ir.Value) string {
	w := v.Args[1].Type.Shape
	switch {
	case len(w) != 4:
		return "it is not two-dimensional"
	case !ir.IsConst(v.Args[1]) || len(v.Args) == 3 && !ir.IsConst(v.Args[2]):
		return "its weights are not constant"
	case v.Attrs.(*ir.ConvAttrs).Group > 1:
		return "its channels are in groups already"
	case w[1] < 2:
		return "its input has one channel, which cannot be split in halves"
	case w[2]*w[3] < 2:
		return "its kernel is 1x1, which mixes channels and nothing else"
	}
	return ""
}

// price predicts the seconds of a convolution and of the X-operator in its place.
func (x *replacing) price(v *ir.Value, layer *XLayer) error {
	l := backend.Geometry(v)
	l.OutBits, l.Shift = x.cfg.Bits, usualShift
	l.InBits = l.OutBits + l.Shift
	even := (l.CIn + 1) / 2
	depth, dense := *l, *l
	depth.G, depth.CIn, depth.COut = even, even, even
	dense.H, dense.W, dense.KH, dense.KW, dense.SH, dense.SW, dense.DH, dense.DW, dense.PT, dense.PL = l.OH, l.OW, 1, 1, 1, 1, 1, 1, 0, 0
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
	made, err := buildX(trial, to[x.twin[v]], w)
	if err != nil {
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
	x.twin[v] = made
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
		outs, err := ir.Eval(g, in, ir.EvalOptions{Stop: x.cfg.Stop})
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
