package passes

import (
	"errors"
	"fmt"

	"secc.example/secc/ir"
)

// Refusal is a node that has no secure form as it stands.
type Refusal struct {
	Node   string
	Op     ir.Op
	Reason string
}

func (r *Refusal) Error() string { return fmt.Sprintf("node %q (%s): %s", r.Node, r.Op, r.Reason) }

func refusal(v *ir.Value, format string, args ...any) error {
	return &Refusal{v.Name, v.Op, fmt.Sprintf(format, args...)}
}

// Refusals lists everything that an error of Compile says, in order: one entry
// a node where it names nodes, and the rest as it is.
func Refusals(err error) []error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		joined, ok := e.(interface{ Unwrap() []error })
		if !ok {
			continue
		}
		return joined.Unwrap()
	}
	return []error{err}
}
