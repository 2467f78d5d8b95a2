package onnx

import (
	"fmt"
)

// sort brings nodes into topological order, keeping the file's order wherever
// it is one. It refuses names defined twice, names that nothing defines (a
// missing initialiser, most often) and cycles, each with a node's name.
func (m *model) sort(nodes []*scopedNode) ([]*scopedNode, error) {
	producer, err := m.producers(nodes)
	if err != nil {
		return nil, err
	}
	const unseen, open, done = 0, 1, 2
	state := make([]byte, len(nodes))
	next := make([]int, len(nodes)) // the input each open node continues with
	sorted := make([]*scopedNode, 0, len(nodes))
	var stack []int
	for root := range nodes {
		if state[root] != unseen {
			continue
		}
		stack = append(stack, root)
		state[root] = open
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			if next[i] == len(nodes[i].GetInput()) {
				state[i] = done
				sorted = append(sorted, nodes[i])
				stack = stack[:len(stack)-1]
				continue
			}
			name := nodes[i].GetInput()[next[i]]
			next[i]++
			p, ok := producer[name]
			switch {
			case name == "" || ok && p < 0 || ok && state[p] == done:
			case !ok:
				return nil, nodeErrorf(nodes[i], "input %q is not produced by any node, input or initialiser", name)
			case state[p] == open:
				return nil, nodeErrorf(nodes[i], "the graph has a cycle: input %q depends on this node", name)
			default:
				state[p] = open
				stack = append(stack, p)
			}
		}
	}
	return sorted, m.checkOutputs(producer)
}

// producers maps every name to the node that makes it, -1 for inputs and initialisers.
func (m *model) producers(nodes []*scopedNode) (map[string]int, error) {
	producer := make(map[string]int, len(nodes)+len(m.consts))
	for name := range m.consts {
		producer[name] = -1
	}
	for name := range m.odd {
		producer[name] = -1
	}
	for _, v := range m.inputs {
		if _, dup := producer[v.name]; dup || v.name == "" {
			return nil, fmt.Errorf("onnx: graph input %q has no name or is declared twice", v.name)
		}
		producer[v.name] = -1
	}
	for i, n := range nodes {
		if len(n.GetOutput()) == 0 {
			return nil, nodeErrorf(n, "it has no outputs")
		}
		for _, o := range n.GetOutput() {
			if _, dup := producer[o]; dup {
				return nil, nodeErrorf(n, "output %q is already defined", o)
			}
			if o != "" {
				producer[o] = i
			}
		}
	}
	return producer, nil
}

func (m *model) checkOutputs(producer map[string]int) error {
	if len(m.outputs) == 0 {
		return fmt.Errorf("onnx: the graph has no outputs")
	}
	seen := map[string]bool{}
	for _, v := range m.outputs {
		if _, ok := producer[v.name]; !ok {
			return fmt.Errorf("onnx: graph output %q is not produced by any node", v.name)
		}
		if seen[v.name] && !m.inner {
			return fmt.Errorf("onnx: graph output %q is declared twice", v.name)
		}
		seen[v.name] = true
	}
	return nil
}

func nodeErrorf(n *scopedNode, format string, args ...any) error {
	return &NodeError{nodeName(n.Node), n.GetOpType(), fmt.Errorf(format, args...)}
}
