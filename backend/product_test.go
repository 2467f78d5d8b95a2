package backend

import (
	"testing"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// products makes a graph of matrix products of the client's input with itself, one
// for each size, and lowers it.
func products(t *testing.T, o Options, sizes ...int) *plan.Plan {
	t.Helper()
	g := &ir.Graph{}
	for _, n := range sizes {
		x, err := g.FixedInput("x", []int{2, n, n}, ir.Elem{Bits: 25, Frac: 9})
		if err != nil {
			t.Fatal(err)
		}
		x.Proto = string(plan.ProtoInput)
		for _, step := range []struct {
			op    ir.Op
			attrs any
			proto plan.Proto
		}{
			{ir.OpTranspose, &ir.TransposeAttrs{Perm: []int{0, 2, 1}}, plan.ProtoCopy},
			{ir.OpMatMul, &ir.LinearAttrs{Shift: 9}, plan.ProtoMul},
			{ir.OpReveal, nil, plan.ProtoReveal},
			{ir.OpToReal, nil, ""},
		} {
			args := []*ir.Value{x}
			if step.op == ir.OpMatMul {
				args = append(args, x.Args[0])
			}
			if x, err = g.New(step.op, "v", step.attrs, args...); err != nil {
				t.Fatal(err)
			}
			x.Proto = string(step.proto)
		}
		g.Outputs = append(g.Outputs, x)
	}
	p, _, err := Lower(g, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// protocols counts the products of a plan by protocol.
func productsOf(p *plan.Plan) (over map[plan.Proto]int) {
	over = map[plan.Proto]int{}
	for _, s := range p.Steps() {
		if _, ok := s.Attrs.(*plan.Mul); ok {
			over[s.Proto]++
		}
	}
	return over
}

// Large products of shared matrices run over RLWE, small ones over OT, and all of them
// where they are to; a session's keys must be worth it.
func TestProductsRunWhereTheyAreCheaper(t *testing.T) {
	lan, err := choose.ParseProfile("lan")
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		o        Options
		sizes    []int
		ot, rlwe int
	}{
		"large and small": {Options{Profile: lan}, []int{64, 1}, 1, 1},
		"not worth keys":  {Options{Profile: lan}, []int{4}, 1, 0},
		"over OT":         {Options{Profile: lan, OverOT: true}, []int{64}, 1, 0},
	} {
		p := products(t, c.o, c.sizes...)
		over := productsOf(p)
		if over[plan.ProtoMul] != c.ot || over[plan.ProtoMulRLWE] != c.rlwe {
			t.Errorf("%s: %v", what, over)
		}
		if (p.Modulus != 0) != (c.rlwe > 0) {
			t.Errorf("%s: modulus %d", what, p.Modulus)
		}
	}
}
