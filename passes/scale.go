package passes

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"secc.example/secc/ir"
)

// scale gives every secret value a format (k, f), makes integers of weights,
// puts extensions in front of products, and reveals what the client may
// compute by itself.
func scale(g *ir.Graph, cfg *Config) error {
	tail := clientTail(g)
	spans, err := calibrate(g, cfg, tail)
	if err != nil {
		return err
	}
	cfg.say("formats", 0, 0)
	f := &formats{
		k: cfg.Bits, grown: cfg.grown, inputs: len(cfg.Calibration), margin: map[*ir.Value]float64{}, exact: exactRoundings(g, cfg, tail, spans), asked: cfg.Exact, target: cfg.Target, spans: spans,
		secret: secrets(g, tail), parent: map[*ir.Value]*ir.Value{}, frac: map[*ir.Value]int{},
		summed: map[*ir.Value]bool{}, late: map[*ir.Value]bool{}, held: map[*ir.Value]bool{}, wideIn: map[*ir.Value]int{}, weight: map[*ir.Value]int{},
		tiles: map[*ir.Value]tileBits{}, digits: map[*ir.Value]digits{},
	}
	f.findHeld(g)
	f.countFunctions(g)
	if err := cfg.seen.hear(g, f, cfg, tail); err != nil {
		return err
	}
	f.quiets = cfg.seen.quiets
	f.setMargins(g, cfg)
	if err := f.solve(g); err != nil {
		return err
	}
	for _, name := range slices.Compact(f.rough) {
		cfg.warn(fmt.Sprintf("node %q rounds by chance: its ring has no room to round exactly what the client learns, so that many answers to one input tell more of its weights", name))
	}
	b := &fixer{formats: f, old: g, out: &ir.Graph{Name: g.Name}, tail: tail,
		made: map[*ir.Value]*ir.Value{}, wide: map[wideKey]*ir.Value{}, narrow: map[narrowKey]*ir.Value{}, nonneg: map[*ir.Value]bool{}, ranges: map[*ir.Value]span{}}
	if err := b.build(); err != nil {
		return err
	}
	cfg.ranges = b.ranges
	cfg.overflow = overflowOf(b.out, b.ranges)
	*g = *b.out
	return nil
}

// clientTail finds what the client computes in the clear after the reveal: the
// functions at the end of the network that nothing else follows.
func clientTail(g *ir.Graph) map[*ir.Value]bool {
	r := readers(g)
	tail := map[*ir.Value]bool{}
	for _, v := range slices.Backward(g.Values) {
		switch v.Op {
		case ir.OpSoftmax, ir.OpLogSoftmax, ir.OpFunc, ir.OpReshape, ir.OpTranspose:
		default:
			continue
		}
		tail[v] = !slices.ContainsFunc(r[v], func(y *ir.Value) bool { return y != nil && !tail[y] })
	}
	for _, v := range g.Values { // a reshape alone needs no reveal of its own
		if tail[v] && (v.Op == ir.OpReshape || v.Op == ir.OpTranspose) && !tail[v.Args[0]] {
			delete(tail, v)
		}
	}
	return tail
}

// secrets marks the values that need a format: all but constants and the tail.
func secrets(g *ir.Graph, tail map[*ir.Value]bool) map[*ir.Value]bool {
	s := map[*ir.Value]bool{}
	for _, v := range g.Values {
		s[v] = !tail[v] && !ir.IsConst(v)
	}
	return s
}

// fixer builds the fixed-point graph from the real one.
type fixer struct {
	*formats
	old, out   *ir.Graph
	tail       map[*ir.Value]bool
	made       map[*ir.Value]*ir.Value // real value -> fixed value in its own ring
	wide       map[wideKey]*ir.Value   // the same in a wider ring
	narrow     map[narrowKey]*ir.Value // the same with fewer bits
	nonneg     map[*ir.Value]bool      // by fixed value: never negative
	ranges     map[*ir.Value]span      // by fixed value
	clientBits int                     // ring of everything the client holds itself
}

