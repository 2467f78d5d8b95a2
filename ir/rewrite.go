package ir

import (
	"errors"
	"reflect"
	"slices"
)

// ReplaceUses makes every reader of old, the graph's outputs included, read new.
// The new value itself is left alone, so it may be computed from old. Types are
// not re-inferred, and order may suffer: see Sort.
func (g *Graph) ReplaceUses(old, new *Value) {
	for _, v := range g.Values {
		if v == new {
			continue
		}
		for i, a := range v.Args {
			if a == old {
				v.Args[i] = new
			}
		}
	}
	for i, o := range g.Outputs {
		if o == old {
			g.Outputs[i] = new
		}
	}
}

// RemoveDead drops every value that no output needs, except inputs. It returns
// how many went.
func (g *Graph) RemoveDead() int {
	live := map[*Value]bool{}
	var mark func(v *Value)
	mark = func(v *Value) {
		if live[v] {
			return
		}
		live[v] = true
		for _, a := range v.Args {
			mark(a)
		}
	}
	for _, v := range slices.Concat(g.Inputs, g.Outputs) {
		mark(v)
	}
	before := len(g.Values)
	g.Values = slices.DeleteFunc(g.Values, func(v *Value) bool { return !live[v] })
	return before - len(g.Values)
}

// Sort puts the values into topological order again, keeping the present order
// wherever it is legal and pulling arguments forward where it is not. It fails
// on a cycle.
func (g *Graph) Sort() error {
	const visiting, done = 1, 2
	state := make(map[*Value]int, len(g.Values))
	sorted := make([]*Value, 0, len(g.Values))
	type frame struct {
		v    *Value
		next int
	}
	for _, root := range g.Values {
		if state[root] == done {
			continue
		}
		state[root] = visiting
		for stack := []frame{{root, 0}}; len(stack) > 0; {
			top := &stack[len(stack)-1]
			if top.next == len(top.v.Args) {
				state[top.v] = done
				sorted = append(sorted, top.v)
				stack = stack[:len(stack)-1]
				continue
			}
			a := top.v.Args[top.next]
			top.next++
			switch state[a] {
			case visiting:
				return a.errorf("%w", errCycle)
			case 0:
				state[a] = visiting
				stack = append(stack, frame{a, 0})
			}
		}
	}
	g.Values = sorted
	return nil
}

var errCycle = errors.New("depends on itself")

// Infer infers the type of every value again, in order.
func (g *Graph) Infer() error {
	for _, v := range g.Values {
		t, err := v.Infer()
		if err != nil {
			return err
		}
		v.Type = t
	}
	return nil
}

// Clone copies a graph: values and attributes are new, the data of constants is
// shared. The map leads from the old values to the new ones.
func (g *Graph) Clone() (*Graph, map[*Value]*Value) {
	to := make(map[*Value]*Value, len(g.Values))
	for _, v := range g.Values {
		c := *v
		c.Type.Shape = slices.Clone(v.Type.Shape)
		c.Attrs = cloneAttrs(v.Attrs)
		to[v] = &c
	}
	move := func(vs []*Value) []*Value {
		out := make([]*Value, len(vs))
		for i, v := range vs {
			out[i] = to[v]
		}
		return out
	}
	for _, c := range to {
		c.Args = move(c.Args)
	}
	return &Graph{
		Name: g.Name, Values: move(g.Values), Inputs: move(g.Inputs), Outputs: move(g.Outputs), nextID: g.nextID,
		OutputNames: slices.Clone(g.OutputNames),
	}, to
}

// cloneAttrs copies an attribute struct and its slices of integers, but not a
// constant's data: no pass changes that in place.
func cloneAttrs(a any) any {
	if a == nil {
		return nil
	}
	old := reflect.ValueOf(a).Elem()
	c := reflect.New(old.Type())
	c.Elem().Set(old)
	if _, isConst := a.(*ConstAttrs); isConst {
		return c.Interface()
	}
	for i := range old.NumField() {
		if s, ok := old.Field(i).Interface().([]int); ok {
			c.Elem().Field(i).Set(reflect.ValueOf(slices.Clone(s)))
		}
	}
	return c.Interface()
}
