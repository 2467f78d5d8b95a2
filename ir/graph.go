package ir

import "secc.example/secc/ir/num"

// Op names an operator; the table in op.go gives its meaning.
type Op string

// Value is one tensor in the graph and the operator that makes it.
// There is one struct for all operators: Attrs carries what is particular.
type Value struct {
	ID    int    // unique in its graph; printed as %ID
	Op    Op     //
	Name  string // the ONNX node (or tensor) it stems from; used in messages and cost rows
	Type  Type   //
	Args  []*Value
	Attrs any    // pointer to the op's attribute struct, or nil; see ops_*.go
	Proto string // after selection: the protocol that realises it; else ""
}

// Graph is a list of values in topological order, with its inputs (Op OpInput,
// in declaration order) among them, and the outputs it computes.
type Graph struct {
	Name    string
	Values  []*Value
	Inputs  []*Value
	Outputs []*Value
	nextID  int

	OutputNames []string // what the model calls its outputs; nil: as their values
}

// ConstAttrs holds the data of an OpConst value: Real in the real phase
// (float32, row-major), Ints (signed representatives in the ring of the type)
// once the value has a fixed-point format. Exactly one is set.
type ConstAttrs struct {
	Real *num.Tensor
	Ints []int64

	Equal bool // all elements are one number, as the architecture has it: passes may rely on that, and on no coincidence
}

// Add appends a new value to the graph and gives it an ID. It does not infer
// the type: see New in op.go for that.
func (g *Graph) Add(v *Value) *Value {
	g.nextID++
	v.ID = g.nextID
	g.Values = append(g.Values, v)
	return v
}

// Uses counts, for every value, how many arguments and graph outputs read it.
func (g *Graph) Uses() map[*Value]int {
	n := make(map[*Value]int, len(g.Values))
	for _, v := range g.Values {
		for _, a := range v.Args {
			n[a]++
		}
	}
	for _, o := range g.Outputs {
		n[o]++
	}
	return n
}