type wideKey struct {
	v    *ir.Value
	bits int
}

// widestHeld is the ring that all of the client's own values fit into.
func (b *fixer) widestHeld() int {
	bits := b.k
	for _, v := range b.old.Values {
		switch {
		case v.Op == ir.OpConv && b.secret[v] && b.held[v.Args[0]]:
			bits = max(bits, b.ring(v))
		case b.held[v]:
			bits = max(bits, b.ringOf(v))
		}
	}
	return bits
}

func (b *fixer) build() error {
	b.clientBits = b.widestHeld()
	var refused []error
	for _, v := range b.old.Values {
		if b.tail[v] || ir.IsConst(v) || b.late[v] {
			continue
		}
		w, err := b.fix(v)
		if err != nil { // a value of the same type stands in, so that all is found that is wrong
			refused = append(refused, err)
			if w, err = b.out.FixedInput(v.Name, v.Type.Shape, b.elem(v)); err != nil {
				return errors.Join(refused...)
			}
		}
		b.made[v] = w
		b.ranges[w] = b.spans[v]
		b.nonneg[w] = b.nonneg[w] || b.neverNegative(v)
	}
	if len(refused) > 0 {
		return errors.Join(refused...)
	}
	for _, o := range b.old.Outputs {
		w, err := b.reveal(o)
		if err != nil {
			return err
		}
		b.out.Outputs = append(b.out.Outputs, w)
	}
	return nil
}

// neverNegative follows operators that keep non-negative values so.
func (b *fixer) neverNegative(v *ir.Value) bool {
	switch a := v.Attrs.(type) {
	case *ir.CompareAttrs:
		return v.Op == ir.OpRelu && len(v.Args) == 1
	case *ir.ClipAttrs:
		return a.Min >= 0
	case *ir.PadAttrs:
		return a.Value >= 0 && b.argsNonneg(v)
	case *ir.FuncAttrs:
		return a.Name == "sigmoid"
	}
	switch v.Op {
	case ir.OpReshape, ir.OpTranspose, ir.OpConcat, ir.OpSlice, ir.OpGather, ir.OpExpand, ir.OpMaxPool, ir.OpSumPool, ir.OpSum, ir.OpAdd:
		return b.argsNonneg(v)
	}
	return false
}

func (b *fixer) argsNonneg(v *ir.Value) bool {
	return !slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return !b.nonneg[b.made[a]] })
}

// elem is the format of a value in its own ring.
func (b *fixer) elem(v *ir.Value) ir.Elem { return ir.Elem{Bits: b.k, Frac: b.fracOf(v)} }

func (b *fixer) fix(v *ir.Value) (*ir.Value, error) {
	switch v.Op {
	case ir.OpInput:
		return b.input(v, ir.Elem{Bits: b.clientBits, Frac: b.fracOf(v)})
	case ir.OpConv:
		if k := tileOf(v); k != nil {
			return b.tiled(v, k)
		}
		return b.conv(v)
	case ir.OpMul, ir.OpMatMul:
		return b.mul(v)
	case ir.OpPRelu:
		return b.prelu(v)
	case ir.OpSum:
		if b.summed[v] {
			return b.ownSum(v)
		}
	case ir.OpFunc:
		if wholeFunc(v) {
			return b.whole(v)
		}
	}
	args := make([]*ir.Value, len(v.Args))
	for i, a := range v.Args {
		x, err := b.argument(v, a)
		if err != nil {
			return nil, err
		}
		args[i] = x
	}
	attrs, err := b.attrs(v)
	if err != nil {
		return nil, err
	}
	return b.out.New(v.Op, v.Name, attrs, args...)
}

func (b *fixer) input(v *ir.Value, e ir.Elem) (*ir.Value, error) {
	w, err := b.out.FixedInput(v.Name, v.Type.Shape, e)
	if err == nil {
		a := *v.Attrs.(*ir.InputAttrs)
		w.Attrs = &a
	}
	return w, err
}

