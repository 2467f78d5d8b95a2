package passes

import (
	"math"
	"slices"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// A product that rounds exactly is re-shared in the whole accumulator, where its noise,
// which grows with the norm of a filter, must stay below half a unit. Filters of many bits
// have no room there. Their digits have: w = sum_d w_d 2^(bd) with digits of b bits is D
// filters for one, whose products are exact modulo the accumulator's ring, and are
// shifted and added on the shares before they are rounded.

// digits is how the weights of a product are cut: so many of so many bits, the last of
// which takes what is left. None: they stay whole.
type digits struct{ count, bits int }

// A digit's norm and the accumulator's bits have room together for up to digitRoom bits. A
// bit less is up to four times fewer bytes, as weight polynomials hold filters for as many
// results as their noise allows; below leastRoom nothing is left to gain. Some bits of the
// weights may go for having cheapRoom.
const (
	leastRoom  = 36
	cheapRoom  = 38
	digitRoom  = 41
	mostDigits = 8
	fewFilters = 128
)

// cut finds how many fraction bits, from want down to least, weights may have so that few
// digits of them have room in an accumulator of base more bits. Where there are more than
// few filters, bytes count for more than bits.
func cut(w []float32, filters, want, fair, least, base int) (s int, d digits, ok bool) {
	tries := [][2]int{{fair, cheapRoom}, {least, cheapRoom + 1}, {fair, digitRoom}, {least, digitRoom}}
	if filters <= fewFilters {
		tries = tries[2:]
	}
	for _, try := range tries {
		for s = want; s >= try[0]; s-- {
			for room := leastRoom; room <= try[1]; room++ {
				if d, ok := cutTo(w, filters, s, room-base-s); ok {
					return s, d, true
				}
			}
		}
	}
	return 0, digits{}, false
}

// cutTo finds the fewest digits of weights of s fraction bits within a norm's exponent.
func cutTo(w []float32, filters, s, norm int) (digits, bool) {
	if norm < plan.DigitNorm {
		return digits{}, false
	}
	ints := rounded(w, s)
	for bits := norm; bits > 0; bits-- {
		if n := countDigits(ints, filters, bits, math.Exp2(float64(norm))); n > 0 {
			return digits{n, bits}, true
		}
	}
	return digits{}, false
}

func rounded(w []float32, s int) []int64 {
	ints := make([]int64, len(w))
	for i, x := range w {
		ints[i] = int64(math.Round(math.Ldexp(float64(x), s)))
	}
	return ints
}

// countDigits is how many digits of so many bits the weights have whose filters stay
// within a norm; 0 if those of a lower digit do not, or they are too many.
func countDigits(ints []int64, filters, bits int, norm float64) int {
	rest := slices.Clone(ints)
	for n := 1; n <= mostDigits; n++ {
		if plan.LargestNorm(rest, filters) <= norm {
			return n
		}
		low := make([]int64, len(rest))
		for i, x := range rest {
			low[i], rest[i] = lowDigit(x, bits)
		}
		if plan.LargestNorm(low, filters) > norm {
			return 0
		}
	}
	return 0
}

// lowDigit takes the lowest digit off: x = low + 2^bits*rest with low in [-2^(bits-1), 2^(bits-1)).
func lowDigit(x int64, bits int) (low, rest int64) {
	low = ir.Wrap(x, bits)
	return low, (x - low) >> bits
}

// split is the filters of all digits, lowest first, group by group.
func (d digits) split(ints []int64, groups int) []int64 {
	all, size := make([]int64, 0, d.count*len(ints)), len(ints)/groups
	for g := range groups {
		rest := slices.Clone(ints[g*size : (g+1)*size])
		for n := range d.count {
			digit := slices.Clone(rest)
			for i := range rest {
				if n+1 < d.count {
					digit[i], rest[i] = lowDigit(rest[i], d.bits)
				}
			}
			all = append(all, digit...)
		}
	}
	return all
}

// byDigits builds a convolution that rounds exactly from the products of its weights' digits.
func (b *fixer) byDigits(v *ir.Value, d digits) (*ir.Value, error) {
	a, s := *v.Attrs.(*ir.ConvAttrs), b.weight[v]
	x, err := b.inRing(v.Args[0], b.ring(v), v.Name)
	if err != nil {
		return nil, err
	}
	w, err := b.fixConst(v.Args[1], ir.Elem{Bits: maxNorm + 2, Frac: s}, v.Name)
	if err != nil {
		return nil, err
	}
	shape, groups := slices.Clone(w.Type.Shape), max(a.Group, 1)
	shape[0] *= d.count
	kernel, err := b.out.FixedConst(v.Args[1].Name, shape, w.Type.Elem, d.split(w.Attrs.(*ir.ConstAttrs).Ints, groups), v.Args[1].Type.Holder)
	if err != nil {
		return nil, err
	}
	a.Shift, a.Exact = 0, true
	if x, err = b.out.New(ir.OpConv, v.Name, &a, x, kernel); err != nil {
		return nil, err
	}
	if x, err = b.weighed(v.Name, x, d, groups); err != nil {
		return nil, err
	}
	return b.finished(v, x)
}

// weighed adds up the products of digits, each by what its digit counts.
func (b *fixer) weighed(name string, x *ir.Value, d digits, groups int) (sum *ir.Value, err error) {
	each := x.Type.Shape[1] / d.count / groups
	for n := d.count - 1; n >= 0; n-- {
		of := make([]int, 0, each*groups)
		for g := range groups {
			for i := range each {
				of = append(of, (g*d.count+n)*each+i)
			}
		}
		digit, err := b.out.New(ir.OpGather, name, &ir.GatherAttrs{Axis: 1, Index: of}, x)
		if err != nil {
			return nil, err
		}
		if sum == nil {
			sum = digit
			continue
		}
		for range d.bits {
			if sum, err = b.out.New(ir.OpAdd, name, nil, sum, sum); err != nil {
				return nil, err
			}
		}
		if sum, err = b.out.New(ir.OpAdd, name, nil, sum, digit); err != nil {
			return nil, err
		}
	}
	return sum, nil
}
