package backend

import (
	"errors"
	"fmt"
	"strings"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// The weights file also carries the graph that the plan was lowered from, so
// that whoever owns the model can simulate it exactly (eval, compare). The text
// form names long constants by digest; lines "#data DIGEST TENSOR" after it say
// which tensor of the file holds each. Tensors the plan needs anyway are shared.
const (
	graphTensor = "graph"
	dataLine    = "#data "
	maxGraph    = 64 << 20
)

// AttachGraph adds a fixed-phase graph to the weights made from it.
func AttachGraph(w Weights, g *ir.Graph) Weights {
	text, long := ir.PrintAll(g, 64)
	have := map[string]string{}
	for _, t := range w {
		have[(&ir.ConstAttrs{Ints: t.Data}).Digest()] = t.Name
	}
	var b strings.Builder
	b.WriteString(text)
	for _, v := range g.Values {
		c, ok := v.Attrs.(*ir.ConstAttrs)
		if !ok || v.Op != ir.OpConst {
			continue
		}
		d := c.Digest()
		if long[d] == nil || c.Real != nil {
			continue
		}
		delete(long, d) // once is enough
		if _, ok := have[d]; !ok {
			have[d] = graphTensor + "/" + d
			w = append(w, plan.WeightTensor{Name: have[d], Shape: append([]int{}, v.Type.Shape...), Data: c.Ints})
		}
		fmt.Fprintf(&b, "%s%s %s\n", dataLine, d, have[d])
	}
	return AttachNote(w, graphTensor, b.String())
}

// AttachNote adds a text to the weights: what the compiler wants to know again.
func AttachNote(w Weights, name, text string) Weights {
	data := make([]int64, len(text))
	for i := range len(text) {
		data[i] = int64(int8(text[i]))
	}
	return append(w, plan.WeightTensor{Name: name, Shape: []int{len(data)}, Data: data})
}

// ReadNote gives the text that AttachNote stored; none is no error.
func ReadNote(w *plan.Weights, name string) (text string, ok bool, err error) {
	n := w.Len(name)
	if n < 0 {
		return "", false, nil
	}
	if n > maxGraph {
		return "", false, fmt.Errorf("weights: %s of %d bytes", name, n)
	}
	data, err := w.Ints(name, n)
	if err != nil {
		return "", false, err
	}
	raw := make([]byte, n)
	for i, x := range data {
		raw[i] = byte(x)
	}
	return string(raw), true, nil
}

// ReadGraph gives the graph that AttachGraph stored.
func ReadGraph(w *plan.Weights) (*ir.Graph, error) {
	raw, ok, err := ReadNote(w, graphTensor)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.New("weights: the file carries no graph: compile the model again")
	}
	text, rest, _ := strings.Cut(raw, "\n"+dataLine) // names are quoted: no name holds a line break
	long := map[string]*ir.ConstAttrs{}
	for line := range strings.SplitSeq(rest, "\n") {
		digest, name, ok := strings.Cut(strings.TrimPrefix(line, dataLine), " ")
		if !ok {
			continue
		}
		ints, err := w.Ints(name, max(w.Len(name), 0))
		if err != nil {
			return nil, err
		}
		long[digest] = &ir.ConstAttrs{Ints: ints}
	}
	g, err := ir.Parse(text, long)
	if err != nil {
		return nil, fmt.Errorf("weights: graph: %w", err)
	}
	if err := ir.Verify(g, ir.Selected); err != nil {
		return nil, fmt.Errorf("weights: graph: %w", err)
	}
	return g, nil
}
