package passes

import (
	"fmt"
	"math"
	"slices"

	"secc.example/secc/ir"
)

// span is what calibration saw of a value: the smallest and largest element,
// the largest magnitude in each calibration input, the number of elements, and
// the sum of their squares.
type span struct {
	lo, hi  float64
	maxima  []float64
	n       int
	squares float64
	grid    grid    // where it matters
	slope   float64 // of a function, at what it was taken of: the root mean square, of the input where it is largest
}

func (s span) abs() float64 { return math.Max(-s.lo, s.hi) }

func (s span) rms() float64 { return math.Sqrt(s.squares / float64(max(s.n, 1))) }

// The rounding of a convolution's weights to integers may add this much noise,
// as a standard deviation in ulp of the result; the protocol itself adds 0.42.
const weightNoise = 0.5

// maxNorm bounds the l2 norm of a filter in integers: 2^maxNorm. Beyond it the
// linear protocol has no room for its own noise.
const maxNorm = 19

// exactRoom bounds the norm's exponent and the accumulator's bits together
// where rounding is exact.
const exactRoom = 39

// slopeBits is the fraction bits of the negative side's slopes.
const slopeBits = 12

// maxRing is the widest accumulator.
const maxRing = 48

// formats is what scale solves for before it rewrites.
type formats struct {
	k         int
	grown     int // Config.grown
	margin    map[*ir.Value]float64
	exact     map[*ir.Value]bool // products that round exactly
	asked     bool               // because the user wants all of them to
	rough     []string           // nodes whose answers round by chance, for lack of room
	target    Target
	spans     map[*ir.Value]span
	functions int                     // elements that functions are taken of
	quiets    quiets                  // how quiet they must be, where that was measured
	inputs    int                     // calibration inputs
	secret    map[*ir.Value]bool      // has a format: computed before anything is revealed
	parent    map[*ir.Value]*ir.Value // union-find: values that share one format
	frac      map[*ir.Value]int       // by root
	held      map[*ir.Value]bool      // the client computes it alone, from its input
	wideIn    map[*ir.Value]int       // by root: rings of what only the client holds
	summed    map[*ir.Value]bool      // sums that have a format of their own
	late      map[*ir.Value]bool      // sums made in the wide ring, because they would cost too much precision in the narrow one
	weight    map[*ir.Value]int       // fraction bits of an operator's weights
	tiles     map[*ir.Value]tileBits  // of a convolution by Winograd's algorithm: those of each place
	digits    map[*ir.Value]digits    // of one whose weights are cut
}

func (f *formats) root(v *ir.Value) *ir.Value {
	for f.parent[v] != nil {
		v = f.parent[v]
	}
	return v
}

func (f *formats) join(a, b *ir.Value) {
	if a, b = f.root(a), f.root(b); a != b {
		f.parent[b] = a
	}
}

// bound is how large a value may become: the calibrated range and its margin.
func (f *formats) bound(v *ir.Value) float64 { return f.spans[v].abs() * f.margin[v] }

// setMargins gives every value the margin it needs.
func (f *formats) setMargins(g *ir.Graph, cfg *Config) {
	count := 0
	for _, v := range g.Values {
		if f.secret[v] {
			count++
		}
	}
	for _, v := range g.Values {
		if f.margin[v] = cfg.Margin; cfg.Margin == 0 {
			f.margin[v] = f.spans[v].margin(count, cfg.Overflow)
		}
	}
}

func (f *formats) fracOf(v *ir.Value) int { return f.frac[f.root(v)] }

// shift is what a product with weights shifts its accumulator by.
func (f *formats) shift(v *ir.Value) int {
	return f.fracOf(v.Args[0]) + f.weight[v] - f.fracOf(v)
}

// ring is the ring of a product's accumulator.
func (f *formats) ring(v *ir.Value) int { return f.k + f.shift(v) }

// startsFormat reports operators whose result may have any format; all others
// share the format of their arguments.
func (f *formats) startsFormat(v *ir.Value) bool {
	if f.summed[v] {
		return true
	}
	switch v.Op {
	case ir.OpInput, ir.OpConst, ir.OpConv, ir.OpMul, ir.OpMatMul, ir.OpFunc, ir.OpArgMax:
		return true
	}
	return false
}

// share joins values that must have one format.
func (f *formats) share(g *ir.Graph) {
	for _, v := range g.Values {
		if !f.secret[v] || f.startsFormat(v) {
			continue
		}
		for _, a := range v.Args {
			if f.secret[a] {
				f.join(v, a)
			}
		}
	}
}

