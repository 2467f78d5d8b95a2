package ir

import (
	"fmt"
	"reflect"
)

// Info is one row of the operator table.
type Info struct {
	MinArgs, MaxArgs int        // MaxArgs < 0: any number
	Attrs            func() any // a new, zero attribute struct; nil: the operator has none
	Class            Class
	Infer            func(v *Value) (Type, error) // element and shape; fills in defaulted attributes

	Real  func(v *Value, in [][]float32, out []float32, workers int) // nil: has no meaning on real numbers
	Fixed func(s *simulation, v *Value, in [][]int64, out []int64)   // nil: has none in fixed point; see simulate.go
}

// Class says what an operator is on shares; the holder of its result follows from it.
type Class uint8

const (
	Leaf     Class = iota // inputs and constants
	Local                 // linear over the integers: each party applies it to its own share
	Protocol              // needs the other party when its argument is in fixed point
	Opening               // reveal and what follows it
)

// Lookup gives the table row of an operator.
func Lookup(op Op) (Info, bool) {
	info, ok := table[op]
	return info, ok
}

// Ops lists every operator of the table, in no particular order.
func Ops() []Op {
	ops := make([]Op, 0, len(table))
	for op := range table {
		ops = append(ops, op)
	}
	return ops
}

var table = merge(structuralOps(), linearOps(), nonlinearOps(), fixedOps(), tileOps())

func merge(families ...map[Op]Info) map[Op]Info {
	all := map[Op]Info{}
	for _, f := range families {
		for op, info := range f {
			if _, twice := all[op]; twice {
				panic("BUG: ir: operator " + string(op) + " is defined twice")
			}
			all[op] = info
		}
	}
	return all
}

// New appends the value that op computes from args, with its inferred type.
// attrs is a pointer to the operator's attribute struct (nil: all defaults) and
// belongs to the graph from now on. On error the graph is unchanged.
func (g *Graph) New(op Op, name string, attrs any, args ...*Value) (*Value, error) {
	v := &Value{Op: op, Name: name, Attrs: attrs, Args: args}
	info, ok := table[op]
	if ok && info.Class == Leaf {
		return nil, v.errorf("leaves are made with Input and Const")
	}
	if ok && attrs == nil && info.Attrs != nil {
		v.Attrs = info.Attrs()
	}
	t, err := v.Infer()
	if err != nil {
		return nil, err
	}
	v.Type = t
	return g.Add(v), nil
}

// Infer computes the type of a value from its operator, attributes and
// arguments. It fills attributes that were left out (strides, dilations, pads)
// but does not change v.Type. The type of a leaf is its own.
func (v *Value) Infer() (Type, error) {
	info, ok := table[v.Op]
	if !ok {
		return Type{}, v.errorf("no such operator")
	}
	if err := v.checkUse(info); err != nil {
		return Type{}, err
	}
	if info.Class == Leaf {
		return v.Type, v.checkLeaf()
	}
	t, err := info.Infer(v)
	if err != nil {
		return Type{}, v.errorf("%w", err)
	}
	if err := checkShape(t.Shape); err != nil {
		return Type{}, v.errorf("result: %w", err)
	}
	if err := t.Elem.check(); err != nil {
		return Type{}, v.errorf("result: %w", err)
	}
	if v.Op != OpReveal && v.Op != OpToReal {
		t.Holder = holderOf(info.Class, t.Elem, v.Args)
	}
	return t, nil
}

// checkUse checks the number of arguments and the attribute struct.
func (v *Value) checkUse(info Info) error {
	if n := len(v.Args); n < info.MinArgs || info.MaxArgs >= 0 && n > info.MaxArgs {
		return v.errorf("%d arguments", n)
	}
	for i, a := range v.Args {
		if a == nil {
			return v.errorf("argument %d is missing", i)
		}
	}
	var want reflect.Type
	if info.Attrs != nil {
		want = reflect.TypeOf(info.Attrs())
	}
	if got := reflect.TypeOf(v.Attrs); got != want || got != nil && reflect.ValueOf(v.Attrs).IsNil() {
		return v.errorf("attributes are %v, want %v", got, want)
	}
	return nil
}

// holderOf combines the arguments' holders: public with anything is the
// latter, the server's with the client's is shared, and so is the result of a
// protocol on a fixed-point value that is the client's or the server's own.
func holderOf(class Class, e Elem, args []*Value) Holder {
	h := Public
	for _, a := range args {
		switch b := a.Type.Holder; {
		case h == Public:
			h = b
		case b != Public && b != h:
			h = Shared
		}
	}
	if class == Protocol && !e.IsReal() && h != Public {
		return Shared
	}
	return h
}

// errorf names the value and the model's node in an error.
func (v *Value) errorf(format string, args ...any) error {
	return fmt.Errorf("ir: %s: %w", v.where(), fmt.Errorf(format, args...))
}

func (v *Value) where() string {
	return fmt.Sprintf("%%%d %q (%s)", v.ID, v.Name, v.Op)
}
