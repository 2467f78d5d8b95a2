package passes

import (
	"math"
	"slices"

	"secc.example/secc/ir"
)

// Exporters write masks as what is taken away from scores, or scale scores and mask together:
// (s + m)/8, s - 1e9*(1-m), -max(-x). Where something large lies below, the sum in front of an
// operator that picks the largest is made a plain one first: k(a - b) = k*a + (-k)*b, so that a
// mask is a term of it.

// maskDepth is how many operators are looked at for a large constant.
const maskDepth = 8

// plainSums gives the graph with plain sums in front of what picks the largest: the graph itself where
// there is nothing to do.
func plainSums(g *ir.Graph) (*ir.Graph, error) {
	picks := func(v *ir.Value) bool {
		_, ok := picksLargest(v)
		return ok && slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return largeConstant(a, maskDepth) })
	}
	if !slices.ContainsFunc(g.Values, picks) {
		return g, nil
	}
	g, _ = g.Clone()
	s := sums{g, map[factored]*ir.Value{}}
	for _, v := range slices.Clone(g.Values) {
		if !picks(v) {
			continue
		}
		for i, a := range v.Args {
			x, err := s.times(a, 1)
			if err != nil {
				return nil, err
			}
			v.Args[i] = x
		}
	}
	g.RemoveDead()
	return g, g.Sort()
}

// sums makes plain sums of a graph's.
type sums struct {
	g    *ir.Graph
	made map[factored]*ir.Value
}

// factored is a number times a value.
type factored struct {
	of *ir.Value
	k  float64
}

// times gives k*x, with k inside of the sums that a mask may be a term of.
func (s *sums) times(x *ir.Value, k float64) (*ir.Value, error) {
	m := factored{x, k}
	y, ok := s.made[m]
	if ok {
		return y, nil
	}
	y, err := s.spread(x, k)
	s.made[m] = y
	return y, err
}

func (s *sums) spread(x *ir.Value, k float64) (*ir.Value, error) {
	switch {
	case !largeConstant(x, maskDepth):
	case ir.IsConst(x):
		return s.constantTimes(x, k)
	case x.Op == ir.OpAdd:
		return s.sumTimes(x, k, k)
	case x.Op == ir.OpSub:
		return s.sumTimes(x, k, -k)
	case x.Op == ir.OpNeg:
		return s.times(x.Args[0], -k)
	case x.Op == ir.OpMul || x.Op == ir.OpDiv:
		if y, c, ok := uniformFactor(x); ok && largeConstant(y, maskDepth) {
			return s.times(y, k*c)
		}
	case movesElements(x) && (k == 1 || !padded(x)): // a pad's number is public, and k may be of the server's constants
		return s.movedTimes(x, k)
	}
	return s.plainTimes(x, k)
}

// plainTimes gives k*x behind x.
func (s *sums) plainTimes(x *ir.Value, k float64) (*ir.Value, error) {
	switch k {
	case 1:
		return x, nil
	case -1:
		return s.g.New(ir.OpNeg, x.Name, nil, x)
	}
	c, err := constant(s.g, x.Name, []int{}, []float32{float32(k)})
	if err != nil {
		return nil, err
	}
	return s.g.New(ir.OpMul, x.Name, nil, x, c)
}

// uniformFactor gives the operand and the number of a product or quotient by one number.
func uniformFactor(x *ir.Value) (y *ir.Value, c float64, ok bool) {
	y, number := x.Args[0], x.Args[1]
	if x.Op == ir.OpMul && ir.IsConst(y) {
		y, number = number, y
	}
	if !ir.IsConst(number) || len(number.Type.Shape) > len(y.Type.Shape) {
		return nil, 0, false
	}
	values := data(number)
	for _, v := range values {
		if v != values[0] {
			return nil, 0, false
		}
	}
	if len(values) == 0 || number.Type.N() > y.Type.N() {
		return nil, 0, false
	}
	if c = float64(values[0]); x.Op == ir.OpDiv {
		c = 1 / c
	}
	return y, c, c != 0 && c-c == 0
}

func (s *sums) constantTimes(x *ir.Value, k float64) (*ir.Value, error) {
	if k == 1 {
		return x, nil
	}
	y := make([]float32, len(data(x)))
	for i, v := range data(x) {
		y[i] = bounded(k * float64(v))
	}
	c, err := constant(s.g, x.Name, x.Type.Shape, y)
	if err == nil && k == -1 {
		c.Type.Holder = x.Type.Holder // whoever knows one knows the other
	}
	return c, err
}

// bounded is a number as a float32 that is finite.
func bounded(x float64) float32 {
	return float32(min(max(x, -math.MaxFloat32), math.MaxFloat32))
}

func (s *sums) sumTimes(x *ir.Value, first, second float64) (*ir.Value, error) {
	a, err := s.times(x.Args[0], first)
	if err != nil {
		return nil, err
	}
	b, err := s.times(x.Args[1], second)
	if err != nil || x.Op == ir.OpAdd && a == x.Args[0] && b == x.Args[1] {
		return x, err
	}
	return s.g.New(ir.OpAdd, x.Name, nil, a, b)
}

func (s *sums) movedTimes(x *ir.Value, k float64) (*ir.Value, error) {
	args, changed := make([]*ir.Value, len(x.Args)), k != 1
	for i, a := range x.Args {
		y, err := s.times(a, k)
		if err != nil {
			return nil, err
		}
		args[i], changed = y, changed || y != a
	}
	if !changed {
		return x, nil
	}
	return s.g.New(x.Op, x.Name, x.Attrs, args...)
}
