package plan

import (
	"fmt"
	"math/bits"

	"secc.example/secc/backend/plan/wire"
)

// ArgMax gives the indices of the K largest elements of each row, in order.
type ArgMax struct {
	Sign
	K int
}

// Legal checks slots and fields.
func (c *ArgMax) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	in, out := p.Slots[s.In[0]], p.Slots[s.Out[0]]
	if err := c.check(in.Bits); err != nil {
		return err
	}
	if c.K < 1 || c.K > out.N() || out.N()%c.K != 0 || out.N()/c.K > in.N() || in.N()%(out.N()/c.K) != 0 || c.K > in.N()/(out.N()/c.K) {
		return fmt.Errorf("top %d of %d elements into %d", c.K, in.N(), out.N())
	}
	row, depth := in.N()/(out.N()/c.K), bits.Len(uint(c.K))
	if bits.Len(uint(row-1)) > out.Bits {
		return fmt.Errorf("indices of %d elements in %d bits", row, out.Bits)
	}
	if !bounded(maxNetwork, row, depth, depth) {
		return fmt.Errorf("top %d of %d: too many comparisons", c.K, row)
	}
	return nil
}

// Cost of a call.
func (c *ArgMax) Cost(p *Plan, call []*Step) Cost {
	in, out := p.Slots[call[0].In[0]], p.Slots[call[0].Out[0]]
	rows := out.N() / c.K
	return CostArgMax(rows, in.N()/rows, c, out.Bits)
}

// CostArgMax finds the top K of each of rows vectors of n; the indices come out
// in Z_2^indexBits.
func CostArgMax(rows, n int, c *ArgMax, indexBits int) Cost {
	var levels []int
	for _, l := range wire.TopK(n, c.K).Levels {
		levels = append(levels, len(l))
	}
	return costSelect(levels, rows, &c.Sign, indexBits)
}

// Memory is that of a level's comparisons and labels.
func (c *ArgMax) Memory(p *Plan, call []*Step) Memory {
	all := c.Sign.Memory(p, call)
	if c.Tree.Labelled {
		all = all.add(c.labelMemory(p.Slots[call[0].In[0]].N() * c.K))
	}
	return all
}

// Text shows what an explanation prints.
func (c *ArgMax) Text() string { return c.text("") }

// Merges: never.
func (*ArgMax) Merges(*Plan, *Step, *Step) bool { return false }
