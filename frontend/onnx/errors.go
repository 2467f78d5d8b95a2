package onnx

import (
	"errors"
	"fmt"
	"strings"
)

// Unsupported is one node (or one other piece of a model) that cannot be compiled.
type Unsupported struct {
	Node   string `json:"node"`             // node name, or its first output where it has none
	Op     string `json:"op"`               // ONNX operator
	Domain string `json:"domain,omitempty"` // "" is ai.onnx
	Opset  int    `json:"opset"`            // version of the domain the node is bound to
	Reason string `json:"reason"`           //
	Hint   string `json:"hint,omitempty"`   // what the user could do, where we know
	Bind   string `json:"bind,omitempty"`   // the graph input that would have to be a constant, if that is the reason
}

func (u Unsupported) String() string {
	op := u.Op
	if u.Domain != "" {
		op = u.Domain + "." + op
	}
	return fmt.Sprintf("node %q (%s, opset %d): %s", u.Node, op, u.Opset, u.Reason)
}

// UnsupportedError lists everything in a well-formed model that cannot be
// compiled, in graph order.
type UnsupportedError struct {
	Entries   []Unsupported
	Nodes     int // nodes in the model, functions inlined
	Supported int // of these, the ones nothing was found wrong with
}

func (e *UnsupportedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "onnx: %d of %d nodes not supported", e.Nodes-e.Supported, e.Nodes)
	if e.Nodes == e.Supported {
		b.Reset()
		b.WriteString("onnx: not supported")
	}
	for _, u := range e.Entries {
		b.WriteString("\n  ")
		b.WriteString(u.String())
		if u.Hint != "" {
			b.WriteString("; " + u.Hint)
		}
	}
	return b.String()
}

// NodeError says which node of a malformed model is wrong.
type NodeError struct {
	Node, Op string
	Err      error
}

func (e *NodeError) Error() string {
	return fmt.Sprintf("onnx: node %q (%s): %v", e.Node, e.Op, e.Err)
}

func (e *NodeError) Unwrap() error { return e.Err }

// refusal is an error that means "valid ONNX, but not for us": it becomes an
// Unsupported entry. Every other error of an importer function means that the
// model is malformed.
type refusal struct {
	reason, hint string
	bind         string
}

// lastResort is what can be done about every node that stands near an end of the
// network, and what must be done about others.
const lastResort = "cut the model before this node and compute the rest from the revealed output, or after it and feed its result; else replace it before export"

func (r *refusal) Error() string { return r.reason }

func refuse(format string, args ...any) error {
	return &refusal{reason: fmt.Sprintf(format, args...)}
}

func refuseHint(hint, format string, args ...any) error {
	return &refusal{reason: fmt.Sprintf(format, args...), hint: hint}
}

func asRefusal(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	return nil
}