// solve picks the formats. Every group of values that must share one gets as
// many fraction bits as its largest value leaves room for; a product cannot have
// more than its accumulator.
func (f *formats) solve(g *ir.Graph) error {
	f.findSums(g)
	f.share(g)
	f.findWide(g)
	f.findLate(g)
	if err := f.fill(g); err != nil {
		return err
	}
	f.quieten(g)
	for changed := true; changed; { // fractions only go down, and not below zero in sum: it ends
		changed = false
		for _, v := range g.Values {
			changed = f.settleWhole(v) || f.settleSum(v) || changed
			if !f.secret[v] || !isProduct(v) {
				continue
			}
			if err := f.weigh(v); err != nil {
				return err
			}
			if s := f.shift(v); s < 0 {
				f.frac[f.root(v)] += s
				changed = true
			}
		}
	}
	return nil
}

func isProduct(v *ir.Value) bool { return v.Op == ir.OpConv || secretProduct(v) || v.Op == ir.OpPRelu }

// secretProduct reports a product of two secrets.
func secretProduct(v *ir.Value) bool { return v.Op == ir.OpMul || v.Op == ir.OpMatMul }

// findHeld marks what the client computes by itself: inputs, and local operators
// on them and on public constants.
func (f *formats) findHeld(g *ir.Graph) {
	for _, v := range g.Values {
		info, _ := ir.Lookup(v.Op)
		f.held[v] = f.secret[v] && (v.Op == ir.OpInput || info.Class == ir.Local && !slices.ContainsFunc(v.Args, func(a *ir.Value) bool {
			return !f.held[a] && a.Type.Holder != ir.Public
		}))
	}
}

// What the client holds alone may lie in a wider ring, for nothing: it shares it
// as (0, x). Between the client and convolutions some bits more are of use;
// what it only gives back to itself keeps all its precision.
const (
	heldExtra = 4
	heldBits  = 40
)

// findWide gives groups that only the client and convolutions see a wider ring.
func (f *formats) findWide(g *ir.Graph) {
	read := readers(g)
	for _, v := range g.Values {
		if !f.secret[v] {
			continue
		}
		bits := heldBits
		for _, y := range read[v] {
			switch {
			case y == nil || !f.secret[y] || f.held[y]:
			case y.Op == ir.OpConv && (!f.exact[y] || tileOf(y) != nil): // exactness has no room for more
				bits = min(bits, f.k+heldExtra)
			default:
				bits = f.k
			}
		}
		if !f.held[v] {
			bits = f.k
		}
		r := f.root(v)
		if old, ok := f.wideIn[r]; !ok || bits < old {
			f.wideIn[r] = bits
		}
	}
}

// ringOf is the ring that a value's format is made for.
func (f *formats) ringOf(v *ir.Value) int { return f.wideIn[f.root(v)] }

// fill sets each group's fraction from the largest value in it.
func (f *formats) fill(g *ir.Graph) error {
	biggest := map[*ir.Value]*ir.Value{}
	for _, v := range g.Values {
		if !f.secret[v] || f.late[v] {
			continue
		}
		if b := f.spans[v].abs(); math.IsNaN(b) || math.IsInf(b, 0) {
			return refusal(v, "calibration makes it infinite or not a number")
		}
		r := f.root(v)
		if biggest[r] == nil || f.bound(v) > f.bound(biggest[r]) {
			biggest[r] = v
		}
	}
	for r, v := range biggest {
		n := fracFor(f.ringOf(v), f.bound(v))
		if n < leastFrac {
			return refusal(v, "values up to %g do not fit %d bits", f.spans[v].abs(), f.k)
		}
		f.frac[r] = n
	}
	for _, v := range g.Values { // indices are integers, whoever shares their format
		if f.secret[v] && v.Op == ir.OpArgMax {
			f.frac[f.root(v)] = 0
		}
	}
	return nil
}

// Fraction bits: float32 has no more to give than mostFrac, and values beyond
// 2^-leastFrac are a mistake (networks with made-up weights do reach 2^80).
const (
	mostFrac  = 24
	leastFrac = -150
)

// fracFor is the largest f with x * 2^f <= 2^(k-2). Of a value that is always
// zero nothing is known; it is treated as at most 1.
func fracFor(k int, x float64) int {
	if x == 0 {
		x = 1
	}
	return min(k-2-int(math.Ceil(math.Log2(x))), mostFrac)
}

// weigh picks the fraction bits of a product's constants.
func (f *formats) weigh(v *ir.Value) error {
	switch v.Op {
	case ir.OpMul, ir.OpMatMul:
		f.weight[v] = f.fracOf(v.Args[1])
		return nil
	case ir.OpPRelu:
		_, err := filterNorm(v)
		if err == nil && steep(v) {
			err = fmt.Errorf("node %q: BUG: a slope is not in (-2, 2]", v.Name)
		}
		f.weight[v] = slopeBits
		return err
	}
	norm, err := filterNorm(v)
	if err != nil {
		return err
	}
	if k := tileOf(v); k != nil {
		f.weight[v] = f.tileWeightBits(v, k)
		return nil
	}
	f.weight[v] = f.weightBits(v, norm)
	return nil
}

