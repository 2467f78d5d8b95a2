package backend

import (
	"fmt"
	"strings"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// What the same network costs by CrypTFlow2 with linear layers over OT, the
// starting point of Ganesan et al. (arXiv 2209.00411), and what each remedy takes
// off. All steps but the last are arithmetic on the shapes of the real graph;
// only the last is a plan's.

// Baseline says which CrypTFlow2 to price. Zero fields take the values of the
// paper's networks: 60 bits of ring, 23 of fraction, two cross terms.
type Baseline struct {
	Ring  int // bits of its one ring
	Scale int // fraction bits: what a truncation shifts by
	Terms int // cross terms of a product by weights: 2, or 1 as only one party knows them
}

func (b Baseline) withDefaults() Baseline {
	if b.Ring == 0 {
		b.Ring = 60
	}
	if b.Scale == 0 {
		b.Scale = min(23, b.Ring/2)
	}
	if b.Terms == 0 {
		b.Terms = 2
	}
	return b
}

// LadderStep is one rung: all remedies up to and including Step.
type LadderStep struct {
	Step      string `json:"step"`
	Bytes     int64  `json:"bytes"`
	Linear    int64  `json:"linear_bytes"`
	NonLinear int64  `json:"nonlinear_bytes"`
}

// LayerCost is one operator of the network on every rung. Truncations and
// extensions around a product are non-linear, and part of its row.
type LayerCost struct {
	Name   string  `json:"name"`
	Op     string  `json:"op"`
	MACs   int64   `json:"macs"`
	Elems  int64   `json:"elements"`     // comparisons, divisions or factors of other operators
	Bytes  []int64 `json:"bytes"`        // by rung; the last is secc's own
	Linear []int64 `json:"linear_bytes"` // what of it are products
}

// Formats once widths are mixed: those of the plans that this compiler makes.
const (
	mixedRing    = 16 // activations
	mixedWeight  = 12
	mixedAcc     = mixedRing + mixedWeight
	mixedTileExt = 6 // more bits for transformed weights and their products: F(4x4,3x3) wants 6 to 8
)

// rung is a set of remedies.
type rung struct {
	oblivious
	name                string
	xop, winograd       bool
	mixed               bool
	ring, weight, input int // bits of the accumulator and of both factors
	compare             int // ring of activations
	shift               int
	terms               int
}

func (b Baseline) rungs() []rung {
	l := b.Ring
	r := rung{oblivious: oblivious{lambda}, ring: l, weight: l, input: l, compare: l, shift: b.Scale, terms: b.Terms}
	var all []rung
	step := func(name string) { r.name = name; all = append(all, r) }
	if b.Terms == 2 {
		step(fmt.Sprintf("CrypTFlow2 over OT (IKNP), %d-bit ring, two cross terms", l))
		r.terms = 1
		step("one cross term: the weights are the server's")
	} else {
		step(fmt.Sprintf("CrypTFlow2 over OT (IKNP), %d-bit ring, one cross term", l))
	}
	r.xop = true
	step("+ X-operator")
	r.winograd = true
	step("+ Winograd")
	r.mixed, r.ring, r.weight, r.input, r.compare, r.shift = true, mixedAcc, mixedWeight, mixedAcc, mixedRing, mixedWeight
	step("+ mixed widths")
	r.cot = silentBits
	step("+ silent OT")
	return all
}

// OwnStep names the last rung.
const OwnStep = "secc: this plan"

// otherSteps names the row of what no operator of the real graph accounts for.
const otherSteps = "set-up and all other steps"

// Ladder prices a network on every rung, per operator and in total. g is a real
// graph whose products by weights are convolutions; ours is the priced plan for
// the same network.
func Ladder(g *ir.Graph, b Baseline, ours *plan.Report) ([]LadderStep, []LayerCost) {
	all := layersOf(g)
	var steps []LadderStep
	for _, r := range b.withDefaults().rungs() {
		steps = append(steps, r.total(all))
	}
	layers := make([]LayerCost, len(all))
	for i, l := range all {
		layers[i] = l.LayerCost
	}
	return append(steps, ownStep(ours)), ownLayers(layers, ours)
}

// WinogradOverOT prices a network as the first rung does, but for Winograd's
// algorithm where that is cheaper.
func WinogradOverOT(g *ir.Graph, b Baseline) LadderStep {
	r := b.withDefaults().rungs()[0]
	r.winograd = true
	r.name += ", Winograd"
	return r.total(layersOf(g))
}

// layersOf describes all of a real graph that costs something.
func layersOf(g *ir.Graph) (all []*layer) {
	uses := g.Uses()
	for _, v := range g.Values {
		if l := layerOf(v, uses); l != nil {
			all = append(all, l)
		}
	}
	return all
}

// total prices layers, and adds what each costs to its own list.
func (r rung) total(layers []*layer) LadderStep {
	s := LadderStep{Step: r.name}
	for _, l := range layers {
		linear, rest := r.price(l)
		l.add(linear+rest, linear)
		s.Linear += linear
		s.NonLinear += rest
	}
	s.Bytes = s.Linear + s.NonLinear
	return s
}

func (l *LayerCost) add(bytes, linear int64) {
	l.Bytes, l.Linear = append(l.Bytes, bytes), append(l.Linear, linear)
}

// IsLinear says whether a call of a plan belongs to the linear half.
func IsLinear(o plan.OperatorCost) bool {
	return o.Protocol == plan.ProtoLinearRLWE || o.Protocol == plan.ProtoLinearOT
}

// ownStep counts set-up with the non-linear half: nearly all of it makes OTs.
func ownStep(r *plan.Report) LadderStep {
	s := LadderStep{Step: OwnStep, Bytes: r.Total.Bytes}
	for _, o := range r.Operators {
		if IsLinear(o) {
			s.Linear += o.ClientToServer + o.ServerToClient
		}
	}
	s.NonLinear = s.Bytes - s.Linear
	return s
}

// ownLayers adds the plan's own bytes, and a row for what no layer accounts for.
func ownLayers(layers []LayerCost, r *plan.Report) []LayerCost {
	type share struct{ bytes, linear int64 }
	own := map[string]share{}
	for _, o := range r.Operators {
		names := strings.Split(o.Name, ", ") // merged calls name all their steps
		for i, n := range names {
			bytes := part(o.ClientToServer+o.ServerToClient, i, len(names))
			s := own[n]
			if s.bytes += bytes; IsLinear(o) {
				s.linear += bytes
			}
			own[n] = s
		}
	}
	left := ownStep(r)
	for i := range layers {
		s := own[layers[i].Name]
		delete(own, layers[i].Name)
		layers[i].add(s.bytes, s.linear)
		left.Bytes -= s.bytes
		left.Linear -= s.linear
	}
	if len(layers) == 0 {
		return nil
	}
	rest := LayerCost{Name: otherSteps, Op: "other"}
	for range len(layers[0].Bytes) - 1 {
		rest.add(0, 0)
	}
	rest.add(left.Bytes, left.Linear)
	return append(layers, rest)
}

// part is the i-th of n nearly equal shares of some bytes.
func part(bytes int64, i, n int) int64 {
	return bytes*int64(i+1)/int64(n) - bytes*int64(i)/int64(n)
}
