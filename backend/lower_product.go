package backend

import (
	"fmt"
	"slices"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// matrices is the geometry of a product of two shared matrices, batched.
func matrices(v *ir.Value) (m plan.Mul, batch []int, err error) {
	a, b := matrixShape(v, 0), matrixShape(v, 1)
	m = plan.Mul{M: a[len(a)-2], K: a[len(a)-1], N: b[len(b)-1]}
	batch, err = ir.Broadcast(a[:len(a)-2], b[:len(b)-2])
	m.Batch = ir.Numel(batch)
	return m, batch, err
}

// matrixShape is the shape of a factor: a vector is a matrix of one row or column.
func matrixShape(v *ir.Value, arg int) []int {
	s := v.Args[arg].Type.Shape
	switch {
	case len(s) > 1:
		return s
	case arg == 0:
		return []int{1, s[0]}
	}
	return []int{s[0], 1}
}

// matMul lowers a product of two shared matrices, batched.
func (l *lowering) matMul(v *ir.Value) (plan.Slot, error) {
	m, batch, err := matrices(v)
	if err != nil {
		return 0, err
	}
	var in [2]plan.Slot
	for i := range in {
		s, err := l.in(v.Args[i])
		if err != nil {
			return 0, err
		}
		shape, t := matrixShape(v, i), v.Args[i].Type
		t.Shape = shape
		in[i] = l.broadcast(v, s, t, append(append([]int{}, batch...), shape[len(shape)-2:]...))
	}
	if over := l.overRLWE[v]; over != nil {
		for t := range over.Cross {
			l.linear = append(l.linear, linearStep{node: v.Name, linear: over.CrossTerm(t, v.Args[0].Type.Elem.Bits), cross: &over.Cross[t]})
		}
		return l.emit(v, plan.Step{Proto: plan.ProtoMulRLWE, Attrs: over}, in[:]...), nil
	}
	return l.product(v, &m, in), nil
}

// chooseProducts decides which products of shared matrices run over RLWE: those
// that are better there than over OT. Where no other operator needs keys, all of
// them together must be worth these.
func (l *lowering) chooseProducts(g *ir.Graph) error {
	l.overRLWE = map[*ir.Value]*plan.Mul{}
	if l.options.OverOT {
		return nil
	}
	c := productChoice{profile: l.options.Profile, known: map[string]pricedProduct{}}
	keys, gain := false, 0.0
	for _, v := range g.Values {
		keys = keys || v.Proto == string(plan.ProtoLinearRLWE)
		if v.Op != ir.OpMatMul || v.Type.Elem.IsReal() {
			continue
		}
		if err := l.stopped(); err != nil {
			return err
		}
		m, saves, err := c.of(v)
		if err != nil {
			return err
		}
		if m != nil {
			l.overRLWE[v] = m
			gain += saves
		}
	}
	if keys || gain == 0 {
		return nil
	}
	need, err := plan.KeysOf(c.terms)
	if err == nil && gain < l.options.Profile.Seconds(plan.KeysCost(need)) {
		clear(l.overRLWE)
	}
	return err
}

// productChoice prices the products of a graph, those that are alike once.
type productChoice struct {
	profile choose.Profile
	known   map[string]pricedProduct
	terms   []*plan.Linear // of those over RLWE
}

type pricedProduct struct {
	cross []plan.Cross
	saves float64
}

// of describes a product over RLWE, where it is better, and the seconds that it saves.
func (c *productChoice) of(v *ir.Value) (*plan.Mul, float64, error) {
	m, _, err := matrices(v)
	if err != nil {
		return nil, 0, err
	}
	a, bits := v.Attrs.(*ir.LinearAttrs), v.Args[0].Type.Elem.Bits
	m.Shift, m.Exact = a.Shift, a.Exact || a.Shift == 0 // what is not rounded is not off either
	square := m.M == 1 && m.N == 1 && source(v.Args[0]) == source(v.Args[1])
	key := fmt.Sprint(m, bits, square)
	p, ok := c.known[key]
	if !ok {
		if p.cross, p.saves, err = c.profile.Product(m, bits, square); err != nil {
			return nil, 0, err
		}
		c.known[key] = p
	}
	if p.cross == nil {
		return nil, 0, nil
	}
	m.Cross = slices.Clone(p.cross)
	for t := range m.Cross {
		c.terms = append(c.terms, m.CrossTerm(t, bits))
	}
	return &m, p.saves, nil
}

// norms lowers the products of rows with themselves over OT, which takes half of
// what other products take: squares, then sums, then one rounding.
func (l *lowering) norms(v *ir.Value, m *plan.Mul, a ir.LinearAttrs, x plan.Slot) plan.Slot {
	wide, shape := ir.Elem{Bits: v.Args[0].Type.Elem.Bits, Frac: v.Type.Elem.Frac + a.Shift}, []int{m.Batch, m.K}
	y := l.emitAs(v, shape, wide, plan.Step{Proto: plan.ProtoMul, Attrs: &plan.Mul{}}, x, x)
	p := &plan.Pool{C: m.Batch, H: 1, W: m.K, OH: 1, OW: 1, KH: 1, KW: m.K, SH: 1, SW: 1, DH: 1, DW: 1}
	sum := plan.Step{Proto: plan.ProtoSumPool, Attrs: p}
	if a.Shift == 0 {
		return l.emit(v, sum, y)
	}
	y = l.emitAs(v, v.Type.Shape, wide, sum, y)
	t := &plan.Truncate{From: wide.Bits, Shift: a.Shift, To: v.Type.Elem.Bits, Exact: a.Exact}
	return l.emit(v, plan.Step{Proto: plan.ProtoTruncate, Attrs: t}, y)
}

// source is what a value is under other names.
func source(v *ir.Value) *ir.Value {
	for v.Op == ir.OpReshape || v.Op == ir.OpRescale {
		v = v.Args[0]
	}
	return v
}
