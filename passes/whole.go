package passes

import (
	"secc.example/secc/ir"
)

// Whole numbers. Floor, ceil and round drop fraction bits, which exact truncation
// does over any range: no table is needed, and none could be wide enough. The result has no
// fraction bits; where it meets others a product with one gives it theirs (see ownFormat).

// wholeFunc reports a function whose results are whole numbers, by truncation.
func wholeFunc(v *ir.Value) bool {
	a, ok := v.Attrs.(*ir.FuncAttrs)
	return ok && v.Op == ir.OpFunc && (a.Name == "floor" || a.Name == "ceil" || a.Name == "round")
}

// settleWhole gives the results of whole functions their format: no fraction
// bits, or as few as their argument has. It reports whether anything changed.
func (f *formats) settleWhole(v *ir.Value) bool {
	if !f.secret[v] || !wholeFunc(v) {
		return false
	}
	r, want := f.root(v), min(0, f.fracOf(v.Args[0]))
	changed := f.frac[r] != want
	f.frac[r] = want
	return changed
}

// whole truncates. With f fraction bits and x in ulp, exact truncation is
// (x + 2^(s-1)) >> s, so that
//
//	floor: x - 2^(f-1) by f
//	ceil:  x + 2^(f-1) - 1 by f
//	round, halves to even: floor(x/2 + 1/4) + ceil(x/2 - 1/4), each by f+1
func (b *fixer) whole(v *ir.Value) (*ir.Value, error) {
	x, err := b.inRing(v.Args[0], b.k, v.Name)
	if err != nil {
		return nil, err
	}
	f := x.Type.Elem.Frac
	if f <= 0 { // nothing but whole numbers
		return x, nil
	}
	half := int64(1) << (f - 1)
	switch v.Attrs.(*ir.FuncAttrs).Name {
	case "floor":
		return b.truncated(v, x, -half, f)
	case "ceil":
		return b.truncated(v, x, half-1, f)
	}
	down, err := b.truncated(v, x, -half, f+1)
	if err != nil {
		return nil, err
	}
	up, err := b.truncated(v, x, half-1, f+1)
	if err != nil {
		return nil, err
	}
	return b.out.New(ir.OpAdd, v.Name, nil, down, up)
}

// truncated adds ulps to x and drops s bits; what is left counts ones.
func (b *fixer) truncated(v, x *ir.Value, ulps int64, s int) (*ir.Value, error) {
	c, err := b.out.FixedConst(v.Name+".offset", nil, x.Type.Elem, []int64{ulps}, ir.Server)
	if err != nil {
		return nil, err
	}
	y, err := b.out.New(ir.OpAdd, v.Name, nil, x, c)
	if err != nil {
		return nil, err
	}
	y, err = b.out.New(ir.OpTruncate, v.Name, &ir.TruncateAttrs{Shift: s, Bits: b.k, Exact: true}, y)
	if err != nil || y.Type.Elem.Frac == 0 {
		return y, err
	}
	return b.out.New(ir.OpRescale, v.Name, &ir.RescaleAttrs{}, y)
}

// towardZero is floor for what is positive and ceil for what is not; own gives
// the result a format of its own.
func towardZero(g *ir.Graph, v *ir.Value, own bool) (*ir.Value, error) {
	c := chain{g: g, name: v.Name}
	x := v.Args[0]
	r := c.op(ir.OpRelu, x)
	low := c.with(ir.OpFunc, &ir.FuncAttrs{Name: "floor"}, r)
	high := c.with(ir.OpFunc, &ir.FuncAttrs{Name: "ceil"}, c.op(ir.OpSub, x, r))
	y := c.op(ir.OpAdd, low, high)
	if own {
		c.ownFormat(y)
	}
	return c.last, c.err
}
