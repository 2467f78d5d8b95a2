package passes

import (
	"math"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// Which products round exactly. Rounding by chance is within 1 of the nearest
// integer and costs nothing, and inside a network it is noise like any other. It
// is not good enough in two places: where the client gets to see it, since many
// answers to one input average to digits below the last place, and where a
// function jumps at the number that stood there before.

// exactRoundings finds the products that must round to the nearest integer.
func exactRoundings(g *ir.Graph, cfg *Config, tail map[*ir.Value]bool, spans map[*ir.Value]span) map[*ir.Value]bool {
	exact := map[*ir.Value]bool{}
	if cfg.Exact {
		for _, v := range g.Values {
			exact[v] = isProduct(v)
		}
		return exact
	}
	always := func(*ir.Value) bool { return true }
	for v := range revealedValues(g, tail) {
		_, whole := spans[v].grid.step()
		switch values := cfg.Reveal == "" || cfg.Reveal == plan.RevealValues; {
		case values && !cfg.RevealStochastic:
			roundingsBehind(v, always, exact, map[*ir.Value]bool{})
		case !values && whole: // votes: the first of equal ones wins
			roundingsBehind(v, keepsWhole, exact, map[*ir.Value]bool{})
		}
	}
	for _, v := range g.Values {
		if _, whole := jumpGrid(v, spans); jumps(v) && !whole || v.Op == ir.OpArgMax && whole {
			roundingsBehind(v.Args[0], keepsWhole, exact, map[*ir.Value]bool{})
		}
	}
	return exact
}

// revealedValues are the outputs, and what the client's own computation reads.
func revealedValues(g *ir.Graph, tail map[*ir.Value]bool) map[*ir.Value]bool {
	shown := map[*ir.Value]bool{}
	for v, read := range readers(g) {
		for _, y := range read {
			if !tail[v] && !ir.IsConst(v) && (y == nil || tail[y]) {
				shown[v] = true
			}
		}
	}
	return shown
}

// roundingsBehind marks the products that v is made of by moving, adding and
// choosing elements: where v's last place comes from. Sums of many elements are
// not looked behind.
func roundingsBehind(v *ir.Value, take func(*ir.Value) bool, exact, seen map[*ir.Value]bool) {
	if seen[v] {
		return
	}
	seen[v] = true
	switch v.Op {
	case ir.OpConv, ir.OpMul, ir.OpMatMul:
		exact[v] = exact[v] || take(v)
	case ir.OpReshape, ir.OpTranspose, ir.OpConcat, ir.OpSlice, ir.OpPad, ir.OpGather, ir.OpExpand,
		ir.OpAdd, ir.OpSub, ir.OpNeg, ir.OpRelu, ir.OpClip, ir.OpMax, ir.OpMin, ir.OpAbs:
		for _, a := range v.Args {
			roundingsBehind(a, take, exact, seen)
		}
	}
}

// wholeBits: weights that are multiples of 2^-wholeBits are kept by every format.
const wholeBits = 6

// keepsWhole reports a product that makes numbers with few binary digits of such
// numbers: exactly rounded they are what they were. Of other products nothing
// exact comes anyway.
func keepsWhole(v *ir.Value) bool {
	if v.Op != ir.OpConv {
		return true
	}
	for _, w := range data(v.Args[1]) {
		if x := math.Ldexp(float64(w), wholeBits); x != math.Trunc(x) {
			return false
		}
	}
	return true
}

// jumps reports an elementwise function that is constant but for jumps.
func jumps(v *ir.Value) bool {
	if v.Op != ir.OpFunc {
		return false
	}
	switch v.Attrs.(*ir.FuncAttrs).Name {
	case "step", "sign", "is_zero", "floor", "ceil", "round", "trunc":
		return true
	}
	return false
}

// jumpGrid is the grid that the argument of a function with jumps keeps to.
func jumpGrid(v *ir.Value, spans map[*ir.Value]span) (step float64, ok bool) {
	if !jumps(v) {
		return 0, false
	}
	return spans[v.Args[0]].grid.step()
}

// grid is what calibration saw of a value that may only take multiples of one
// over a small number, such as whole numbers.
type grid struct {
	fits    uint64    // bit d-1: all elements are multiples of 1/d
	nonzero bool      // one of them is not zero
	parts   []float64 // some different elements that are not whole
}

const (
	gridMost  = 1 << 20 // larger multiples tell nothing: float32 ends
	gridError = 1e-3    // of a step, for what float32 loses
	gridParts = 8       // different fractions that it takes to believe in steps below 1
)

// gridOf looks at one tensor.
func gridOf(xs []float32) grid {
	g := grid{fits: math.MaxUint64}
	for _, x := range xs {
		if g.add(float64(x)); g.fits == 0 {
			break
		}
	}
	return g
}

func (g *grid) add(x float64) {
	if x == 0 {
		return
	}
	g.nonzero = true
	if multiple(x, 1) { // of all others too
		return
	}
	g.part(x)
	for d := 1; d <= 64; d++ {
		if !multiple(x, d) {
			g.fits &^= 1 << (d - 1)
		}
	}
}

func (g *grid) part(x float64) {
	for _, y := range g.parts {
		if y == x {
			return
		}
	}
	if len(g.parts) < gridParts {
		g.parts = append(g.parts, x)
	}
}

// multiple reports a multiple of 1/d.
func multiple(x float64, d int) bool {
	x *= float64(d)
	return math.Abs(x) < gridMost && math.Abs(x-math.Round(x)) < gridError
}

// with puts together what two sets of inputs show.
func (g grid) with(h grid) grid {
	sum := grid{fits: g.fits & h.fits, nonzero: g.nonzero || h.nonzero}
	for _, x := range append(append([]float64{}, g.parts...), h.parts...) {
		sum.part(x)
	}
	return sum
}

// step is the largest step that all elements are multiples of, if there is
// reason to believe that it is no chance.
func (g grid) step() (float64, bool) {
	if g.fits == 0 || !g.nonzero {
		return 0, false
	}
	d := 1
	for g.fits>>(d-1)&1 == 0 {
		d++
	}
	if d > 1 && len(g.parts) < gridParts {
		return 0, false
	}
	return 1 / float64(d), true
}

// onGrids finds the values whose grid matters: what functions with jumps and
// choices among equals read.
func onGrids(g *ir.Graph, tail map[*ir.Value]bool) map[*ir.Value]bool {
	watched := revealedValues(g, tail)
	for _, v := range g.Values {
		if jumps(v) || v.Op == ir.OpArgMax {
			watched[v.Args[0]] = true
		}
	}
	return watched
}
