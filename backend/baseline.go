package backend

import (
	"fmt"

	"secc/backend/plan"
	"secc/ir"
)

// What the same network costs by CrypTFlow2 (Rathee et al., CCS 2020) with
// linear layers over OT, the starting point of Ganesan et al. (arXiv 2209.00411),
// and what each of their remedies takes off. All figures are payload bytes of
// both directions by the published formulas; only the last step is a plan's.

// Baseline says which CrypTFlow2 to price.
type Baseline struct {
	Ring  int // bits of its one ring; 0: 60, the paper's networks
	Terms int // cross terms of a product: 2 as its default build, or 1; 0: 2
}

// LadderStep is one rung: all remedies up to and including Step.
type LadderStep struct {
	Step      string `json:"step"`
	Bytes     int64  `json:"bytes"`
	Linear    int64  `json:"linear_bytes"`
	NonLinear int64  `json:"nonlinear_bytes"`
}

// LayerCost is one operator of the network on every rung.
type LayerCost struct {
	Name  string  `json:"name"`
	Op    string  `json:"op"`
	MACs  int64   `json:"macs"`
	Elems int64   `json:"elements"` // comparisons of a non-linear operator
	Bytes []int64 `json:"bytes"`    // by rung; the last is secc's own
}

const (
	lambda      = 128 // bits of a correlated OT by IKNP
	silentBits  = 0.8 // bits of a silent one
	mixedWeight = 12  // weight bits once widths are mixed
	mixedAcc    = 28  // accumulator bits then
	mixedRing   = 16  // ring of activations then
	statistical = 40
)

// rung is a set of remedies.
type rung struct {
	name                  string
	xop, winograd         bool
	ring, weight, compare int
	terms                 int
	cot                   float64
}

func (b Baseline) rungs() []rung {
	l := b.Ring
	all := []rung{{name: fmt.Sprintf("CrypTFlow2 over OT, %d-bit ring, two cross terms", l), ring: l, weight: l, compare: l, terms: 2, cot: lambda}}
	if b.Terms == 1 {
		all = nil
	}
	one := rung{name: fmt.Sprintf("CrypTFlow2 over OT, %d-bit ring, one cross term", l), ring: l, weight: l, compare: l, terms: 1, cot: lambda}
	x, w, m := one, one, one
	x.name, x.xop = "+ X-operator", true
	w.name, w.xop, w.winograd = "+ Winograd", true, true
	m.name, m.xop, m.winograd, m.ring, m.weight, m.compare = "+ mixed widths", true, true, mixedAcc, mixedWeight, mixedRing
	s := m
	s.name, s.cot = "+ silent OT", silentBits
	return append(all, one, x, w, m, s)
}

// Ladder prices a network of convolutions on every rung, per operator and in
// total. g is a real graph whose products are convolutions; ours is the priced
// plan for the same network.
func Ladder(g *ir.Graph, b Baseline, ours *plan.Report) ([]LadderStep, []LayerCost) {
	if b.Ring == 0 {
		b.Ring = 60
	}
	rungs := b.rungs()
	own := costByName(ours)
	steps := make([]LadderStep, len(rungs)+1)
	for i, r := range rungs {
		steps[i].Step = r.name
	}
	var layers []LayerCost
	for _, v := range g.Values {
		layer, linear := layerOf(v)
		if layer == nil {
			continue
		}
		for i, r := range rungs {
			bits := r.nonLinear(float64(layer.Elems))
			if linear != nil {
				bits = r.linear(linear)
				steps[i].NonLinear += int64(r.truncation(linear.out) / 8)
				steps[i].Linear += int64(bits / 8)
			} else {
				steps[i].NonLinear += int64(bits / 8)
			}
			layer.Bytes = append(layer.Bytes, int64(bits/8))
		}
		layer.Bytes = append(layer.Bytes, own[layer.Name])
		layers = append(layers, *layer)
	}
	steps[len(rungs)] = ownStep(ours)
	for i := range rungs {
		steps[i].Bytes = steps[i].Linear + steps[i].NonLinear
	}
	return steps, layers
}

func costByName(r *plan.Report) map[string]int64 {
	own := map[string]int64{}
	for _, o := range r.Operators {
		own[o.Name] += o.ClientToServer + o.ServerToClient
	}
	return own
}

