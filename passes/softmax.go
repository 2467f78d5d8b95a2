package passes

import "secc.example/secc/ir"

// softmax inside a network is exp(x-max) over its sum, log-softmax x-max less
// the logarithm of that sum. The differences are at most zero and the sum is at
// least one, so no function sees a large argument. (At the end of a network the
// client computes both itself.)
func softmax(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	c := chain{g: g, name: v.Name}
	x, axis := v.Args[0], v.Attrs.(*ir.AxisAttrs).Axis
	along := func() *ir.ReduceAttrs { return &ir.ReduceAttrs{Axes: []int{axis}, Keep: true} }
	top := c.with(ir.OpReduceMax, along(), x)
	if c.err != nil {
		return nil, c.err
	}
	top, err := reduceMax(g, top)
	if err != nil {
		return nil, err
	}
	below := c.op(ir.OpSub, x, top)
	if v.Op == ir.OpLogSoftmax { // the answers are as small as the differences, however large the arguments are
		c.ownFormat(below)
		below = c.last
	}
	powers := c.with(ir.OpFunc, &ir.FuncAttrs{Name: "exp_nonpos"}, below)
	sum := c.with(ir.OpSum, along(), powers)
	if v.Op == ir.OpLogSoftmax {
		c.op(ir.OpSub, below, c.with(ir.OpFunc, &ir.FuncAttrs{Name: "log"}, sum))
	} else {
		c.op(ir.OpMul, powers, c.with(ir.OpFunc, &ir.FuncAttrs{Name: "reciprocal"}, sum))
	}
	return c.last, c.err
}
