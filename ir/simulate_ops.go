package ir

import "math"

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

func fixedAdd(_ *simulation, v *Value, in [][]int64, out []int64) { elementwise(v, in, out, plus) }

func fixedSub(_ *simulation, v *Value, in [][]int64, out []int64) { elementwise(v, in, out, minus) }

func fixedNeg(_ *simulation, _ *Value, in [][]int64, out []int64) {
	for i, x := range in[0] {
		out[i] = -x
	}
}

func fixedSum(_ *simulation, v *Value, in [][]int64, out []int64) {
	copy(out, foldAxes(v, in[0], add3[int64]))
}

func fixedSumPool(_ *simulation, v *Value, in [][]int64, out []int64) {
	copy(out, foldWindows(v, in[0], add3[int64]))
}

func fixedConv(s *simulation, v *Value, in [][]int64, out []int64) {
	fillBias(v, in, out)
	evalConv(v, in, out, microInt(in), s.workers)
	s.shift(v, out, v.Attrs.(*ConvAttrs).LinearAttrs)
}

func fixedMatMul(s *simulation, v *Value, in [][]int64, out []int64) {
	fillBias(v, in, out)
	evalMatMul(v, in, out, microInt(in), s.workers)
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
	if len(v.Args) < 2 || !IsConst(v.Args[0]) && !IsConst(v.Args[1]) {
		noise = 0 // not an RLWE response
	}
	draw, scale := s.stream(v, 0), math.Ldexp(1, -a.Shift)
	mask := int64(1)<<a.Shift - 1
	parallel(len(acc), s.workers, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			x := acc[i]
			r := draw.at(i)
			e := float64(x&mask)*scale + float64(r>>11)*0x1p-53
			if noise > 0 {
				e += noise * bell(draw.next(r))
			}
			acc[i] = x>>a.Shift + int64(math.Floor(e))
		}
	})
}

const sqrt3 = 1.7320508075688772

// bell turns 64 random bits into a number of mean 0 and deviation 1, nearly
// normal, at most 3.5 in magnitude.
func bell(r uint64) float64 {
	sum := r&0xffff + r>>16&0xffff + r>>32&0xffff + r>>48
	return (float64(sum)*0x1p-16 - 2) * sqrt3 // four uniforms have variance 1/3
}

// stream is a source of random words that any worker can read at any place.
type stream uint64

// stream gives the randomness of value v; use tells apart several of one value.
func (s *simulation) stream(v *Value, use int) stream {
	return stream(mix(s.opt.Seed ^ mix(uint64(v.ID)<<8|uint64(use))))
}

func (t stream) at(i int) uint64 { return mix(uint64(t) + uint64(i)*0x9e3779b97f4a7c15) }

func (t stream) next(r uint64) uint64 { return mix(r ^ uint64(t)) }

// mix is the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// signer computes [x >= 0] as the protocol does.
type signer struct {
	lo, hi int
	random bool // shares are random and low bits are dropped
	draw   stream
}

func (s *simulation) signer(v *Value, a CompareAttrs, use int) signer {
	random := s.opt.Rounding == Stochastic && a.Lo > 0 && v.Args[0].Type.Holder == Shared
	return signer{a.Lo, a.High(v.Args[0].Type.Elem), random, s.stream(v, use)}
}

// positive is the sign bit of element i with value x: the sum of the two shares
// mod 2^hi without their low bits, whose carry is lost.
func (c signer) positive(i int, x int64) bool {
	if !c.random {
		return Wrap(x, c.hi) >= 0
	}
	server := c.draw.at(i)
	return signOfShares(server, uint64(x)-server, c.lo, c.hi)
}

// signOfShares is [x >= 0] of a sharing on bits [lo, hi). It is right for every
// x in [2^lo - 2^(hi-1), 0) and in [2^lo, 2^(hi-1)).
func signOfShares(server, client uint64, lo, hi int) bool {
	mask := uint64(1)<<hi - 1
	return Wrap(int64(server&mask>>lo+client&mask>>lo), hi-lo) >= 0
}

