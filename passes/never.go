package passes

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// What never wins. Masks stand for minus infinity by a number far below all
// others: -1e4, -1e9, the least float32 or -Inf itself, added to scores, chosen in
// their place or put around them, in front of a softmax or a maximum. All that
// counts is that such an element is far below its neighbours; but formats would have to hold
// it, and leave the scores no bits. So it is raised to where it is just as far
// below as it takes: in constants and pads, in what depends on one bit of a mask alone
// (both its values are known), and in inputs, where the client does it before it encodes them.

const (
	// softmaxDepth: an element so far below the largest of its row weighs nothing in
	// a softmax: exp(-20) is 2e-9.
	softmaxDepth = 20
	// leastMask is the least magnitude of what may be taken for minus infinity, and
	// apart how many times the range of what may win must lie between.
	leastMask = 500
	apart     = 64
	// neverMargin is how much larger than calibrated ranges may become.
	neverMargin = 1.5
)

// never raises what never wins.
func never(g *ir.Graph, cfg *Config) error {
	n := &masks{g: g, leaves: map[*ir.Value]*leaf{}, path: map[*ir.Value]bool{}, made: map[*ir.Value]*ir.Value{}}
	for _, v := range g.Values {
		if soft, ok := picksLargest(v); ok {
			n.collect(v, soft)
		}
	}
	if !n.suspicious() {
		return nil
	}
	if err := n.measure(cfg); err != nil {
		return err
	}
	return n.rewrite()
}

// picksLargest reports operators to which small elements of their first argument
// are as good as absent, and whether they must be small by softmaxDepth.
func picksLargest(v *ir.Value) (soft, ok bool) {
	switch v.Op {
	case ir.OpSoftmax:
		return true, true
	case ir.OpMaxPool, ir.OpReduceMax, ir.OpArgMax:
		return false, true
	case ir.OpMax:
		return false, ir.IsConst(v.Args[0]) || ir.IsConst(v.Args[1])
	}
	return false, false
}

// leaf is a term of what an operator picks the largest of.
type leaf struct {
	v      *ir.Value
	ends   []*end
	bit    *bitMap // what it is as a function of one bit; nil: something else
	added  bool    // to others; else it stands beside them
	lo, hi float64 // what calibration saw of it
	near   float64 // the least of its values that may win
}

// end is an operator that picks the largest of a sum of leaves.
type end struct {
	v      *ir.Value
	soft   bool
	leaves []*leaf
	first  *ir.Value // what it picks from
	lo, hi float64   // of what may win
	span   float64   // the ranges of its terms that are no masks
	sum    float64   // the ranges of all terms, as far as they may win
}

// masks is the state of the pass.
type masks struct {
	g      *ir.Graph
	ends   []*end
	leaves map[*ir.Value]*leaf
	order  []*leaf
	path   map[*ir.Value]bool // between leaves and ends: sums and operators that only move elements
	made   map[*ir.Value]*ir.Value
	bits   map[*ir.Value]bool // values of which calibration saw zeros and ones only
}

// collect walks from an operator back to its leaves.
func (n *masks) collect(v *ir.Value, soft bool) {
	e := &end{v: v, soft: soft, first: v.Args[0]}
	if ir.IsConst(e.first) {
		e.first = v.Args[1]
	}
	seen := map[*ir.Value]bool{}
	var walk func(x *ir.Value, added bool)
	walk = func(x *ir.Value, added bool) {
		if seen[x] {
			return
		}
		seen[x] = true
		sum := x.Op == ir.OpAdd
		if !sum && !movesElements(x) {
			n.leaf(x, e, added)
			return
		}
		n.path[x] = true
		if padded(x) && !added {
			n.leaf(x, e, false)
		}
		for _, a := range x.Args {
			walk(a, added || sum)
		}
	}
	for _, a := range v.Args {
		walk(a, false)
	}
	n.ends = append(n.ends, e)
}

// movesElements reports operators that put elements elsewhere, beside each other or beside a constant.
func movesElements(v *ir.Value) bool { return movesOnly(v) || v.Op == ir.OpPad }

// padded reports a pad with a number of its own; as a leaf it stands for that number.
func padded(v *ir.Value) bool {
	p, ok := v.Attrs.(*ir.PadAttrs)
	return ok && p.Mode == ir.PadConstant && p.Value != 0
}

