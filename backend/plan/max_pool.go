package plan

import (
	"errors"
	"slices"

	"secc.example/secc/backend/plan/wire"
)

// MaxPool is the maximum of windows.
type MaxPool struct {
	Sign
	Pool Pool
}

// Legal checks slots and fields.
func (m *MaxPool) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	in, out := p.Slots[s.In[0]], p.Slots[s.Out[0]]
	if err := m.check(in.Bits); err != nil {
		return err
	}
	w := &m.Pool
	if in.Bits != out.Bits {
		return errors.New("rings differ")
	}
	if err := w.check(in.N(), out.N()); err != nil {
		return err
	}
	if !bounded(maxNetwork, w.H, w.OW, w.KW) || !bounded(maxNetwork, w.OH, w.OW, max(w.KH, w.KW)) || !bounded(maxNetwork, w.OH, w.KH, w.W) {
		return errors.New("pool: too many comparisons a channel")
	}
	if !w.meets() {
		return errors.New("pool: a window meets nothing but padding")
	}
	return nil
}

// Cost of a call.
func (m *MaxPool) Cost(*Plan, []*Step) Cost { return CostMaxPool(m) }

// CostMaxPool runs the window's tournament on every channel.
func CostMaxPool(m *MaxPool) Cost {
	return costSelect(m.Pool.LevelSizes(), m.Pool.C, &m.Sign, 0)
}

// costSelect runs a network of so many gates a level on copies vectors, with index numbers if indexBits > 0.
func costSelect(levels []int, copies int, c *Sign, indexBits int) Cost {
	var cost Cost
	widths := []int{c.Bits}
	if indexBits > 0 {
		widths = append(widths, indexBits)
	}
	t, m := c.Tree, c.compared()
	for i, gates := range levels {
		n := copies * gates
		if t.Labelled && i < len(levels)-1 {
			level := costLabelled(n, m, t, wire.Mask{Widths: widths, Alone: true})
			level.Kept.Client += costFix(n, widths).Kept.Client
			cost = cost.Add(level)
			continue
		}
		if t.Tabled() {
			cost = cost.Add(costMasked(n, costAbove(n, m, t, []int64{0}, c.Lo), wire.Mask{Widths: widths}))
			if i < len(levels)-1 {
				cost = cost.Add(costFix(n, widths))
			}
			continue
		}
		cost = cost.Add(costAbove(n, m, t, []int64{0}, c.Lo)).Add(costTerms(n, widths, widths))
		t = t.Next(m)
	}
	return cost
}

// Memory is that of a level's comparisons and labels.
func (m *MaxPool) Memory(p *Plan, call []*Step) Memory {
	all := m.Sign.Memory(p, call)
	if m.Tree.Labelled {
		all = all.add(m.labelMemory(m.Pool.C * slices.Max(m.Pool.LevelSizes())))
	}
	return all
}

// Text shows what an explanation prints.
func (m *MaxPool) Text() string { return m.text("") + m.Pool.text() }

// Merges: never.
func (*MaxPool) Merges(*Plan, *Step, *Step) bool { return false }
