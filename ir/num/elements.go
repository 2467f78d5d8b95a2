package num

import "math"

// What the simulator does to every element: it draws, rounds, compares and measures.

// Rounding drops bits at random: an offset uniform in an ulp and noise are
// added before.
type Rounding struct {
	Draw         Stream
	Shift        int
	Scale, Noise float64 // 2^-Shift; the noise's deviation
}

// roundGo rounds elements number first and following. Every product is rounded
// before it is added, on every machine.
func (r Rounding) roundGo(acc []int64, first int) {
	mask := int64(1)<<r.Shift - 1
	for i, x := range acc {
		w := r.Draw.At(first + i)
		e := float64(float64(x&mask)*r.Scale) + float64(float64(w>>11)*0x1p-53)
		if r.Noise > 0 {
			e += float64(r.Noise * Bell(r.Draw.Next(w)))
		}
		acc[i] = x>>r.Shift + int64(math.Floor(e))
	}
}

const sqrt3 = 1.7320508075688772

// Bell turns 64 random bits into a number of mean 0 and deviation 1, nearly
// normal, at most 3.5 in magnitude.
func Bell(r uint64) float64 {
	sum := r&0xffff + r>>16&0xffff + r>>32&0xffff + r>>48
	return (float64(sum)*0x1p-16 - 2) * sqrt3 // four uniforms have variance 1/3
}

// Stream is a source of random words that any worker can read at any place.
type Stream uint64

// At is word number i.
func (t Stream) At(i int) uint64 { return Mix(uint64(t) + uint64(i)*golden) }

const golden = 0x9e3779b97f4a7c15

// Next is a word that follows from another.
func (t Stream) Next(r uint64) uint64 { return Mix(r ^ uint64(t)) }

// Mix is the finaliser of SplitMix64.
func Mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Signer computes [x >= 0] as the protocol does.
type Signer struct {
	Lo, Hi int
	Random bool // shares are random and low bits are dropped
	Draw   Stream
}

// Positive is the sign bit of element i with value x: the sum of the two shares
// mod 2^Hi without their low bits, whose carry is lost.
func (c Signer) Positive(i int, x int64) bool {
	if !c.Random {
		return Wrap(x, c.Hi) >= 0
	}
	server := c.Draw.At(i)
	return SignOfShares(server, uint64(x)-server, c.Lo, c.Hi)
}

// Negatives writes -1 where x is taken for negative and 0 elsewhere. x[i] is
// element first+i*every of the operator.
func (c Signer) Negatives(out, x []int64, first, every int) {
	if !c.Random {
		s := uint(64 - c.Hi)
		for i, y := range x {
			out[i] = y << s >> 63
		}
		return
	}
	c.shared(out, x, uint64(c.Draw)+uint64(first)*golden, uint64(every)*golden)
}

// sharedGo is negatives of a random sharing; the draws start at from.
func (c Signer) sharedGo(out, x []int64, from, step uint64) {
	mask, lo, s := uint64(1)<<c.Hi-1, c.Lo, uint(64-c.Hi+c.Lo)
	for i, y := range x {
		server := Mix(from)
		out[i] = int64((server&mask>>lo+(uint64(y)-server)&mask>>lo)<<s) >> 63
		from += step
	}
}

// SignOfShares is [x >= 0] of a sharing on bits [lo, hi). It is right for every
// x in [2^lo - 2^(hi-1), 0) and in [2^lo, 2^(hi-1)).
func SignOfShares(server, client uint64, lo, hi int) bool {
	mask := uint64(1)<<hi - 1
	return Wrap(int64(server&mask>>lo+client&mask>>lo), hi-lo) >= 0
}

// largestGo is the largest magnitude, y or -y-1.
func largestGo(x []int64) (top int64) {
	for _, y := range x {
		top = max(top, y^y>>63)
	}
	return top
}