func (n *masks) leaf(v *ir.Value, e *end, added bool) {
	l := n.leaves[v]
	if l == nil {
		l = &leaf{v: v}
		n.leaves[v], n.order = l, append(n.order, l)
	}
	l.added = l.added || added
	l.ends = append(l.ends, e)
	e.leaves = append(e.leaves, l)
}

// suspicious reports whether there may be anything to do: it costs evaluations to know.
func (n *masks) suspicious() bool {
	return slices.ContainsFunc(n.order, func(l *leaf) bool {
		switch {
		case padded(l.v):
			return l.v.Attrs.(*ir.PadAttrs).Value <= -leastMask
		case ir.IsConst(l.v):
			return slices.Min(data(l.v)) <= -leastMask
		}
		return l.v.Op == ir.OpInput || largeConstant(l.v, maskDepth)
	})
}

// largeConstant looks for a large constant among the few operators that make v.
func largeConstant(v *ir.Value, depth int) bool {
	if ir.IsConst(v) {
		return slices.ContainsFunc(data(v), func(x float32) bool { return x >= leastMask || x <= -leastMask })
	}
	if f, ok := v.Attrs.(*ir.FuncAttrs); ok && f.Name == "log" {
		return true // of a mask
	}
	return depth > 0 && elementwise(v) && slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return largeConstant(a, depth-1) })
}

// elementwise reports operators each of whose elements depends on one of each argument's.
func elementwise(v *ir.Value) bool {
	switch v.Op {
	case ir.OpAdd, ir.OpSub, ir.OpMul, ir.OpDiv, ir.OpNeg, ir.OpFunc, ir.OpRelu, ir.OpClip, ir.OpAbs, ir.OpMax, ir.OpMin, ir.OpBatchNorm:
		return true
	}
	return movesElements(v)
}

// measure finds the ranges of leaves, and which values are bits.
func (n *masks) measure(cfg *Config) error {
	values := n.g.Values
	x, err := cfg.found("never", 3*len(values), func() ([]float64, error) { return observeAll(n.g, cfg) })
	if err != nil {
		return err
	}
	n.bits = map[*ir.Value]bool{}
	for i, v := range values {
		n.bits[v] = x[3*i] == 1
		if l := n.leaves[v]; l != nil {
			l.lo, l.hi = x[3*i+1], x[3*i+2]
		}
	}
	for _, l := range n.order {
		if !ir.IsConst(l.v) && l.v.Op != ir.OpInput && !padded(l.v) {
			l.bit = n.bitMapOf(l.v)
		}
	}
	for _, e := range n.ends {
		e.hi = x[3*slices.Index(values, e.first)+2]
		for _, l := range e.leaves {
			if !l.masks() {
				e.span += l.hi - l.lo
			}
		}
	}
	x, err = cfg.found("never.near", len(n.ends)+len(n.order), func() ([]float64, error) { return n.observeNear(cfg) })
	if err != nil {
		return err
	}
	for i, l := range n.order {
		l.near = x[len(n.ends)+i]
	}
	for i, e := range n.ends {
		e.lo = x[i]
		for _, l := range e.leaves {
			e.sum += math.Max(0, l.hi-math.Max(l.near, l.lo))
		}
	}
	return nil
}

// masks reports a leaf that may hold what never wins.
func (l *leaf) masks() bool {
	return l.bit != nil || ir.IsConst(l.v) || l.v.Op == ir.OpInput || padded(l.v)
}

// observeAll evaluates the network: three numbers for every value, whether it is
// a bit and its finite extremes.
func observeAll(g *ir.Graph, cfg *Config) ([]float64, error) {
	at := map[*ir.Value]int{}
	out := make([]float64, 3*len(g.Values))
	for i, v := range g.Values {
		at[v] = 3 * i
		out[3*i], out[3*i+1], out[3*i+2] = 1, math.MaxFloat64, -math.MaxFloat64
	}
	var mu sync.Mutex
	return out, evaluateAll(g, cfg, "what masks hold", func(v *ir.Value, t *num.Tensor) {
		bit := 1.0
		if slices.ContainsFunc(ir.Floats(t), func(x float32) bool { return x != 0 && x != 1 }) {
			bit = 0
		}
		s := spanOf(ir.Floats(t))
		if s.n < len(t.Data) && slices.Contains(ir.Floats(t), float32(math.Inf(-1))) {
			s.lo = math.Inf(-1)
		}
		mu.Lock()
		defer mu.Unlock()
		p := out[at[v]:][:3]
		p[0], p[1], p[2] = math.Min(p[0], bit), math.Min(p[1], math.Max(s.lo, -math.MaxFloat64)), math.Max(p[2], math.Min(s.hi, math.MaxFloat64))
	})
}

