package plan

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Protocol says what a Proto means to everybody who handles plans; what depends on a
// step's fields, its Attrs say.
type Protocol struct {
	Realises string       // the functionality, in a line
	Local    bool         // sends nothing
	New      func() Attrs // an empty record of its attributes; nil: its steps have none
	none     Attrs        // what steps without attributes do
}

// Attrs is what a step says beyond its slots, by its protocol.
type Attrs interface {
	Legal(p *Plan, s *Step) error        // slots (known to exist) and fields fit
	Cost(p *Plan, call []*Step) Cost     // of one call, a batch of steps as Batches gives it; exact
	Merges(p *Plan, a, b *Step) bool     // whether steps of the protocol, without weights, may run as one wide call
	Memory(p *Plan, call []*Step) Memory // what a call works on beside operands, results and joined copies of them
	Text() string                        // for an explanation
}

// protocols is the one table of protocols; it is never written to.
var protocols = map[Proto]Protocol{
	ProtoCopy:    {"strided regions of the inputs on a constant background", true, record[Copy], nil},
	ProtoAffine:  {"integer combination of the inputs plus a constant", true, record[Affine], nil},
	ProtoReduce:  {"drop high bits: Z_2^k to Z_2^j", true, nil, &reducing{}},
	ProtoSumPool: {"windowed sums", true, record[Pool], nil},
	ProtoTiles:   {"tiles of a tensor mapped by an integer matrix from both sides", true, record[Tiles], nil},

	ProtoInput:      {"the client's tensor as the sharing (0, x)", true, nil, &entering{}},
	ProtoReveal:     {"the client learns the tensor", false, nil, &revealing{}},
	ProtoLinearRLWE: {"convolution or product by server weights, rounded", false, record[Linear], nil},
	ProtoLinearOT:   {"convolution or product by server weights, rounded", false, record[Linear], nil},
	ProtoExtend:     {"Z_2^k to Z_2^l, same signed value", false, record[Extend], nil},
	ProtoTruncate:   {"divide by a power of two, rounded", false, record[Truncate], nil},
	ProtoRelu:       {"x*[x >= 0]", false, record[Relu], nil},
	ProtoPRelu:      {"x*[x >= 0] + slope*x*[x < 0], slope the server's", false, record[PRelu], nil},
	ProtoClip:       {"x clipped to [min, max]", false, record[Clip], nil},
	ProtoMaxPool:    {"windowed maximum", false, record[MaxPool], nil},
	ProtoArgMax:     {"indices of the k largest of each row", false, record[ArgMax], nil},
	ProtoMul:        {"product of two shared tensors, rounded", false, record[Mul], nil},
	ProtoMulRLWE:    {"product of two shared matrices, rounded", false, record[Mul], nil},
	ProtoFunc:       {"elementwise function by lines", false, record[Func], nil},
}

// record makes an empty record of attributes.
func record[T any, P interface {
	*T
	Attrs
}]() Attrs {
	return P(new(T))
}

// copied is a record of its own with the same fields.
func copied(a Attrs) Attrs {
	v := reflect.New(reflect.TypeOf(a).Elem())
	v.Elem().Set(reflect.ValueOf(a).Elem())
	return v.Interface().(Attrs)
}

// attrs gives what a step's protocol does with it, or says why its attributes are not
// those of its protocol.
func (s *Step) attrs() (Attrs, error) {
	row, ok := protocols[s.Proto]
	switch {
	case !ok:
		return nil, errors.New("unknown protocol")
	case row.New == nil && s.Attrs == nil:
		return row.none, nil
	case row.New == nil:
		return nil, errors.New("attributes, but its protocol has none")
	}
	if want := reflect.TypeOf(row.New()); reflect.TypeOf(s.Attrs) != want || reflect.ValueOf(s.Attrs).IsNil() {
		return nil, fmt.Errorf("attributes are %T, want %v", s.Attrs, want)
	}
	return s.Attrs, nil
}

// does is attrs of a step that is known to be valid.
func (s *Step) does() Attrs {
	if s.Attrs != nil {
		return s.Attrs
	}
	if none := protocols[s.Proto].none; none != nil {
		return none
	}
	panic(fmt.Sprintf("BUG: step of %q without attributes", s.Proto))
}

// Lookup gives the table row of a protocol.
func Lookup(p Proto) (Protocol, bool) {
	row, ok := protocols[p]
	return row, ok
}

// Protos lists the protocols in alphabetical order.
func Protos() []Proto {
	var all []Proto
	for p := range protocols {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

// arity checks the number of slots; outMin..outMax outputs.
func arity(s *Step, inMin, inMax, out int) error {
	if len(s.In) < inMin || len(s.In) > inMax || len(s.Out) != out {
		return fmt.Errorf("%d inputs and %d outputs", len(s.In), len(s.Out))
	}
	return nil
}

func sameElems(p *Plan, s *Step, bitsToo bool) error {
	o := p.Slots[s.Out[0]]
	for _, x := range s.In {
		t := p.Slots[x]
		if t.N() != o.N() || bitsToo && t.Bits != o.Bits {
			return fmt.Errorf("input %v of %d bits, output %v of %d bits", t.Shape, t.Bits, o.Shape, o.Bits)
		}
	}
	return nil
}

const maxSide = 1 << 16

// What a step may make the parties build before anything runs: gates of a
// selection network (of which one is made for all channels), terms of a product
// of two shared tensors.
const (
	maxNetwork  = 1 << 24
	maxProducts = 1 << 30
)

// between reports whether every value lies in [lo, hi].
func between(lo, hi int, values ...int) bool {
	return !slices.ContainsFunc(values, func(v int) bool { return v < lo || v > hi })
}

// multiply is the product of the factors, or 0 if one is below 1 or it exceeds MaxElems.
func multiply(factors ...int) int {
	m := 1
	for _, f := range factors {
		if f < 1 || m > MaxElems/f {
			return 0
		}
		m *= f
	}
	return m
}

func product(n int, factors ...int) bool { return n > 0 && multiply(factors...) == n }

// costLocal prices the passes over memory that a local step makes.
func costLocal(p *Plan, call []*Step) Cost {
	n := 0
	for _, x := range append(slices.Clone(call[0].In), call[0].Out...) {
		n = max(n, p.Slots[x].N())
	}
	var c Cost
	c.Work.Server[UnitElem], c.Work.Client[UnitElem] = float64(n), float64(n)
	return c
}
