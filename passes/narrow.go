package passes

import (
	"math"
	"slices"

	"secc.example/secc/ir"
)

// Functions on fewer bits. What a function costs grows with the bits of its argument and
// with those of its result, where products hardly notice them, and the ring of a network
// is as wide as its most demanding value wants. So each function gets as many fraction
// bits as keep its own noise a fixed ratio below its results, at most those that the ring
// has, and its argument is cut to the bits that it takes: dropping low bits from both
// shares into a ring that is narrower by as many is local.

// The noise that a function may add by the rounding of its argument, and again by that of
// its result: 2^-quiet of the root mean square of its results where nothing was measured
// (see noise.go), half of that for each bit of the ring beyond the first that is tried. A
// network that makes more of this noise than may be given up does not answer well in one
// ring, and so gets less of it in the next (see quieter).
const quiet = 9.5

// roundingNoise is the standard deviation of rounding by chance, in ulp.
const roundingNoise = 0.41

// evenRounding rounds bits so that variances stay what they are on average: where the excess e
// of what is wanted over what is given is as likely anywhere from evenRounding - 1 to
// evenRounding, the mean of 4^e is one.
const evenRounding = 0.443

// leastArgument is the narrowest ring of an argument.
const leastArgument = 8

// narrowable reports a function that may be computed on fewer bits than the ring has.
func (f *formats) narrowable(v *ir.Value) bool {
	if v.Op != ir.OpFunc || !f.secret[v] || f.held[v] || f.asked || f.target == TargetAccuracy || jumps(v) {
		return false
	}
	a := v.Attrs.(*ir.FuncAttrs)
	if a.Name == "square" || a.Name == "pow" && a.Alpha == 2 { // products
		return false
	}
	return f.spans[v].rms() > 0 && f.spans[v].slope > 0 && v.Type.N()*rareFunctions > f.functions
}

// rareFunctions: functions of fewer elements than one in so many of all that functions are
// taken of stay as they are. They cost next to nothing, and much depends on them: the
// deviation of a row, the sum that a softmax is divided by.
const rareFunctions = 100

// quietFrac is how many fraction bits keep the noise of a rounding low, where the result
// of v changes by slope for each unit of it.
func (f *formats) quietFrac(v *ir.Value, slope float64) int {
	bits := quiet
	if q, ok := f.quiets[v.ID]; ok { // only all together must keep to what they may add
		bits = q - evenRounding
	}
	return int(math.Ceil(math.Log2(roundingNoise*slope/f.spans[v].rms()) + bits + float64(f.quieter())))
}

// quieter is how many bits less noise functions make because answers were not good enough
// in narrower rings. What enough inputs have measured is not what these suffered from: there
// it takes rings beyond that of --target accuracy, against errors that are no noise.
func (f *formats) quieter() int {
	if len(f.quiets) > 0 && f.inputs >= enoughInputs {
		return max(min(f.grown, f.k-accurateBits), 0)
	}
	return f.grown
}

// countFunctions adds up the elements that functions are taken of.
func (f *formats) countFunctions(g *ir.Graph) {
	for _, v := range g.Values {
		if v.Op == ir.OpFunc && f.secret[v] {
			f.functions += v.Type.N()
		}
	}
}

// quieten takes fraction bits from the results of functions that have more than they
// need. Whatever shares their format must come from functions too.
func (f *formats) quieten(g *ir.Graph) {
	need, other := map[*ir.Value]int{}, map[*ir.Value]bool{}
	for _, v := range g.Values {
		r := f.root(v)
		switch n, known := need[r]; {
		case !f.secret[v] || f.late[v]:
		case f.narrowable(v):
			if q := f.quietFrac(v, 1); !known || q > n {
				need[r] = q
			}
		case f.startsFormat(v):
			other[r] = true
		}
	}
	for r, n := range need {
		if !other[r] {
			f.frac[r] = min(f.frac[r], n)
		}
	}
}

// argument gives a function its argument in the ring that it takes.
func (b *fixer) argument(v, a *ir.Value) (*ir.Value, error) {
	x, err := b.arg(v, a)
	if err != nil || ir.IsConst(a) || !b.narrowable(v) {
		return x, err
	}
	e := x.Type.Elem
	shift := max(e.Frac-b.quietFrac(v, b.spans[v].slope), 0)
	whole := 2
	if top := b.bound(a); top > 0 {
		whole += int(math.Ceil(math.Log2(top)))
	}
	bits := min(e.Bits-shift, max(whole+e.Frac-shift, leastArgument))
	if bits < leastArgument || bits == e.Bits {
		return x, nil
	}
	key := narrowKey{x, shift, bits}
	if w := b.narrow[key]; w != nil {
		return w, nil
	}
	var w *ir.Value
	if shift > 0 {
		w, err = b.out.New(ir.OpTruncate, v.Name, &ir.TruncateAttrs{Shift: shift, Bits: bits}, x)
	} else {
		w, err = b.out.New(ir.OpReduce, v.Name, &ir.BitsAttrs{Bits: bits}, x)
	}
	if err != nil {
		return nil, err
	}
	b.narrow[key], b.ranges[w], b.nonneg[w] = w, b.spans[a], b.nonneg[x]
	return w, nil
}

// narrowKey is a value with so many bits dropped, in a ring of so many.
type narrowKey struct {
	v           *ir.Value
	shift, bits int
}

// functions lists the functions of each argument whose slopes calibration measures.
func functions(g *ir.Graph, tail map[*ir.Value]bool) map[*ir.Value][]*ir.Value {
	of := map[*ir.Value][]*ir.Value{}
	for _, v := range g.Values {
		if v.Op == ir.OpFunc && !tail[v] && !jumps(v) {
			of[v.Args[0]] = append(of[v.Args[0]], v)
		}
	}
	return of
}

// slopeSamples is how many elements of an argument its function's slope is measured at.
const slopeSamples = 1 << 10

// slopeOf is the root mean square of a function's slope at some arguments: 0 where it has
// none, which leaves the function as it is.
func slopeOf(v *ir.Value, xs []float32) float64 {
	f, ok := v.Attrs.(*ir.FuncAttrs).Fixed()
	if !ok || len(xs) == 0 {
		return 0
	}
	low, high := float64(slices.Min(xs)), float64(slices.Max(xs))
	step := math.Ldexp(high-low, -10) // about what formats tell apart
	if !(step > 0) || math.IsInf(step, 0) {
		return 0
	}
	sum, n := 0.0, 0
	for i := 0; i < len(xs); i += 1 + len(xs)/slopeSamples {
		x := float64(xs[i])
		d := (f(math.Min(x+step, high)) - f(math.Max(x-step, low))) / (math.Min(x+step, high) - math.Max(x-step, low))
		sum, n = sum+d*d, n+1
	}
	if s := math.Sqrt(sum / float64(n)); !math.IsNaN(s) && !math.IsInf(s, 0) {
		return s
	}
	return 0
}
