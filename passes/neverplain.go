package passes

import (
	"fmt"
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
			x, err := s.times(a, scalar{k: 1})
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

// scalar is a number that something is multiplied by. The graph may depend on a public one; one that is made
// of the server's constants is 1 or -1, or what another is, by chance.
type scalar struct {
	k    float64
	made string // of which constants of the server's; "": it is public
}

func (s scalar) is(k float64) bool { return s.made == "" && s.k == k }

func (s scalar) negated() scalar { return scalar{-s.k, s.made} }

// factored is a number times a value.
type factored struct {
	of *ir.Value
	scalar
}

// times gives k*x, with k inside of the sums that a mask may be a term of.
func (s *sums) times(x *ir.Value, k scalar) (*ir.Value, error) {
	m := factored{x, k}
	y, ok := s.made[m]
	if ok {
		return y, nil
	}
	y, err := s.spread(x, k)
	s.made[m] = y
	return y, err
}

func (s *sums) spread(x *ir.Value, k scalar) (*ir.Value, error) {
	switch {
	case !largeConstant(x, maskDepth):
	case ir.IsConst(x):
		return s.constantTimes(x, k)
	case x.Op == ir.OpAdd:
		return s.sumTimes(x, k, k)
	case x.Op == ir.OpSub:
		return s.sumTimes(x, k, k.negated())
	case x.Op == ir.OpNeg:
		return s.times(x.Args[0], k.negated())
	case x.Op == ir.OpMul || x.Op == ir.OpDiv:
		if y, c, ok := uniformFactor(x); ok && largeConstant(y, maskDepth) {
			return s.times(y, scalar{k.k * c.k, k.made + c.made})
		}
	case movesElements(x) && (k.is(1) || !padded(x)): // a pad's number is public, and k may be of the server's constants
		return s.movedTimes(x, k)
	}
	return s.plainTimes(x, k)
}

// plainTimes gives k*x behind x.
func (s *sums) plainTimes(x *ir.Value, k scalar) (*ir.Value, error) {
	switch {
	case k.is(1):
		return x, nil
	case k.is(-1):
		return s.g.New(ir.OpNeg, x.Name, nil, x)
	}
	c, err := constant(s.g, x.Name, []int{}, []float32{float32(k.k)})
	if err != nil {
		return nil, err
	}
	return s.g.New(ir.OpMul, x.Name, nil, x, c)
}

// uniformFactor gives the operand and the number of a product or quotient by one number.
func uniformFactor(x *ir.Value) (y *ir.Value, by scalar, ok bool) {
	y, number := x.Args[0], x.Args[1]
	if x.Op == ir.OpMul && ir.IsConst(y) {
		y, number = number, y
	}
	if !ir.IsConst(number) || number.Type.N() != 1 || len(number.Type.Shape) > len(y.Type.Shape) {
		return nil, scalar{}, false
	}
	c := float64(data(number)[0])
	if x.Op == ir.OpDiv {
		c = 1 / c
	}
	by.k = c
	if number.Type.Holder != ir.Public {
		by.made = fmt.Sprintf("%%%d ", number.ID)
	}
	return y, by, c != 0 && c-c == 0
}

func (s *sums) constantTimes(x *ir.Value, k scalar) (*ir.Value, error) {
	if k.is(1) {
		return x, nil
	}
	y := make([]float32, len(data(x)))
	for i, v := range data(x) {
		y[i] = bounded(k.k * float64(v))
	}
	c, err := constant(s.g, x.Name, x.Type.Shape, y)
	if err == nil && k.is(-1) {
		c.Type.Holder = x.Type.Holder // whoever knows one knows the other
	}
	return c, err
}

// bounded is a number as a float32 that is finite.
func bounded(x float64) float32 {
	return float32(min(max(x, -math.MaxFloat32), math.MaxFloat32))
}

func (s *sums) sumTimes(x *ir.Value, first, second scalar) (*ir.Value, error) {
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

func (s *sums) movedTimes(x *ir.Value, k scalar) (*ir.Value, error) {
	args, changed := make([]*ir.Value, len(x.Args)), !k.is(1)
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
