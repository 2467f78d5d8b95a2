package ir

import "fmt"

// Phase says how far a graph has come.
type Phase uint8

const (
	Real     Phase = iota + 1 // real numbers throughout
	Fixed                     // whatever is shared has a format
	Selected                  // and names its protocol
)

// Verify checks that a graph is well formed and obeys the rules of its phase.
// Errors name the value and the model's node.
func Verify(g *Graph, p Phase) error {
	at := make(map[*Value]bool, len(g.Values))
	ids := make(map[int]bool, len(g.Values))
	inputs := 0
	for i, v := range g.Values {
		if v == nil {
			return fmt.Errorf("ir: value number %d is missing", i)
		}
		if v.ID < 1 || v.ID > g.nextID || ids[v.ID] || at[v] {
			return v.errorf("its number is used twice or was never given")
		}
		for _, a := range v.Args {
			if a != nil && !at[a] {
				return v.errorf("argument %s does not stand before it", a.where())
			}
		}
		if err := v.verifyType(); err != nil {
			return err
		}
		if err := v.verifyPhase(p); err != nil {
			return err
		}
		at[v], ids[v.ID] = true, true
		if v.Op == OpInput {
			inputs++
		}
	}
	return g.verifyEnds(at, inputs, p)
}

// verifyType infers the type again.
func (v *Value) verifyType() error {
	t, err := v.Infer()
	if err != nil {
		return err
	}
	if !t.Equal(v.Type) {
		return v.errorf("has type %v, its operator gives %v", v.Type, t)
	}
	return nil
}

func (v *Value) verifyPhase(p Phase) error {
	if p == Real {
		return v.verifyReal()
	}
	return v.verifyFixed(p)
}

func (v *Value) verifyReal() error {
	switch info := table[v.Op]; {
	case !v.Type.Elem.IsReal():
		return v.errorf("has format %v in the real phase", v.Type.Elem)
	case info.Real == nil && info.Class != Leaf:
		return v.errorf("belongs to the fixed phase")
	case v.Proto != "":
		return v.errorf("names protocol %q before selection", v.Proto)
	}
	return nil
}

// verifyFixed checks a value of a phase after Real.
func (v *Value) verifyFixed(p Phase) error {
	info, real := table[v.Op], v.Type.Elem.IsReal()
	switch h := v.Type.Holder; {
	case real && h != Client && h != Public:
		return v.errorf("is %v but has no fixed-point format", h)
	case !real && info.Fixed == nil && info.Class != Leaf:
		return v.errorf("%w", errNoFixed)
	case p == Fixed && v.Proto != "":
		return v.errorf("names protocol %q before selection", v.Proto)
	case p == Selected && v.Proto == "" && (h == Shared || v.Op == OpReveal):
		return v.errorf("names no protocol")
	}
	return nil
}

// verifyEnds checks the lists of inputs and outputs.
func (g *Graph) verifyEnds(at map[*Value]bool, inputs int, p Phase) error {
	listed := map[*Value]bool{}
	for _, v := range g.Inputs {
		if v == nil || !at[v] || v.Op != OpInput || listed[v] {
			return fmt.Errorf("ir: the list of inputs names something that is no input of the graph, or twice")
		}
		listed[v] = true
	}
	if len(listed) != inputs {
		return fmt.Errorf("ir: %d inputs among the values, %d in the list", inputs, len(listed))
	}
	if len(g.Outputs) == 0 {
		return fmt.Errorf("ir: the graph has no output")
	}
	for i, v := range g.Outputs {
		if v == nil || !at[v] {
			return fmt.Errorf("ir: output %d is not a value of the graph", i)
		}
		if h := v.Type.Holder; p != Real && h != Client && h != Public {
			return v.errorf("is an output but %v: reveal it first", h)
		}
	}
	return nil
}
