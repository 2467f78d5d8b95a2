package plan

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"secc.example/secc/backend/plan/wire"
)

// Protocol says what a Proto means to everybody who handles plans.
type Protocol struct {
	Realises string                    // the functionality, in a line
	Attrs    string                    // which attribute of Step it reads; "" for none
	Local    bool                      // sends nothing
	Legal    func(*Plan, *Step) error  // slots (known to exist) and attributes fit
	Cost     func(*Plan, []*Step) Cost // of one call: a batch of steps as Batches gives it; exact
}

// protocols is the one table of protocols; it is never written to.
var protocols = map[Proto]Protocol{
	ProtoCopy:    {"strided regions of the inputs on a constant background", "copy", true, legalCopy, costLocal},
	ProtoAffine:  {"integer combination of the inputs plus a constant", "affine", true, legalAffine, costLocal},
	ProtoReduce:  {"drop high bits: Z_2^k to Z_2^j", "", true, legalReduce, costLocal},
	ProtoSumPool: {"windowed sums", "pool", true, legalSumPool, costLocal},
	ProtoTiles:   {"tiles of a tensor mapped by an integer matrix from both sides", "tiles", true, legalTiles, costLocal},

	ProtoInput:      {"the client's tensor as the sharing (0, x)", "", true, legalInput, costLocal},
	ProtoReveal:     {"the client learns the tensor", "", false, legalReveal, costReveal},
	ProtoLinearRLWE: {"convolution or product by server weights, rounded", "linear", false, legalLinear, costLinear},
	ProtoLinearOT:   {"convolution or product by server weights, rounded", "linear", false, legalLinear, costLinearOT},
	ProtoExtend:     {"Z_2^k to Z_2^l, same signed value", "extend", false, legalExtend, costExtend},
	ProtoTruncate:   {"divide by a power of two, rounded", "truncate", false, legalTruncate, costTruncate},
	ProtoRelu:       {"x*[x >= 0]", "compare", false, legalRelu, costRelu},
	ProtoPRelu:      {"x*[x >= 0] + slope*x*[x < 0], slope the server's", "compare", false, legalRelu, costPRelu},
	ProtoClip:       {"x clipped to [min, max]", "compare", false, legalClip, costClip},
	ProtoMaxPool:    {"windowed maximum", "compare", false, legalMaxPool, costMaxPool},
	ProtoArgMax:     {"indices of the k largest of each row", "compare", false, legalArgMax, costArgMax},
	ProtoMul:        {"product of two shared tensors, rounded", "mul", false, legalMul, costMul},
	ProtoMulRLWE:    {"product of two shared matrices, rounded", "mul", false, legalMulRLWE, costMulRLWE},
	ProtoFunc:       {"elementwise function by lines", "func", false, legalFunc, costFunc},
}

// Lookup gives the table row of a protocol.
func Lookup(p Proto) (Protocol, bool) {
	row, ok := protocols[p]
	return row, ok
}