func fixedRelu(s *simulation, v *Value, in [][]int64, out []int64) {
	sign := s.signer(v, *v.Attrs.(*CompareAttrs), 0)
	inner, c := 1, 1
	if len(in) == 2 {
		c, inner = v.Type.Shape[1], Numel(v.Type.Shape[2:])
	}
	for i, x := range in[0] {
		flip := len(in) == 2 && in[1][i/inner%c] != 0
		if sign.positive(i, x) != flip {
			out[i] = x
		}
	}
}

func fixedPRelu(s *simulation, v *Value, in [][]int64, out []int64) {
	a := v.Attrs.(*PReluAttrs)
	sign := s.signer(v, a.CompareAttrs, 1)
	slope := spread(v.Type.Shape, in[1], v.Args[1].Type.Shape)
	one := int64(1) << max(0, v.Args[1].Type.Elem.Frac)
	for i, x := range in[0] {
		if sign.positive(i, x) {
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
	for i, x := range in[0] {
		switch {
		case hasLow && hasHigh:
			over, above := first.positive(i, x-low), second.positive(i, x-high)
			out[i] = low
			if over != above {
				out[i] += x - low
			}
			if above {
				out[i] += high - low
			}
		case hasLow && first.positive(i, x-low), hasHigh && first.positive(i, high-x), !hasLow && !hasHigh:
			out[i] = x
		case hasLow:
			out[i] = low
		default:
			out[i] = high
		}
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
	for i, y := range x {
		if !sign.positive(i, y) {
			x[i] = 0
		}
	}
}

// maximum gives the two-argument maximum as the protocol computes it, for a
// tournament whose comparisons each draw their own sharing.
func (s *simulation) maximum(v *Value, a CompareAttrs) func(at int, acc, x int64) int64 {
	sign := s.signer(v, a, 0)
	if !sign.random && sign.hi == v.Type.Elem.Bits {
		return func(_ int, acc, x int64) int64 { return max(acc, x) }
	}
	n := 0
	return func(_ int, acc, x int64) int64 {
		n++
		if sign.positive(n, acc-x) {
			return acc
		}
		return x
	}
}

func fixedMaxPool(s *simulation, v *Value, in [][]int64, out []int64) {
	copy(out, foldWindows(v, in[0], s.maximum(v, v.Attrs.(*PoolAttrs).CompareAttrs)))
}

func fixedReduceMax(s *simulation, v *Value, in [][]int64, out []int64) {
	copy(out, foldAxes(v, in[0], s.maximum(v, v.Attrs.(*ReduceAttrs).CompareAttrs)))
}

func fixedArgMax(s *simulation, v *Value, in [][]int64, out []int64) {
	a := v.Attrs.(*ReduceAttrs)
	sign, n := s.signer(v, a.CompareAttrs, 0), 0
	argMax(v, in[0], out, func(x, best int64) bool {
		n++
		if a.Last {
			return sign.positive(n, x-best)
		}
		return !sign.positive(n, best-x)
	})
}

// fixedFunc rounds the real function to the nearest of the result's format:
// what a table over the argument's ring holds. It saturates.
func fixedFunc(s *simulation, v *Value, in [][]int64, out []int64) {
	a, e := v.Attrs.(*FuncAttrs), v.Args[0].Type.Elem
	f, _ := realFunc(a)
	parallel(len(out), s.workers, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			out[i] = a.Out.Quantize(f(e.Real(in[0][i])))
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
	for i, x := range in[0] {
		y := (x + offset) & mask
		if y>>(k-1) == 0 {
			continue
		}
		server := int64(draw.at(i)) & mask
		client := (y - server) & mask
		out[i] = server + client - offset
		if (server|client)>>(k-1) != 0 {
			out[i] -= int64(1) << k
		}
	}
}
