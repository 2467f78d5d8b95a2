package ir

import (
	"math"

	"secc.example/secc/ir/num"
)

// The meaning of every operator in fixed point. Arguments are signed
// representatives in their rings; results are written without wrapping (mod
// 2^64 at most): settle brings them into theirs and counts what does not fit.

func fixedStructural(_ *simulation, v *Value, in [][]int64, out []int64) {
	var fill int64
	if a, ok := v.Attrs.(*PadAttrs); ok {
		fill = v.Type.Elem.Quantize(a.Value)
	}
	evalStructural(v, in, out, fill)
}

func fixedIdentity(_ *simulation, _ *Value, in [][]int64, out []int64) { copy(out, in[0]) }

func fixedAdd(_ *simulation, v *Value, in [][]int64, out []int64) { sum(v, in, out, 1) }

func fixedSub(_ *simulation, v *Value, in [][]int64, out []int64) { sum(v, in, out, -1) }

func fixedNeg(_ *simulation, _ *Value, in [][]int64, out []int64) {
	for i, x := range in[0] {
		out[i] = -x
	}
}

func fixedSum(_ *simulation, v *Value, in [][]int64, out []int64) {
	foldAxes(v, in[0], out, num.Sum)
}

func fixedSumPool(_ *simulation, v *Value, in [][]int64, out []int64) {
	foldWindows(v, in[0], out, num.Sum)
}

// microInt is the fastest kernel for a product's arguments.
func microInt(v *Value, in [][]int64) num.Micro[int64] {
	return num.MicroInt(func() bool { return fits32(v.Args[0], in[0]) && fits32(v.Args[1], in[1]) })
}

func fits32(v *Value, x []int64) bool {
	if v.Type.Elem.Bits <= 32 {
		return true
	}
	var bad int64
	for _, y := range x {
		bad |= y ^ int64(int32(y))
	}
	return bad == 0
}

func fixedConv(s *simulation, v *Value, in [][]int64, out []int64) {
	fillBias(v, in, out)
	mk := microInt(v, in)
	evalConv(v, in, out, mk, s.opt.Weights.of(v, in[1], mk.Rows), s.workers)
	if v.wrapsInside(in) {
		for i, x := range out {
			out[i] = Wrap(x, v.Args[0].Type.Elem.Bits)
		}
	}
	s.shift(v, out, v.Attrs.(*ConvAttrs).LinearAttrs)
}

func fixedMatMul(s *simulation, v *Value, in [][]int64, out []int64) {
	fillBias(v, in, out)
	evalMatMul(v, in, out, microInt(v, in), s.workers)
	s.shift(v, out, *v.Attrs.(*LinearAttrs))
}

func fixedMul(s *simulation, v *Value, in [][]int64, out []int64) {
	elementwise(v, in, out, func(a, b int64) int64 { return a * b })
	s.shift(v, out, *v.Attrs.(*LinearAttrs))
}

func fixedBatchNorm(s *simulation, v *Value, in [][]int64, out []int64) {
	c, inner := v.Type.Shape[1], Numel(v.Type.Shape[2:])
	for i, x := range in[0] {
		ch := i / inner % c
		out[i] = x*in[1][ch] + in[2][ch]
	}
	s.shift(v, out, *v.Attrs.(*LinearAttrs))
}

func fixedTruncate(s *simulation, v *Value, in [][]int64, out []int64) {
	a := v.Attrs.(*TruncateAttrs)
	copy(out, in[0])
	s.shift(v, out, LinearAttrs{a.Shift, a.Exact})
}

// shift rounds accumulators to the result's ulp.
func (s *simulation) shift(v *Value, acc []int64, a LinearAttrs) {
	if a.Exact || s.opt.Rounding == Nearest {
		if a.Shift > 0 {
			half := int64(1) << (a.Shift - 1)
			for i, x := range acc {
				acc[i] = (x + half) >> a.Shift
			}
		}
		return
	}
	noise := s.opt.Noise
	if matrices := v.Op == OpMatMul && a.Shift > 0; !matrices && (len(v.Args) < 2 || !IsConst(v.Args[0]) && !IsConst(v.Args[1])) {
		noise = 0 // not an RLWE response
	}
	r := num.Rounding{Draw: s.stream(v, 0), Shift: a.Shift, Scale: math.Ldexp(1, -a.Shift), Noise: max(noise, 0)}
	num.Parallel(len(acc), s.workers, func(lo, hi int) { r.Round(acc[lo:hi], lo) })
}