// Protos lists the protocols in alphabetical order.
func Protos() []Proto {
	var all []Proto
	for p := range protocols {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

// arity checks the number of slots; outMin..outMax outputs.
func arity(s *Step, inMin, inMax, out int) error {
	if len(s.In) < inMin || len(s.In) > inMax || len(s.Out) != out {
		return fmt.Errorf("%d inputs and %d outputs", len(s.In), len(s.Out))
	}
	return nil
}

func sameElems(p *Plan, s *Step, bitsToo bool) error {
	o := p.Slots[s.Out[0]]
	for _, x := range s.In {
		t := p.Slots[x]
		if t.N() != o.N() || bitsToo && t.Bits != o.Bits {
			return fmt.Errorf("input %v of %d bits, output %v of %d bits", t.Shape, t.Bits, o.Shape, o.Bits)
		}
	}
	return nil
}

func legalCopy(p *Plan, s *Step) error {
	if err := arity(s, 0, 1<<16, 1); err != nil {
		return err
	}
	out := p.Slots[s.Out[0]]
	for _, x := range s.In {
		if p.Slots[x].Bits != out.Bits {
			return fmt.Errorf("input of %d bits, output of %d", p.Slots[x].Bits, out.Bits)
		}
	}
	total := 0
	for i, r := range s.Copy.Regions {
		n, err := r.check(p, s)
		if err != nil {
			return fmt.Errorf("region %d: %w", i, err)
		}
		if total += n; total > out.N() {
			return errors.New("the regions copy more elements than the output has")
		}
	}
	return nil
}

// check returns how many elements the region copies.
func (r Region) check(p *Plan, s *Step) (int, error) {
	if r.In < 0 || r.In >= len(s.In) {
		return 0, errors.New("bad input index")
	}
	return r.within(p.Slots[s.In[r.In]].N(), p.Slots[s.Out[0]].N())
}

// within checks a region that copies from a tensor of some elements to another, and
// returns how many it copies.
func (r Region) within(from, to int) (int, error) {
	if len(r.SrcStride) != len(r.Dims) || len(r.DstStride) != len(r.Dims) {
		return 0, errors.New("bad rank")
	}
	n, err := checkShape(r.Dims)
	if err != nil {
		return 0, err
	}
	if !within(r.SrcOff, r.Dims, r.SrcStride, from) || !within(r.DstOff, r.Dims, r.DstStride, to) {
		return 0, errors.New("reaches outside its tensor")
	}
	return n, nil
}

// within reports whether every index off + sum i_d*stride_d lies in [0, n).
func within(off int, dims, stride []int, n int) bool {
	if off < 0 || off >= n {
		return false
	}
	lo, hi := off, off
	for d, size := range dims {
		if stride[d] < -MaxElems || stride[d] > MaxElems {
			return false
		}
		span := (size - 1) * stride[d] // both factors are at most 2^28
		lo, hi = lo+min(span, 0), hi+max(span, 0)
		if lo < 0 || hi >= n {
			return false
		}
	}
	return true
}

func legalAffine(p *Plan, s *Step) error {
	a := s.Affine
	if err := arity(s, 0, 1<<10, 1); err != nil {
		return err
	}
	if len(a.Coef) != len(s.In) {
		return fmt.Errorf("%d coefficients for %d inputs", len(a.Coef), len(s.In))
	}
	if !a.Server {
		if a.Spread != (Spread{}) || s.W != "" {
			return errors.New("a public constant has no server vector")
		}
		return sameElems(p, s, true)
	}
	if err := a.Spread.check(p.Slots[s.Out[0]].N()); err != nil {
		return err
	}
	if s.W == "" {
		return errors.New("no weights named")
	}
	return sameElems(p, s, true)
}

func (v Spread) check(n int) error {
	if v.Channels < 1 || v.Inner < 1 || v.Channels > n || v.Inner > n || v.Channels > n/v.Inner || n%(v.Channels*v.Inner) != 0 {
		return fmt.Errorf("spread of %d x %d over %d elements", v.Channels, v.Inner, n)
	}
	return nil
}

func legalReduce(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	if p.Slots[s.In[0]].Bits <= p.Slots[s.Out[0]].Bits {
		return errors.New("reduces to a ring that is not smaller")
	}
	return sameElems(p, s, false)
}

func legalSumPool(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	if p.Slots[s.In[0]].Bits != p.Slots[s.Out[0]].Bits {
		return errors.New("input and output rings differ")
	}
	return s.Pool.check(p.Slots[s.In[0]].N(), p.Slots[s.Out[0]].N())
}

const maxSide = 1 << 16

// What a step may make the parties build before anything runs: gates of a
// selection network (of which one is made for all channels), terms of a product
// of two shared tensors.
const (
	maxNetwork  = 1 << 24
	maxProducts = 1 << 30
)

// between reports whether every value lies in [lo, hi].
func between(lo, hi int, values ...int) bool {
	return !slices.ContainsFunc(values, func(v int) bool { return v < lo || v > hi })
}

func (w Pool) check(in, out int) error {
	if !between(1, MaxElems, w.C, w.H, w.W, w.OH, w.OW) || !between(1, maxSide, w.KH, w.KW, w.SH, w.SW, w.DH, w.DW) || !between(0, maxSide, w.PT, w.PL) {
		return errors.New("pool: a size is out of range")
	}
	if !product(in, w.C, w.H, w.W) || !product(out, w.C, w.OH, w.OW) {
		return fmt.Errorf("pool %+v does not fit %d -> %d elements", w, in, out)
	}
	if w.PT >= (w.KH-1)*w.DH+1 || w.PL >= (w.KW-1)*w.DW+1 || (w.OH-1)*w.SH-w.PT >= w.H || (w.OW-1)*w.SW-w.PL >= w.W {
		return errors.New("pool: a window lies outside the tensor")
	}
	return nil
}

// meets reports whether every window holds an element of the tensor: with
// dilation, one that spans it may still step over all of it.
func (w Pool) meets() bool {
	empty := func(x []int) bool { return len(x) == 0 }
	return !slices.ContainsFunc(windows(w.H, w.OH, w.KH, w.SH, w.DH, w.PT), empty) && !slices.ContainsFunc(windows(w.W, w.OW, w.KW, w.SW, w.DW, w.PL), empty)
}

// multiply is the product of the factors, or 0 if one is below 1 or it exceeds MaxElems.
func multiply(factors ...int) int {
	m := 1
	for _, f := range factors {
		if f < 1 || m > MaxElems/f {
			return 0
		}
		m *= f
	}
	return m
}

func product(n int, factors ...int) bool { return n > 0 && multiply(factors...) == n }

func legalInput(p *Plan, s *Step) error { return arity(s, 0, 0, 1) }

func legalReveal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	return sameElems(p, s, true)
}

func legalLinear(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	in, out, l := p.Slots[s.In[0]], p.Slots[s.Out[0]], s.Linear
	if in.Bits != l.InBits || out.Bits != l.OutBits || s.W == "" {
		return fmt.Errorf("slots of %d and %d bits for a step from %d to %d bits", in.Bits, out.Bits, l.InBits, l.OutBits)
	}
	if l.NumIn() != in.N() || l.NumOut() != out.N() {
		return fmt.Errorf("geometry takes %d elements to %d, the slots have %d and %d", l.NumIn(), l.NumOut(), in.N(), out.N())
	}
	if s.Proto == ProtoLinearOT {
		return l.validateOT()
	}
	if l.OT != nil || l.Addends != 0 {
		return errors.New("digits of weights but not over OT, or a part of a sum")
	}
	return l.Validate()
}

func legalExtend(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	e := s.Extend
	if e.Leaf < 0 || e.Leaf > 4 || e.Any && e.NonNeg {
		return fmt.Errorf("leaves of %d bits (any %v, non-negative %v)", e.Leaf, e.Any, e.NonNeg)
	}
	if e.From != p.Slots[s.In[0]].Bits || e.To != p.Slots[s.Out[0]].Bits || e.From >= e.To || e.From < 3 {
		return fmt.Errorf("extends %d to %d bits", e.From, e.To)
	}
	return sameElems(p, s, false)
}

func legalTruncate(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	t := s.Truncate
	if t.Leaf < 0 || t.Leaf > 4 {
		return fmt.Errorf("leaves of %d bits", t.Leaf)
	}
	if t.From != p.Slots[s.In[0]].Bits || t.To != p.Slots[s.Out[0]].Bits || t.Shift < 1 || t.Shift >= t.From || t.To > t.From {
		return fmt.Errorf("truncates %d bits by %d to %d", t.From, t.Shift, t.To)
	}
	return sameElems(p, s, false)
}

// check holds for every protocol that compares.
func (c *Compare) check(bits int) error {
	if c.Bits != bits || c.Bits > 62 || c.Lo < 0 || c.Hi > c.Bits || c.Hi-c.Lo < 2 {
		return fmt.Errorf("compares bits [%d, %d) of %d", c.Lo, c.Hi, bits)
	}
	if c.Leaf < 1 || c.Leaf > wire.MaxLeaf {
		return fmt.Errorf("leaves of %d bits", c.Leaf)
	}
	if c.Arity < 0 || c.Arity == 1 || c.Arity > wire.MaxArity || c.Arity > 2 && c.Ripple {
		return fmt.Errorf("joins of %d (ripple %v)", c.Arity, c.Ripple)
	}
	return nil
}

func legalRelu(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	c, in, out := s.Compare, p.Slots[s.In[0]], p.Slots[s.Out[0]]
	if err := c.check(in.Bits); err != nil {
		return err
	}
	want := c.Bits
	if c.ExtendTo != 0 {
		if c.ExtendTo <= c.Bits || c.ExtendTo > 62 {
			return fmt.Errorf("extends to %d bits", c.ExtendTo)
		}
		want = c.ExtendTo
	}
	if s.Proto == ProtoPRelu {
		if c.SlopeFrac < 0 || c.SlopeFrac > 40 || out.Bits > c.Bits || c.ExtendTo != 0 || c.Bits < c.SlopeFrac+2 {
			return fmt.Errorf("slopes of %d fraction bits, output of %d bits", c.SlopeFrac, out.Bits)
		}
		want = out.Bits
	}
	if out.Bits != want || c.Pool != nil {
		return fmt.Errorf("output of %d bits, want %d", out.Bits, want)
	}
	if c.SlopeFrac < 0 || c.Bits+c.SlopeFrac > 62 || c.SlopeFrac > 0 && s.Proto != ProtoPRelu {
		return fmt.Errorf("slopes of %d fraction bits", c.SlopeFrac)
	}
	if c.ServerFlip || s.Proto == ProtoPRelu {
		if s.W == "" {
			return errors.New("no weights named")
		}
		if err := c.Spread.check(out.N()); err != nil {
			return err
		}
	}
	return sameElems(p, s, false)
}

func legalClip(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	c := s.Compare
	if err := c.check(p.Slots[s.In[0]].Bits); err != nil {
		return err
	}
	if half := int64(1) << (c.Bits - 1); c.Min < -half || c.Max >= half || c.Min > c.Max || c.Pool != nil {
		return fmt.Errorf("clips to [%d, %d]", c.Min, c.Max)
	}
	return sameElems(p, s, true)
}

func legalMaxPool(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	in, out := p.Slots[s.In[0]], p.Slots[s.Out[0]]
	if err := s.Compare.check(in.Bits); err != nil {
		return err
	}
	w := s.Compare.Pool
	if w == nil || in.Bits != out.Bits {
		return errors.New("no window, or rings differ")
	}
	if err := w.check(in.N(), out.N()); err != nil {
		return err
	}
	if !bounded(maxNetwork, w.H, w.OW, w.KW) || !bounded(maxNetwork, w.OH, w.OW, max(w.KH, w.KW)) || !bounded(maxNetwork, w.OH, w.KH, w.W) {
		return errors.New("pool: too many comparisons a channel")
	}
	if !w.meets() {
		return errors.New("pool: a window meets nothing but padding")
	}
	return nil
}

func legalArgMax(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	in, out, c := p.Slots[s.In[0]], p.Slots[s.Out[0]], s.Compare
	if err := c.check(in.Bits); err != nil {
		return err
	}
	if c.K < 1 || c.K > out.N() || out.N()%c.K != 0 || out.N()/c.K > in.N() || in.N()%(out.N()/c.K) != 0 || c.K > in.N()/(out.N()/c.K) {
		return fmt.Errorf("top %d of %d elements into %d", c.K, in.N(), out.N())
	}
	row, depth := in.N()/(out.N()/c.K), bits.Len(uint(c.K))
	if bits.Len(uint(row-1)) > out.Bits {
		return fmt.Errorf("indices of %d elements in %d bits", row, out.Bits)
	}
	if !bounded(maxNetwork, row, depth, depth) {
		return fmt.Errorf("top %d of %d: too many comparisons", c.K, row)
	}
	return nil
}

func legalMul(p *Plan, s *Step) error {
	if err := arity(s, 2, 2, 1); err != nil {
		return err
	}
	if s.Mul.Exact || s.Mul.Cross != nil {
		return errors.New("exact, or with cross terms, but not over RLWE")
	}
	return s.Mul.checkSlots(p, s)
}

// checkSlots checks that a product fits its factors and its result.
func (m *Mul) checkSlots(p *Plan, s *Step) error {
	a, b, o := p.Slots[s.In[0]], p.Slots[s.In[1]], p.Slots[s.Out[0]]
	if m.Shift < 0 || a.Bits > 62 || a.Bits != b.Bits || a.Bits != o.Bits+m.Shift {
		return fmt.Errorf("rings %d, %d and shift %d into %d", a.Bits, b.Bits, m.Shift, o.Bits)
	}
	if m.M == 0 {
		return sameElems(p, s, false)
	}
	if !product(a.N(), m.Batch, m.M, m.K) || !product(b.N(), m.Batch, m.K, m.N) || !product(o.N(), m.Batch, m.M, m.N) {
		return fmt.Errorf("product %+v does not fit its slots", *m)
	}
	if !bounded(maxProducts, m.Batch, m.M, m.K, m.N) {
		return fmt.Errorf("product %+v: too many terms", *m)
	}
	return nil
}

func legalFunc(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	if notFinite(s.Func.Alpha) || notFinite(s.Func.Beta) || len(s.Func.Name) > 64 {
		return errors.New("bad parameters")
	}
	if s.Func.Leaf < 0 || s.Func.Leaf > 4 {
		return fmt.Errorf("leaves of %d bits", s.Func.Leaf)
	}
	if err := s.Func.check(p.Slots[s.In[0]].Bits, p.Slots[s.Out[0]].Bits); err != nil {
		return err
	}
	return sameElems(p, s, false)
}

// costLocal prices the passes over memory that a local step makes.
func costLocal(p *Plan, call []*Step) Cost {
	n := 0
	for _, x := range append(slices.Clone(call[0].In), call[0].Out...) {
		n = max(n, p.Slots[x].N())
	}
	var c Cost
	c.Work.Server[UnitElem], c.Work.Client[UnitElem] = float64(n), float64(n)
	return c
}

// costReveal: the server sends its share, packed to the bit.
func costReveal(p *Plan, call []*Step) Cost {
	c := costLocal(p, call)
	t := p.Slots[call[0].In[0]]
	c.Flights = []Flight{{ToClient: wire.PackedLen(t.N(), t.Bits)}}
	return c
}

// costLinear: the linear engine counts with the layout that it runs by.
func costLinear(p *Plan, call []*Step) Cost { return p.linear(call[0].Linear).cost }