// arg gives an argument of a value that shares its format.
func (b *fixer) arg(v, a *ir.Value) (*ir.Value, error) {
	if ir.IsConst(a) {
		if v.Op == ir.OpRelu {
			return b.fixConst(a, ir.Elem{Bits: 2}, v.Name)
		}
		e := b.elem(v)
		if b.held[v] {
			e.Bits = b.clientBits
		}
		return b.fixConst(a, e, v.Name)
	}
	if b.held[v] {
		return b.made[a], nil
	}
	return b.inRing(a, b.k, v.Name)
}

// attrs copies the attributes and adds which bits a sign is read from.
func (b *fixer) attrs(v *ir.Value) (any, error) {
	switch a := v.Attrs.(type) {
	case *ir.CompareAttrs:
		return &ir.CompareAttrs{Hi: b.high(v.Args[0], b.spans[v.Args[0]].abs())}, nil
	case *ir.PoolAttrs:
		c := *a
		if v.Op == ir.OpMaxPool {
			s := b.spans[v.Args[0]]
			c.CompareAttrs = ir.CompareAttrs{Hi: b.high(v.Args[0], s.hi-s.lo)}
		}
		return &c, nil
	case *ir.ReduceAttrs:
		c := *a
		if v.Op == ir.OpArgMax {
			s := b.spans[v.Args[0]]
			c.CompareAttrs = ir.CompareAttrs{Hi: b.high(v.Args[0], s.hi-s.lo)}
		}
		return &c, nil
	case *ir.ClipAttrs:
		c := *a
		c.CompareAttrs = ir.CompareAttrs{Hi: b.high(v.Args[0], b.spans[v.Args[0]].abs()+b.reached(v.Args[0], a))}
		return &c, nil
	case *ir.FuncAttrs:
		c := *a
		c.Out, c.Grid = b.elem(v), b.gridFor(v)
		return &c, nil
	}
	switch v.Op {
	case ir.OpDiv, ir.OpSoftmax, ir.OpLogSoftmax, ir.OpConvTranspose, ir.OpAvgPool, ir.OpBatchNorm:
		return nil, refusal(v, "has no secure form here")
	}
	return v.Attrs, nil
}

// gridFor is the grid that a function with jumps may count on: one that the
// argument's format can tell from its neighbours after an error of an ulp.
func (b *fixer) gridFor(v *ir.Value) float64 {
	step, ok := jumpGrid(v, b.spans)
	if !ok || math.Ldexp(step, b.fracOf(v.Args[0])) < 3 {
		return 0
	}
	return step
}

// signMargin is the margin of comparisons beyond that of formats where they are
// cut to the bits that calibration saw: a wrong sign of a large value does more
// harm than anything else, and outliers come with new inputs.
const signMargin = 1.5

// high is the number of bits whose sign decides, for values of a's format that
// calibration saw to be at most x. With the target accuracy it is all that the
// format holds.
func (b *fixer) high(a *ir.Value, x float64) int {
	if b.target == TargetAccuracy {
		return b.k
	}
	if x == 0 {
		x = math.Ldexp(1, -b.fracOf(a))
	}
	n := int(math.Floor(math.Log2(x*b.margin[a]*signMargin))) + 1 + b.fracOf(a) + 1
	if b.target != TargetCost && n < b.k-1 { // a bit to spare, and two less than the format at most
		n = max(n+1, b.k-2)
	}
	return max(min(n, b.k), 3)
}

// reached is how far from zero a clip of x has a bound that activations reach.
func (b *fixer) reached(x *ir.Value, a *ir.ClipAttrs) (far float64) {
	_, _, below, above := a.Bounds(b.elem(x))
	if below {
		far = math.Abs(a.Min)
	}
	if above {
		far = math.Max(far, math.Abs(a.Max))
	}
	return far
}