// weightBits is as few fraction bits as keep the noise of rounded weights to
// weightNoise: rounding is off by 2^-s/sqrt(12) a weight, times the input. The
// norm of a filter and the width of the accumulator bound it from above.
func (f *formats) weightBits(v *ir.Value, norm float64) int {
	shape := v.Args[1].Type.Shape
	fan := float64(ir.Numel(shape[1:]))
	noise := f.spans[v.Args[0]].rms() * math.Sqrt(fan/12)
	s := f.fracOf(v)
	if noise > 0 {
		s += int(math.Ceil(math.Log2(noise / weightNoise)))
	}
	s = max(s, f.fracOf(v)-f.fracOf(v.Args[0])) // a shift is not negative
	if norm > 0 {
		n := int(math.Ceil(math.Log2(norm)))
		s = min(s, maxNorm-n)
		base := f.k + f.fracOf(v.Args[0]) - f.fracOf(v)
		s = f.exactWeightBits(v, s, (exactRoom-base-n)/2, base)
	}
	return min(s, maxRing-f.k-f.fracOf(v.Args[0])+f.fracOf(v))
}

// fewWeightBits is how many fraction bits weights give up for answers that round exactly
// before they are cut into digits: no answer suffers from so many. The last layers of
// networks in 16 bits give up 1 to 4.
const fewWeightBits = 4

// exactWeightBits bounds the fraction bits of a product that rounds exactly, which
// is re-shared in the whole accumulator; base bits of that are not the weights'. Where
// not even digits have room there, it rounds by chance, unless the user asked for exactness.
func (f *formats) exactWeightBits(v *ir.Value, want, room, base int) int {
	delete(f.digits, v)
	if !f.exact[v] {
		return want
	}
	if want-room <= fewWeightBits {
		return min(want, room)
	}
	filters := v.Args[1].Type.Shape[0]
	spare := min(max(f.k-firstBits, 0), fewWeightBits) // a last place counts the less the more there are
	if s, d, ok := cut(data(v.Args[1]), filters, want, want-fewWeightBits/2-spare, want-fewWeightBits-spare, base); ok {
		f.digits[v] = d
		return s
	}
	if f.asked {
		return min(want, room)
	}
	delete(f.exact, v)
	f.rough = append(f.rough, v.Name)
	return want
}

// filterNorm is the largest l2 norm of a filter (or the largest slope).
func filterNorm(v *ir.Value) (float64, error) {
	w := data(v.Args[1])
	filters := len(w)
	if v.Op == ir.OpConv {
		filters = v.Args[1].Type.Shape[0]
	}
	largest := 0.0
	for o := range filters {
		sum := 0.0
		for _, x := range w[o*len(w)/filters : (o+1)*len(w)/filters] {
			sum += float64(x) * float64(x)
		}
		if math.IsNaN(sum) || math.IsInf(sum, 0) {
			return 0, nonFinite(v.Name, v.Args[1].Name)
		}
		largest = math.Max(largest, math.Sqrt(sum))
	}
	return largest, nil
}

func nonFinite(node, tensor string) error {
	return fmt.Errorf("node %q: tensor %q holds a value that is infinite or not a number", node, tensor)
}

// findLate marks sums (and reshapes of them) that are better made after the
// extension to a wider ring: their range would take more than one bit from
// everything that shares their format, and only convolutions or the client read them.
func (f *formats) findLate(g *ir.Graph) {
	r := readers(g)
	for _, v := range slices.Backward(g.Values) {
		if !f.secret[v] || !slices.Contains([]ir.Op{ir.OpSumPool, ir.OpSum, ir.OpReshape, ir.OpTranspose}, v.Op) {
			continue
		}
		f.late[v] = !slices.ContainsFunc(r[v], func(y *ir.Value) bool {
			return y != nil && f.secret[y] && !f.late[y] && y.Op != ir.OpConv
		})
	}
	for _, v := range g.Values { // of these keep what is or follows a costly sum
		if !f.late[v] {
			continue
		}
		a := v.Args[0]
		costly := (v.Op == ir.OpSumPool || v.Op == ir.OpSum) && f.bound(v) > 2*f.groupBound(g, a)
		f.late[v] = costly || f.late[a]
	}
}

// outRing is the ring in which a late value is revealed.
func (f *formats) outRing(v *ir.Value) int {
	return max(f.k, 2+f.fracOf(v)+int(math.Ceil(math.Log2(f.bound(v)))))
}

// groupBound is the largest bound among values that share a's format and are not late.
func (f *formats) groupBound(g *ir.Graph, a *ir.Value) float64 {
	x := 0.0
	for _, v := range g.Values {
		if f.secret[v] && !f.late[v] && f.root(v) == f.root(a) {
			x = math.Max(x, f.bound(v))
		}
	}
	return x
}
