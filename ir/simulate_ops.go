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

func fixedAdd(_ *simulation, v *Value, in [][]int64, out []int64) { sum(v, in, out, 1) }

func fixedSub(_ *simulation, v *Value, in [][]int64, out []int64) { sum(v, in, out, -1) }

func fixedNeg(_ *simulation, _ *Value, in [][]int64, out []int64) {
	for i, x := range in[0] {
		out[i] = -x
	}
}

func fixedSum(_ *simulation, v *Value, in [][]int64, out []int64) {
	foldAxes(v, in[0], out, sumFold)
}

func fixedSumPool(_ *simulation, v *Value, in [][]int64, out []int64) {
	foldWindows(v, in[0], out, sumFold)
}

func fixedConv(s *simulation, v *Value, in [][]int64, out []int64) {
	fillBias(v, in, out)
	mk := microInt(v, in)
	evalConv(v, in, out, mk, s.opt.Weights.of(v, in[1], mk.rows), s.workers)
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
	if len(v.Args) < 2 || !IsConst(v.Args[0]) && !IsConst(v.Args[1]) {
		noise = 0 // not an RLWE response
	}
	r := rounding{draw: s.stream(v, 0), shift: a.Shift, scale: math.Ldexp(1, -a.Shift), noise: max(noise, 0)}
	parallel(len(acc), s.workers, func(lo, hi int) { r.round(acc[lo:hi], lo) })
}

// rounding drops bits at random: an offset uniform in an ulp and noise are
// added before.
type rounding struct {
	draw         stream
	shift        int
	scale, noise float64 // 2^-shift; the noise's deviation
}

// roundGo rounds elements number first and following. Every product is rounded
// before it is added, on every machine.
func (r rounding) roundGo(acc []int64, first int) {
	mask := int64(1)<<r.shift - 1
	for i, x := range acc {
		w := r.draw.at(first + i)
		e := float64(float64(x&mask)*r.scale) + float64(float64(w>>11)*0x1p-53)
		if r.noise > 0 {
			e += float64(r.noise * bell(r.draw.next(w)))
		}
		acc[i] = x>>r.shift + int64(math.Floor(e))
	}
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

func (t stream) at(i int) uint64 { return mix(uint64(t) + uint64(i)*golden) }

const golden = 0x9e3779b97f4a7c15

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

// negatives writes -1 where x is taken for negative and 0 elsewhere. x[i] is
// element first+i*every of the operator.
func (c signer) negatives(out, x []int64, first, every int) {
	if !c.random {
		s := uint(64 - c.hi)
		for i, y := range x {
			out[i] = y << s >> 63
		}
		return
	}
	c.shared(out, x, uint64(c.draw)+uint64(first)*golden, uint64(every)*golden)
}

// sharedGo is negatives of a random sharing; the draws start at from.
func (c signer) sharedGo(out, x []int64, from, step uint64) {
	mask, lo, s := uint64(1)<<c.hi-1, c.lo, uint(64-c.hi+c.lo)
	for i, y := range x {
		server := mix(from)
		out[i] = int64((server&mask>>lo+(uint64(y)-server)&mask>>lo)<<s) >> 63
		from += step
	}
}

// signOfShares is [x >= 0] of a sharing on bits [lo, hi). It is right for every
// x in [2^lo - 2^(hi-1), 0) and in [2^lo, 2^(hi-1)).
func signOfShares(server, client uint64, lo, hi int) bool {
	mask := uint64(1)<<hi - 1
	return Wrap(int64(server&mask>>lo+client&mask>>lo), hi-lo) >= 0
}

// signBlock is how many signs are computed at a time: they stay in the cache.
const signBlock = 512

// blocks calls f with the bounds of each block of n elements.
func signBlocks(n int, f func(lo, hi int)) {
	for lo := 0; lo < n; lo += signBlock {
		f(lo, min(lo+signBlock, n))
	}
}

func fixedRelu(s *simulation, v *Value, in [][]int64, out []int64) {
	sign := s.signer(v, *v.Attrs.(*CompareAttrs), 0)
	var negative [signBlock]int64
	signBlocks(len(out), func(lo, hi int) {
		sign.negatives(negative[:hi-lo], in[0][lo:hi], lo, 1)
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
			first.negatives(under[:hi-lo], d, lo, 1)
			for i, n := range under[:hi-lo] {
				y[i] = high - d[i]&^n
			}
			return
		case hasHigh:
			distance(d, x, high, 1)
			second.negatives(below[:hi-lo], d, lo, 1)
		}
		distance(d, x, low, 1)
		first.negatives(under[:hi-lo], d, lo, 1)
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
		sign.negatives(negative[:hi-lo], x[lo:hi], lo, 1)
		for i := range x[lo:hi] {
			x[lo+i] &^= negative[i]
		}
	})
}

// maximum is the fold to the maximum as the protocol computes it, for a
// tournament whose comparisons each draw their own sharing, from number 1.
func (s *simulation) maximum(v *Value, a CompareAttrs) fold[int64] {
	sign := s.signer(v, a, 0)
	if !sign.random && sign.hi == v.Type.Elem.Bits {
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
			sign.negatives(less, ahead, n+lo*dn+1, dn)
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
		server := int64(draw.at(i)) & mask
		client := (y - server) & mask
		out[i] = server + client - offset
		if (server|client)>>(k-1) != 0 {
			out[i] -= int64(1) << k
		}
	}
}