// evaluateAll shows every value on every calibration input.
func evaluateAll(g *ir.Graph, cfg *Config, what string, observe func(*ir.Value, *num.Tensor)) error {
	inputs, _ := cfg.inputs(g)
	count := cfg.count(what, len(inputs))
	return overInputs(len(inputs), func(i, workers int) error {
		defer count.add(1)
		_, err := ir.Eval(g, inputs[i], ir.EvalOptions{Workers: workers, Observe: observe})
		return err
	})
}

// observeNear evaluates the network again: the least that each operator picks
// from, and the least value of each leaf, without what never wins.
func (n *masks) observeNear(cfg *Config) ([]float64, error) {
	out := slices.Repeat([]float64{math.MaxFloat64}, len(n.ends)+len(n.order))
	ends, leaves := map[*ir.Value][]int{}, map[*ir.Value]int{}
	for i, e := range n.ends {
		ends[e.first] = append(ends[e.first], i)
	}
	for i, l := range n.order {
		leaves[l.v] = i
	}
	var mu sync.Mutex
	err := evaluateAll(n.g, cfg, "what masks leave", func(v *ir.Value, t *num.Tensor) {
		i, isLeaf := leaves[v]
		if len(ends[v]) == 0 && !isLeaf {
			return
		}
		falling := slices.Clone(ir.Floats(t))
		slices.SortFunc(falling, func(a, b float32) int { return cmp.Compare(b, a) })
		mu.Lock()
		defer mu.Unlock()
		for _, k := range ends[v] {
			out[k] = math.Min(out[k], mayWin(falling, n.ends[k].hi, n.ends[k].span))
		}
		if isLeaf {
			k := len(n.ends) + i
			out[k] = math.Min(out[k], mayWin(falling, n.order[i].hi, n.order[i].span()))
		}
	})
	return out, err
}

// span is the largest range of what the leaf is added to.
func (l *leaf) span() float64 {
	most := 0.0
	for _, e := range l.ends {
		most = math.Max(most, e.span)
	}
	return most
}

// mayWin gives the least of falling numbers down to the first that never wins
// beside the largest of all calibration inputs, top.
func mayWin(falling []float32, top, span float64) float64 {
	lo := top
	for _, x := range falling {
		if farBelow(float64(x), lo, top, span) {
			break
		}
		lo = math.Max(float64(x), -math.MaxFloat64)
	}
	return lo
}

// farBelow reports a number that stands for minus infinity beside numbers from lo
// to hi to which others of the given range are added.
func farBelow(x, lo, hi, span float64) bool {
	return x <= -leastMask && lo-x > math.Max(30, apart*math.Max(span, hi-lo))
}

// floor is where values of a leaf that never win are raised to, and the least that may win.
func (l *leaf) floor() (to, near float64) {
	to, near = math.Inf(1), l.near
	for _, e := range l.ends {
		depth := 0.0
		if e.soft {
			depth = softmaxDepth
		}
		at, room := l.near, e.sum-math.Max(0, l.hi-l.near)
		if beside := !l.added && farBelow(l.near, e.lo, e.hi, e.span); beside || l.near == -math.MaxFloat64 {
			at, near, room = e.lo, e.lo, e.hi-e.lo // all of it never wins
		}
		to = math.Min(to, at-neverMargin*room-depth)
	}
	if l.v.Op == ir.OpInput || padded(l.v) {
		to = coarse(to)
	}
	return to, near
}

// coarse is the largest number up to x of three binary digits: what the plan states of ranges of activations
// tells as little of them as formats do.
func coarse(x float64) float64 {
	if x == 0 || x-x != 0 {
		return x
	}
	_, e := math.Frexp(x)
	return math.Ldexp(math.Floor(math.Ldexp(x, 3-e)), e-3)
}