// ownStep counts set-up with the non-linear half: nearly all of it makes OTs.
func ownStep(r *plan.Report) LadderStep {
	s := LadderStep{Step: "secc: RLWE and silent OT, formats by tensor", Bytes: r.Total.Bytes}
	for _, o := range r.Operators {
		if o.Cost.Work.Server[plan.UnitNTT] > 0 {
			s.Linear += o.ClientToServer + o.ServerToClient
		}
	}
	s.NonLinear = s.Bytes - s.Linear
	return s
}

// conv2d is what a product over OT depends on.
type conv2d struct {
	group, in, filters int
	kh, kw, sh, sw     int
	batch, oh, ow      int
	positions, out     float64 // outputs of a filter, outputs in all
	dilated            bool
}

// layerOf describes a value that costs something, or gives nil.
func layerOf(v *ir.Value) (*LayerCost, *conv2d) {
	layer := &LayerCost{Name: v.Name, Op: string(v.Op)}
	switch v.Op {
	case ir.OpConv:
		l := convGeometry(v)
		c := &conv2d{group: l.G, in: l.CIn, filters: l.COut, kh: l.KH, kw: l.KW, sh: l.SH, sw: l.SW, batch: l.Batch, oh: l.OH, ow: l.OW,
			positions: float64(l.Batch * l.OH * l.OW), out: float64(v.Type.N()), dilated: l.DH*l.DW != 1}
		layer.MACs = int64(v.Type.N()) * int64(l.FilterLen())
		return layer, c
	case ir.OpRelu, ir.OpPRelu, ir.OpAbs, ir.OpMax, ir.OpMin:
		layer.Elems = int64(v.Type.N())
	case ir.OpClip:
		layer.Elems = 2 * int64(v.Type.N())
	case ir.OpMaxPool:
		layer.Elems = int64(v.Type.N()) * int64(ir.Numel(v.Attrs.(*ir.PoolAttrs).Kernel)-1)
	default:
		return nil, nil
	}
	return layer, nil
}

// product is a product over OT: every weight is chosen by its bits, once for
// all positions, each of which takes shrinking messages.
func (r rung) product(weights, positions float64) float64 {
	m, l := float64(r.weight), float64(r.ring)
	return float64(r.terms) * weights * (m*r.cot + positions*(m*l-m*(m-1)/2))
}

// linear is the cheapest form of a convolution that the rung has.
func (r rung) linear(c *conv2d) float64 {
	inner := c.in / c.group
	best := r.product(float64(c.filters*inner*c.kh*c.kw), c.positions)
	if r.winograd {
		best = min(best, r.winogradForm(c, c.filters*inner))
	}
	if r.xop && c.group == 1 && c.kh*c.kw > 1 && c.in > 3 {
		half := *c
		half.group, half.in, half.filters = c.in/2, c.in/2, c.in/2
		spatial := r.product(float64(c.in/2*c.kh*c.kw), c.positions)
		if r.winograd {
			spatial = min(spatial, r.winogradForm(&half, c.in/2))
		}
		best = min(best, spatial+r.product(float64(c.in*c.filters), c.positions))
	}
	return best
}

// winogradForm: F(4x4,3x3) or F(2x2,5x5), both on tiles of 6x6, stride 1.
func (r rung) winogradForm(c *conv2d, pairs int) float64 {
	side := map[int]int{3: 4, 5: 2}[c.kh]
	if side == 0 || c.kh != c.kw || c.sh*c.sw != 1 || c.dilated {
		return r.product(float64(pairs*c.kh*c.kw), c.positions)
	}
	tiles := float64(c.batch * ((c.oh + side - 1) / side) * ((c.ow + side - 1) / side))
	return r.product(float64(36*pairs), tiles)
}

// nonLinear is DReLU and a multiplexer (CrypTFlow2, table 1), by IKNP; with
// silent OT what crosses beside the OTs is about 11 bits a compared bit (Cheetah).
func (r rung) nonLinear(comparisons float64) float64 {
	l := float64(r.compare)
	if r.cot < 1 {
		return comparisons * (11*l + 2*l + r.cot*(l+2))
	}
	return comparisons * ((r.cot+18)*l + 2*r.cot + 2*l)
}

// truncation follows every product in one ring; with mixed widths it is part of
// the change of rings.
func (r rung) truncation(outputs float64) float64 {
	l := float64(r.ring)
	if r.cot < 1 {
		return outputs * (11*l + 2*l + r.cot*(l+3))
	}
	return outputs * (r.cot*(l+3) + 15*l + statistical + 20)
}
