package plan

import (
	"errors"
	"fmt"
)

// Copy is a set of strided regions. The output starts as Fill everywhere.
type Copy struct {
	Fill    int64 `cbor:",omitempty"` // public constant, in units of the output's ulp (the server's share carries it)
	Regions []Region
}

// Region copies Dims elements from input In: source index
// SrcOff + sum i_d*SrcStride[d], destination DstOff + sum i_d*DstStride[d].
type Region struct {
	In                         int // index into Step.In
	SrcOff, DstOff             int
	Dims, SrcStride, DstStride []int
}

// Legal checks slots and fields.
func (c *Copy) Legal(p *Plan, s *Step) error {
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
	for i, r := range c.Regions {
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

// Cost of a local map.
func (*Copy) Cost(p *Plan, call []*Step) Cost { return costLocal(p, call) }

// Text shows what an explanation prints.
func (c *Copy) Text() string { return fmt.Sprintf(" (%d regions, fill %d)", len(c.Regions), c.Fill) }

// Merges: never.
func (*Copy) Merges(*Plan, *Step, *Step) bool { return false }

// Memory: none of its own.
func (*Copy) Memory(*Plan, []*Step) Memory { return Memory{} }

// Compact joins neighbouring dimensions that are contiguous on both sides and
// drops dimensions of one: the same elements in fewer loops.
func (r Region) Compact() Region {
	c := Region{In: r.In, SrcOff: r.SrcOff, DstOff: r.DstOff}
	for d, n := range r.Dims {
		last := len(c.Dims) - 1
		switch {
		case n == 1:
		case last >= 0 && c.SrcStride[last] == n*r.SrcStride[d] && c.DstStride[last] == n*r.DstStride[d]:
			c.Dims[last] *= n
			c.SrcStride[last], c.DstStride[last] = r.SrcStride[d], r.DstStride[d]
		default:
			c.Dims, c.SrcStride, c.DstStride = append(c.Dims, n), append(c.SrcStride, r.SrcStride[d]), append(c.DstStride, r.DstStride[d])
		}
	}
	if len(c.Dims) == 0 {
		c.Dims, c.SrcStride, c.DstStride = []int{1}, []int{0}, []int{0}
	}
	return c
}

// each visits the elements that the region copies.
func (r Region) each(visit func(src, dst int)) {
	walk(r.Dims, r.SrcStride, r.DstStride, func(_, i, j int) { visit(r.SrcOff+i, r.DstOff+j) })
}
