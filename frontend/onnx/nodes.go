package onnx

// Node is one operator of a model as it is imported: functions inlined.
type Node struct {
	Name   string // its first output where the file gives no name
	Op     string
	Domain string // "" is ai.onnx
	Opset  int    // version of the domain that it is bound to
}

// Nodes lists the operators of a model in graph order, known or not.
func Nodes(data []byte, opts Options) ([]Node, error) {
	ext, err := openExternal(opts.Dir)
	if err != nil {
		return nil, err
	}
	defer ext.close()
	m, err := decodeModel(data, ext, opts.Stop)
	if err != nil {
		return nil, err
	}
	walked, err := m.walk()
	if err != nil {
		return nil, err
	}
	nodes := make([]Node, len(walked))
	for i, n := range walked {
		nodes[i] = Node{n.name, n.op, n.domain, n.opset}
	}
	return nodes, nil
}
