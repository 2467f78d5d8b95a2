package secc

import (
	"fmt"
	"slices"
	"strings"

	"secc.example/secc/backend"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
)

// part is a model taken apart into what the client computes of its inputs itself and
// the network proper.
type part struct {
	head *backend.Head // nil: nothing
	rest *ir.Graph
	tell []string // what becomes public by it, and what could
}

// split takes the head off a model. Numbers of an initialiser stand in it only if
// everybody uses them, or if the owner allows it.
func split(g *ir.Graph, publish bool) (*part, error) {
	known := func(c *ir.Value) bool {
		return c.Type.Holder == ir.Public || publish || c.Type.N() == 1 && onnx.Conventional(float64(number(c)))
	}
	head, rest, err := passes.SplitHead(g, known)
	if err != nil {
		return nil, err
	}
	p := &part{rest: rest}
	if head != nil {
		p.tell = append(p.tell, headText(head))
		if tables := passes.OneHots(head); tables != nil {
			p.tell = append(p.tell, "indices stay the client's secret by one-hot rows times the table, which is encrypted: "+listed(tables)+
				"; tables that may become public cost nothing: --publish-embedding")
		}
		if p.head, err = backend.LowerHead(head); err != nil {
			return nil, err
		}
	}
	if !publish {
		more, _, err := passes.SplitHead(g, func(*ir.Value) bool { return true })
		if err != nil {
			return nil, err
		}
		if kept := passes.Dear(more, head); len(kept) > 0 {
			p.tell = append(p.tell, fmt.Sprintf("the client could compute %s itself, exactly and for nothing, if the initialisers there were public: --publish-constants", listed(kept)))
		}
	}
	return p, nil
}

// number is the first of a constant.
func number(c *ir.Value) float32 { return ir.Floats(c.Attrs.(*ir.ConstAttrs).Real)[0] }

// headText says what the client computes, and which initialisers the plan tells it.
func headText(head *ir.Graph) string {
	var ops, numbers []string
	for _, v := range head.Values {
		switch {
		case v.Op == ir.OpInput:
		case v.Op != ir.OpConst:
			ops = append(ops, fmt.Sprintf("%q (%s)", v.Name, v.Op))
		case v.Type.Holder == ir.Server:
			numbers = append(numbers, fmt.Sprintf("%q, %g", v.Name, number(v)))
		}
	}
	text := "the client computes itself, before it encodes its inputs: " + listed(slices.Compact(ops))
	if numbers != nil {
		text += "; initialisers that become public with the plan by it: " + listed(numbers)
	}
	return text
}

// listed joins the first names of a list.
func listed(names []string) string {
	const most = 8
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// Proper gives the network proper of a model that was read so: what is left of it when the
// client's part is taken off.
func (h How) Proper(g *ir.Graph) (*ir.Graph, error) {
	p, err := split(g, h.Publish)
	if err != nil {
		return nil, err
	}
	return p.rest, nil
}

// eval gives the network's inputs of the client's.
func (p *part) eval(in []*num.Tensor) ([]*num.Tensor, error) {
	if p.head == nil {
		return in, nil
	}
	var values [][]float32
	for _, t := range in {
		values = append(values, ir.Floats(t))
	}
	fed, err := p.head.Eval(values)
	if err != nil {
		return nil, err
	}
	var out []*num.Tensor
	for i, x := range fed {
		out = append(out, ir.NewReal(p.rest.Inputs[i].Type.Shape, slices.Clone(x)))
	}
	return out, nil
}

// examples gives calibration inputs of the network proper. Where there are none and an
// input is an index, random ones stand in, made so that they name rows.
func (p *part) examples(g *ir.Graph, given [][]*num.Tensor) (all [][]*num.Tensor, made bool, err error) {
	if rows := p.head.Rows(); len(given) == 0 && slices.Max(rows) > 0 {
		given, made = passes.Random(g, rows), true
	}
	for i, in := range given {
		fed, err := p.eval(in)
		if err != nil {
			return nil, made, fmt.Errorf("example %d: %w", i+1, err)
		}
		all = append(all, fed)
	}
	return all, made, nil
}
