package plan

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