// stream gives the randomness of value v; use tells apart several of one value.
func (s *simulation) stream(v *Value, use int) num.Stream {
	return num.Stream(num.Mix(s.opt.Seed ^ num.Mix(uint64(v.ID)<<8|uint64(use))))
}

func (s *simulation) signer(v *Value, a CompareAttrs, use int) num.Signer {
	random := s.opt.Rounding == Stochastic && a.Lo > 0 && v.Args[0].Type.Holder == Shared
	return num.Signer{Lo: a.Lo, Hi: a.High(v.Args[0].Type.Elem), Random: random, Draw: s.stream(v, use)}
}

// signBlock is how many signs are computed at a time: they stay in the cache.
const signBlock = 512

// signBlocks calls f with the bounds of each block of n elements.
func signBlocks(n int, f func(lo, hi int)) {
	for lo := 0; lo < n; lo += signBlock {
		f(lo, min(lo+signBlock, n))
	}
}

func fixedRelu(s *simulation, v *Value, in [][]int64, out []int64) {
	sign := s.signer(v, *v.Attrs.(*CompareAttrs), 0)
	var negative [signBlock]int64
	signBlocks(len(out), func(lo, hi int) {
		sign.Negatives(negative[:hi-lo], in[0][lo:hi], lo, 1)
		if len(in) == 2 {
			flip(negative[:hi-lo], in[1], lo, v.Type.Shape)
		}
		for i, x := range in[0][lo:hi] {
			out[lo+i] = x &^ negative[i]
		}
	})
}

// flip inverts the signs of channels whose flag is set; from is the number of
// the first element.
func flip(negative, flags []int64, from int, shape []int) {
	c, inner := shape[1], Numel(shape[2:])
	for i := range negative {
		if flags[(from+i)/inner%c] != 0 {
			negative[i] = ^negative[i]
		}
	}
}

func fixedPRelu(s *simulation, v *Value, in [][]int64, out []int64) {
	a := v.Attrs.(*PReluAttrs)
	sign := s.signer(v, a.CompareAttrs, 1)
	slope := spread(v.Type.Shape, in[1], v.Args[1].Type.Shape)
	one := int64(1) << max(0, v.Args[1].Type.Elem.Frac)
	for i, x := range in[0] {
		if sign.Positive(i, x) {
			out[i] = x * one
		} else {
			out[i] = x * slope[i]
		}
	}
	s.shift(v, out, a.LinearAttrs)
}

// fixedClip with two bounds compares with both at once and picks by the two
// bits; with one it is a relu of the distance to it.
func fixedClip(s *simulation, v *Value, in [][]int64, out []int64) {
	a := v.Attrs.(*ClipAttrs)
	low, high, hasLow, hasHigh := a.Bounds(v.Type.Elem)
	first, second := s.signer(v, a.CompareAttrs, 0), s.signer(v, a.CompareAttrs, 1)
	if !hasLow && !hasHigh {
		copy(out, in[0])
		return
	}
	var from, under, below [signBlock]int64 // distances, and whether they are negative
	signBlocks(len(out), func(lo, hi int) {
		x, y, d := in[0][lo:hi], out[lo:hi], from[:hi-lo]
		switch {
		case !hasLow:
			distance(d, x, high, -1)
			first.Negatives(under[:hi-lo], d, lo, 1)
			for i, n := range under[:hi-lo] {
				y[i] = high - d[i]&^n
			}
			return
		case hasHigh:
			distance(d, x, high, 1)
			second.Negatives(below[:hi-lo], d, lo, 1)
		}
		distance(d, x, low, 1)
		first.Negatives(under[:hi-lo], d, lo, 1)
		for i, n := range under[:hi-lo] {
			if y[i] = low + d[i]&^n; hasHigh {
				above := ^below[i]
				y[i] = low + d[i]&(^n^above) + (high-low)&above
			}
		}
	})
}

// distance writes sign*(x - bound).
func distance(out, x []int64, bound, sign int64) {
	for i, y := range x {
		out[i] = sign * (y - bound)
	}
}

// fixedMax is b + relu(a-b), fixedMin a - relu(a-b), fixedAbs 2 relu(x) - x.
func fixedMax(s *simulation, v *Value, in [][]int64, out []int64) {
	fixedSub(s, v, in, out)
	b := spread(v.Type.Shape, in[1], v.Args[1].Type.Shape)
	s.reluPart(v, out)
	for i := range out {
		out[i] += b[i]
	}
}

func fixedMin(s *simulation, v *Value, in [][]int64, out []int64) {
	fixedSub(s, v, in, out)
	a := spread(v.Type.Shape, in[0], v.Args[0].Type.Shape)
	s.reluPart(v, out)
	for i := range out {
		out[i] = a[i] - out[i]
	}
}