// inRing gives value a in Z_2^bits: as it is, extended, or reduced.
func (b *fixer) inRing(a *ir.Value, bits int, name string) (*ir.Value, error) {
	if b.late[a] {
		return b.lateIn(a, bits)
	}
	x := b.made[a]
	if x.Type.Elem.Bits == bits {
		return x, nil
	}
	key := wideKey{x, bits}
	if w := b.wide[key]; w != nil {
		return w, nil
	}
	var w *ir.Value
	var err error
	if bits < x.Type.Elem.Bits {
		w, err = b.out.New(ir.OpReduce, a.Name, &ir.BitsAttrs{Bits: bits}, x)
	} else {
		w, err = b.extend(a, x, bits)
	}
	if err != nil {
		return nil, err
	}
	b.wide[key], b.ranges[w], b.nonneg[w] = w, b.ranges[x], b.nonneg[x]
	return w, nil
}

// extend widens x to the widest ring that any product wants of it, once, and
// reduces from there.
func (b *fixer) extend(a, x *ir.Value, bits int) (*ir.Value, error) {
	widest := max(b.widest(a), bits)
	if widest == bits {
		return b.out.New(ir.OpExtend, a.Name, &ir.ExtendAttrs{Bits: bits, NonNeg: b.nonneg[x]}, x)
	}
	w, err := b.inRing(a, widest, a.Name)
	if err != nil {
		return nil, err
	}
	return b.out.New(ir.OpReduce, a.Name, &ir.BitsAttrs{Bits: bits}, w)
}

// widest is the widest ring in which a product reads a, directly or through late values.
func (b *fixer) widest(a *ir.Value) int {
	bits := 0
	for _, v := range b.old.Values {
		for _, x := range v.Args {
			switch {
			case x != a:
			case b.late[v]:
				bits = max(bits, b.widest(v))
			case isProduct(v):
				bits = max(bits, b.ring(v))
			}
		}
	}
	if b.late[a] && b.revealed(a) {
		bits = max(bits, b.outRing(a))
	}
	return bits
}

// revealed reports a value that is an output or that the client's tail reads.
func (b *fixer) revealed(a *ir.Value) bool {
	return slices.ContainsFunc(readers(b.old)[a], func(y *ir.Value) bool { return y == nil || b.tail[y] })
}

// lateIn makes a late value in the ring of the product that reads it.
func (b *fixer) lateIn(v *ir.Value, bits int) (*ir.Value, error) {
	key := wideKey{v, bits}
	if w := b.wide[key]; w != nil {
		return w, nil
	}
	x, err := b.inRing(v.Args[0], bits, v.Name)
	if err != nil {
		return nil, err
	}
	w, err := b.out.New(v.Op, v.Name, v.Attrs, x)
	if err != nil {
		return nil, err
	}
	b.wide[key], b.ranges[w] = w, b.spans[v]
	return w, nil
}

func (b *fixer) conv(v *ir.Value) (*ir.Value, error) {
	if d := b.digits[v]; d.count > 1 {
		return b.byDigits(v, d)
	}
	a := *v.Attrs.(*ir.ConvAttrs)
	a.Shift, a.Exact = b.shift(v), b.exact[v]
	l, s := b.ring(v), b.weight[v]
	x, err := b.inRing(v.Args[0], l, v.Name)
	if err != nil {
		return nil, err
	}
	w, err := b.fixConst(v.Args[1], ir.Elem{Bits: maxNorm + 2, Frac: s}, v.Name)
	if err != nil {
		return nil, err
	}
	args := []*ir.Value{x, w}
	if len(v.Args) == 3 {
		bias, err := b.fixBias(v.Args[2], ir.Elem{Bits: l, Frac: b.fracOf(v.Args[0]) + s}, v.Name)
		if err != nil {
			return nil, err
		}
		args = append(args, bias)
	}
	return b.out.New(ir.OpConv, v.Name, &a, args...)
}

func (b *fixer) mul(v *ir.Value) (*ir.Value, error) {
	l := b.ring(v)
	x, err := b.inRing(v.Args[0], l, v.Name)
	if err != nil {
		return nil, err
	}
	y, err := b.inRing(v.Args[1], l, v.Name)
	if err != nil {
		return nil, err
	}
	return b.out.New(v.Op, v.Name, &ir.LinearAttrs{Shift: b.shift(v), Exact: b.exact[v]}, x, y)
}

