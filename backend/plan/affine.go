package plan

import (
	"errors"
	"fmt"
)

// Affine is a public-integer linear combination of equally shaped inputs.
type Affine struct {
	Coef   []int64
	Public int64 `cbor:",omitempty"` // added to every element
	Server bool  `cbor:",omitempty"` // the server adds the vector W+"/b" of its weights, spread as Spread says
	Spread Spread
}

// Spread says how a short vector of the server's lies over a tensor: element i
// uses value (i / Inner) % Channels.
type Spread struct{ Channels, Inner int }

// At is the index of element i's value in the short vector.
func (v Spread) At(i int) int { return i / v.Inner % v.Channels }

// Legal checks slots and fields.
func (a *Affine) Legal(p *Plan, s *Step) error {
	if err := arity(s, 0, 1<<10, 1); err != nil {
		return err
	}
	if len(a.Coef) != len(s.In) {
		return fmt.Errorf("%d coefficients for %d inputs", len(a.Coef), len(s.In))
	}
	if !a.Server {
		if a.Spread != (Spread{}) || s.W != "" {
			return errors.New("a public constant has no server vector")
		}
		return sameElems(p, s, true)
	}
	if err := a.Spread.check(p.Slots[s.Out[0]].N()); err != nil {
		return err
	}
	if s.W == "" {
		return errors.New("no weights named")
	}
	return sameElems(p, s, true)
}

func (v Spread) check(n int) error {
	if v.Channels < 1 || v.Inner < 1 || v.Channels > n || v.Inner > n || v.Channels > n/v.Inner || n%(v.Channels*v.Inner) != 0 {
		return fmt.Errorf("spread of %d x %d over %d elements", v.Channels, v.Inner, n)
	}
	return nil
}

// Cost of a local map.
func (*Affine) Cost(p *Plan, call []*Step) Cost { return costLocal(p, call) }

// Text shows what an explanation prints.
func (a *Affine) Text() string {
	return fmt.Sprintf(" (%v + %d, server %v)", a.Coef, a.Public, a.Server)
}

// Merges: never.
func (*Affine) Merges(*Plan, *Step, *Step) bool { return false }

// Memory: none of its own.
func (*Affine) Memory(*Plan, []*Step) Memory { return Memory{} }