func fixedAbs(s *simulation, v *Value, in [][]int64, out []int64) {
	copy(out, in[0])
	s.reluPart(v, out)
	for i := range out {
		out[i] = 2*out[i] - in[0][i]
	}
}

func (s *simulation) reluPart(v *Value, x []int64) {
	sign := s.signer(v, *v.Attrs.(*CompareAttrs), 0)
	var negative [signBlock]int64
	signBlocks(len(x), func(lo, hi int) {
		sign.Negatives(negative[:hi-lo], x[lo:hi], lo, 1)
		for i := range x[lo:hi] {
			x[lo+i] &^= negative[i]
		}
	})
}

// maximum is the fold to the maximum as the protocol computes it, for a
// tournament whose comparisons each draw their own sharing, from number 1.
func (s *simulation) maximum(v *Value, a CompareAttrs) num.Fold[int64] {
	sign := s.signer(v, a, 0)
	if !sign.Random && sign.Hi == v.Type.Elem.Bits {
		return func(acc, x []int64, step, _, _ int) {
			for i, y := range acc {
				acc[i] = max(y, x[i*step])
			}
		}
	}
	var other, negative [signBlock]int64
	return func(acc, x []int64, step, n, dn int) {
		signBlocks(len(acc), func(lo, hi int) {
			ahead, less, from := other[:hi-lo], negative[:hi-lo], acc[lo:hi]
			for i, y := range from {
				ahead[i] = y - x[(lo+i)*step]
			}
			sign.Negatives(less, ahead, n+lo*dn+1, dn)
			for i, d := range ahead {
				from[i] -= d & less[i]
			}
		})
	}
}

func fixedMaxPool(s *simulation, v *Value, in [][]int64, out []int64) {
	foldWindows(v, in[0], out, s.maximum(v, v.Attrs.(*PoolAttrs).CompareAttrs))
}

func fixedReduceMax(s *simulation, v *Value, in [][]int64, out []int64) {
	foldAxes(v, in[0], out, s.maximum(v, v.Attrs.(*ReduceAttrs).CompareAttrs))
}

func fixedArgMax(s *simulation, v *Value, in [][]int64, out []int64) {
	a := v.Attrs.(*ReduceAttrs)
	sign, n := s.signer(v, a.CompareAttrs, 0), 0
	argMax(v, in[0], out, func(x, best int64) bool {
		n++
		if a.Last {
			return sign.Positive(n, x-best)
		}
		return !sign.Positive(n, best-x)
	})
}

// fixedFunc rounds the real function to the result's format: to the nearest or, as
// lines on shares do, by chance, up the likelier the nearer. It saturates. The error of
// the lines themselves, which a plan states, is not drawn.
func fixedFunc(s *simulation, v *Value, in [][]int64, out []int64) {
	a, e := v.Attrs.(*FuncAttrs), v.Args[0].Type.Elem
	f, _ := a.Fixed()
	draw, random := s.stream(v, 0), s.opt.Rounding == Stochastic && v.Args[0].Type.Holder == Shared
	ulp := math.Ldexp(1, -a.Out.Frac)
	num.Parallel(len(out), s.workers, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			y := f(e.Real(in[0][i]))
			if random { // nearest of a number up to half an ulp away: one that the format has stays
				y += ulp * (math.Ldexp(float64(draw.At(i)>>12), -52) - 0.5 + math.Ldexp(1, -53))
			}
			out[i] = a.Out.Quantize(y)
		}
	})
}

// fixedExtend keeps the value while the promise holds. Beyond it, the protocol's
// wrap bit depends on the sharing.
func fixedExtend(s *simulation, v *Value, in [][]int64, out []int64) {
	copy(out, in[0])
	k := v.Args[0].Type.Elem.Bits
	if s.opt.Rounding == Nearest || v.Args[0].Type.Holder != Shared || k > 62 {
		return
	}
	offset := int64(1) << max(0, k-2)
	if v.Attrs.(*ExtendAttrs).NonNeg || k < 2 {
		offset = 0
	}
	draw, mask := s.stream(v, 0), int64(1)<<k-1
	var outside int64
	for _, x := range in[0] {
		outside |= x + offset
	}
	if outside>>(k-1)&1 == 0 {
		return
	}
	for i, x := range in[0] {
		y := (x + offset) & mask
		if y>>(k-1) == 0 {
			continue
		}
		server := int64(draw.At(i)) & mask
		client := (y - server) & mask
		out[i] = server + client - offset
		if (server|client)>>(k-1) != 0 {
			out[i] -= int64(1) << k
		}
	}
}
