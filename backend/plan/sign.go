package plan

import (
	"errors"
	"fmt"

	"secc.example/secc/backend/plan/wire"
)

// Sign says how a sign is computed: on bits [Lo, Hi) of an element of Z_2^Bits, by a
// tree. Hi < Bits drops high bits (the value is known to fit), Lo > 0 drops low bits
// (the sign may be wrong for 0 <= x < 2^Lo only).
type Sign struct {
	Bits, Lo, Hi int
	Tree         wire.Tree
}

// Sign gives how a step compares, nil if it does not.
func (s *Step) Sign() *Sign {
	if c, ok := s.Attrs.(interface{ sign() *Sign }); ok {
		return c.sign()
	}
	return nil
}

func (c *Sign) sign() *Sign { return c }

func (c *Sign) format(_ SlotType, out string) string {
	return fmt.Sprintf("%s [%d,%d)", out, c.Lo, c.Hi)
}

// check holds for every protocol that compares.
func (c *Sign) check(bits int) error {
	if c.Bits != bits || c.Bits > 62 || c.Lo < 0 || c.Hi > c.Bits || c.Hi-c.Lo < 2 {
		return fmt.Errorf("compares bits [%d, %d) of %d", c.Lo, c.Hi, bits)
	}
	if c.Tree.Cross { // no cost is chosen for it, no test compares so
		return errors.New("compares by leaves that cross")
	}
	return c.Tree.Check()
}

// costDReLU is the sign of n elements.
func costDReLU(n int, c *Sign) Cost { return costAbove(n, c.compared(), c.Tree, []int64{0}, c.Lo) }

// compared is the number of bits whose carry decides a sign.
func (c *Sign) compared() int { return c.Hi - c.Lo - 1 }

// text says which bits are compared and how; more stands in between.
func (c *Sign) text(more string) string {
	s := fmt.Sprintf(" (bits %d..%d of %d, leaf %d", c.Lo, c.Hi, c.Bits, c.Tree.Leaf)
	if c.Tree.Arity > 2 {
		s += fmt.Sprintf(", joins of %d", c.Tree.Arity)
	}
	if c.Tree.Ripple {
		s += ", ripple"
	}
	return s + more + ")"
}

// Memory is the bits of a comparison, of which the leaves' tables are the most: four
// planes a compared bit.
func (c *Sign) Memory(p *Plan, call []*Step) Memory {
	n := p.elems(call) * int64(4*(c.Hi-c.Lo)) / 8 * wordBytes / 4
	return Memory{n, n}
}

// labelMemory is what the labels of n elements take at either party: words as they are used.
func (c *Sign) labelMemory(n int) Memory {
	words := int64(wire.NewCarries(c.compared(), 0, 1, c.Tree).Factors()+4) * int64(n) * wordBytes
	return Memory{words, words}
}