func (b *fixer) prelu(v *ir.Value) (*ir.Value, error) {
	l, s := b.ring(v), b.weight[v]
	x, err := b.inRing(v.Args[0], l, v.Name)
	if err != nil {
		return nil, err
	}
	w, err := b.fixConst(v.Args[1], ir.Elem{Bits: slopeBits + 3, Frac: s}, v.Name)
	if err != nil {
		return nil, err
	}
	a := &ir.PReluAttrs{LinearAttrs: ir.LinearAttrs{Shift: b.shift(v), Exact: b.exact[v]}}
	a.Hi = b.high(v.Args[0], b.spans[v.Args[0]].abs())
	return b.out.New(ir.OpPRelu, v.Name, a, x, w)
}

// fixConst quantises a constant; it must fit its format.
func (b *fixer) fixConst(c *ir.Value, e ir.Elem, reader string) (*ir.Value, error) {
	return b.quantise(c, e, e.Bits, reader)
}

// biasBits bounds a bias before it wraps: what int64 and float64 hold exactly enough.
const biasBits = 62

// fixBias quantises a term of a product's accumulator. It counts modulo the ring: only
// the sum must fit, and that has been seen to.
func (b *fixer) fixBias(c *ir.Value, e ir.Elem, reader string) (*ir.Value, error) {
	return b.quantise(c, e, biasBits, reader)
}

// quantise turns a constant of at most so many bits into integers of a format.
func (b *fixer) quantise(c *ir.Value, e ir.Elem, most int, reader string) (*ir.Value, error) {
	x := data(c)
	ints := make([]int64, len(x))
	scale, top := math.Ldexp(1, e.Frac), math.Ldexp(1, most-1)
	for i, r := range x {
		x := float64(r) * scale
		q := math.Trunc(x + math.Copysign(0.5, x)) // half away from zero: a float32 and 0.5 add up exactly, or to something far from the next integer
		if q-q != 0 {
			return nil, nonFinite(reader, c.Name)
		}
		if math.Abs(q) >= top {
			return nil, fmt.Errorf("node %q: tensor %q: element %d is %g, too large for %v", reader, c.Name, i, r, e)
		}
		ints[i] = ir.Wrap(int64(q), e.Bits)
	}
	return b.out.FixedConst(c.Name, c.Type.Shape, e, ints, c.Type.Holder)
}

// constBits is the ring of an output that does not depend on the input.
const constBits = 40

// reveal gives the client an output, and lets it compute the tail.
func (b *fixer) reveal(o *ir.Value) (*ir.Value, error) {
	if w := b.made[o]; w != nil && (b.tail[o] || w.Op == ir.OpToReal) {
		return w, nil
	}
	if b.tail[o] {
		x, err := b.reveal(o.Args[0])
		if err != nil {
			return nil, err
		}
		w, err := b.out.New(o.Op, o.Name, o.Attrs, x)
		b.made[o] = w
		return w, err
	}
	key := wideKey{o, -1}
	if w := b.wide[key]; w != nil {
		return w, nil
	}
	x := b.made[o]
	if b.late[o] {
		var err error
		if x, err = b.lateIn(o, b.outRing(o)); err != nil {
			return nil, err
		}
	}
	if ir.IsConst(o) {
		var err error
		if x, err = b.fixConst(o, ir.Elem{Bits: constBits, Frac: fracFor(constBits, b.spans[o].abs())}, o.Name); err != nil {
			return nil, err
		}
	}
	x, err := b.out.New(ir.OpReveal, o.Name, nil, x) // the client's own value too: a plan's outputs are what it reveals
	if err != nil {
		return nil, err
	}
	w, err := b.out.New(ir.OpToReal, o.Name, nil, x)
	b.wide[key] = w
	return w, err
}