// raise gives a number of a leaf its new value.
func (l *leaf) raise(x float32) float32 {
	to, near := l.floor()
	if farBelow(math.Max(float64(x), -math.MaxFloat64), near, near, l.span()) && float64(x) < to {
		return float32(to)
	}
	return x
}

// rewrite replaces leaves and makes what lies between them and the operators anew.
func (n *masks) rewrite() error {
	for _, l := range n.order {
		w, err := n.replace(l)
		if err != nil {
			return err
		}
		if w != nil {
			n.made[l.v] = w
		}
	}
	for _, e := range n.ends {
		for i, a := range e.v.Args {
			x, err := n.remake(a)
			if err != nil {
				return err
			}
			e.v.Args[i] = x
		}
	}
	for _, e := range n.ends {
		if err := n.dropIdle(e.v); err != nil {
			return err
		}
	}
	n.g.RemoveDead()
	return n.g.Sort()
}

// dropIdle takes a maximum with a constant that never wins away.
func (n *masks) dropIdle(v *ir.Value) error {
	if v.Op != ir.OpMax {
		return nil
	}
	x, c, _, ok := constArg(v)
	if !ok || !slices.ContainsFunc(n.order, func(l *leaf) bool { return n.made[l.v] == c && ir.IsConst(l.v) && l.none() }) {
		return nil
	}
	if !slices.Equal(x.Type.Shape, v.Type.Shape) {
		var err error
		if x, err = n.g.New(ir.OpExpand, v.Name, &ir.ExpandAttrs{Shape: slices.Clone(v.Type.Shape)}, x); err != nil {
			return err
		}
	}
	n.g.ReplaceUses(v, x)
	return nil
}

// none reports a constant no element of which ever wins.
func (l *leaf) none() bool {
	return !slices.ContainsFunc(data(l.v), func(x float32) bool { return l.raise(x) == x })
}

// remake gives a value with the leaves below it replaced.
func (n *masks) remake(v *ir.Value) (*ir.Value, error) {
	if w := n.made[v]; w != nil || !n.path[v] {
		return cmp.Or(w, v), nil
	}
	args, changed := make([]*ir.Value, len(v.Args)), false
	for i, a := range v.Args {
		x, err := n.remake(a)
		if err != nil {
			return nil, err
		}
		args[i], changed = x, changed || x != a
	}
	attrs := v.Attrs
	if p, ok := attrs.(*ir.PadAttrs); ok && n.leaves[v] != nil {
		c := *p
		c.Value = float64(n.leaves[v].raise(float32(max(p.Value, -math.MaxFloat32))))
		attrs, changed = &c, changed || c.Value != p.Value
	}
	n.made[v] = v
	if changed {
		w, err := n.g.New(v.Op, v.Name, attrs, args...)
		if err != nil {
			return nil, err
		}
		n.made[v] = w
	}
	return n.made[v], nil
}

// replace gives what takes a leaf's place; nil if it may stay, or is a pad, which remake sees to.
func (n *masks) replace(l *leaf) (*ir.Value, error) {
	switch {
	case ir.IsConst(l.v):
		x := slices.Clone(data(l.v))
		for i := range x {
			x[i] = l.raise(x[i])
		}
		if slices.Equal(x, data(l.v)) {
			return nil, nil
		}
		return constant(n.g, l.v.Name, l.v.Type.Shape, x)
	case l.v.Op == ir.OpInput:
		if to, near := l.floor(); farBelow(l.lo, near, near, l.span()) && l.lo < to && n.alone(l.v, readers(n.g)) {
			l.v.Attrs.(*ir.InputAttrs).Min = to
		}
	case l.bit != nil:
		return n.rebit(l)
	}
	return nil, nil
}

// alone reports that a value is read on the way to the operators only.
func (n *masks) alone(v *ir.Value, read map[*ir.Value][]*ir.Value) bool {
	return !slices.ContainsFunc(read[v], func(y *ir.Value) bool {
		if y == nil {
			return true
		}
		_, picks := picksLargest(y)
		return !picks && !(n.path[y] && n.alone(y, read))
	})
}
