package plan

import (
	"fmt"
	"math"

	"secc.example/secc/backend/plan/wire"
)

// Noise analysis of a linear operator. Everything is in units of the output's
// last place, ulp = Q/2^EngineBits. The shares of an output add up to
//
//	acc/2^(InBits-EngineBits) + e + (rounding of the client's phase) + (rounding of the server's mask),
//
// the last two each within 1/2. e is bounded here. With |e| <= MaxNoise = 1/2
// the result is within 1 of the correctly rounded one, always. Where the result is
// exact, all three together must stay below half of what the guard bits hold.
//
// e is a sum of
//   - bounded parts: the rounding of c0 to C0Bits; the encoding of both shares,
//     1/2 each a coefficient, times |w|_1 <= |w|_2*sqrt(terms);
//   - sub-Gaussian parts with variance proxies (a bounded X in [-a,a] that is
//     uniform has proxy a^2/3, centred binomial noise of parameter eta has eta/2,
//     a uniform ternary variable 2/3; proxies of independent terms add up):
//     upload errors: fresh ones, eta/2 a coefficient;
//     upload rounding: c0 is pseudorandom, so its j dropped bits are uniform and
//     independent, proxy (4^j-1)/12, and with the random bit that makes up for
//     their mean of half a unit (package he), 1/4 more. A useful coefficient of
//     the product meets every weight of its weight polynomial, not only those of
//     its own filter: of F filters, both come to F*|w|_2^2 times as much;
//     zero encryption: e_pk*u + e_1*s, at most 2*N*eta/2;
//     rounding of c1 to C1Bits: uniform errors (c1 is pseudorandom after the
//     zero encryption) times the secret, which has at most 3N/4 non-zero
//     coefficients (the client draws again otherwise): 3N/4/12; the same in units
//     of Q for the client's way back to Z_Q;
//     key switches: digits times fresh errors, and the dropped part of c1 times
//     the secret. The digits do not depend on errors or secret (c1 is made of
//     public seeds and weights only), so they are taken at their worst. A switch
//     at one level is doubled by each level after it: sum of 4^i.
//
// P[|X| > t] <= 2 exp(-t^2/2V); t is taken such that the union over all outputs
// of the operator stays below 2^-FailureBits.

// MaxNoise bounds e where the result is not exact.
const MaxNoise = 0.5

// maxNoise is MaxNoise, or for an exact operator what its guard bits hold beside
// the two roundings and are certain to hold: less than half of 2^ExactGuard.
// Of operators whose results are added up each may have its part.
func (l *Linear) maxNoise() float64 {
	if l.Exact {
		return (1<<(ExactGuard-1) - 1 - 1./64) / l.addends()
	}
	return MaxNoise / l.addends()
}

func (l *Linear) addends() float64 { return float64(max(l.Addends, 1)) }

// FailureBits: the probability that any output of an operator exceeds maxNoise
// is below 2^-FailureBits.
const FailureBits = 40

// Noise is what the bound on an operator's noise is made of, in units of the
// last place.
type Noise struct {
	Outs    int     // outputs the bound holds for together
	Bounded float64 // never exceeded
	Upload  float64 // variance proxy of what the uploads bring
	Rest    float64 // variance proxy of everything else
}

// Variance is the variance proxy of all that is not bounded.
func (n Noise) Variance() float64 { return n.Upload + n.Rest }

// Bound is what no output exceeds but for a probability of 2^-FailureBits.
func (n Noise) Bound() float64 { return n.Bounded + n.deviations()*math.Sqrt(n.Variance()) }

// deviations is how many standard deviations the tail bound takes.
func (n Noise) deviations() float64 {
	return math.Sqrt(2 * (math.Log(2*float64(n.Outs)) + FailureBits*math.Ln2))
}

// Noise analyses the operator for filters of l2 norm at most norm.
func (y *Layout) Noise(norm float64) Noise {
	l, p := y.l, y.p
	n, out := float64(p.N), l.EngineBits()
	ulp := math.Exp2(float64(wire.QBits - out))
	zero, back := 2*n*wire.NoiseEta/2, n*0.75/12
	return Noise{
		Outs:    l.NumOut() * max(l.Addends, 1),
		Bounded: (norm*math.Sqrt(float64(l.FilterLen()))+2)/ulp + math.Exp2(float64(out-p.C0Bits-1)),
		Upload:  y.uploadWeight(norm) * (wire.NoiseEta/2.0 + droppedVariance(wire.QBits-p.UploadBits)) / (ulp * ulp),
		Rest:    (zero+back+switchVariance(p))/(ulp*ulp) + n*0.75/12*math.Exp2(float64(2*(out-p.C1Bits))),
	}
}

// uploadWeight is the squared norm of a weight polynomial, that of all filters it
// holds: what the errors of an upload are multiplied by.
func (y *Layout) uploadWeight(norm float64) float64 {
	return norm * norm * float64(min(y.p.Filters, y.l.COut/y.l.G))
}

// droppedVariance is the variance proxy of leaving out the lowest bits of an
// upload coefficient, in units of Q.
func droppedVariance(dropped int) float64 {
	if dropped == 0 {
		return 0
	}
	return (math.Exp2(float64(2*dropped)) + 2) / 12
}

// mostDropped is the largest number of bits with droppedVariance at most v; -1
// when even none are too many.
func mostDropped(v float64) int {
	switch {
	case v < 0:
		return -1
	case v < droppedVariance(1):
		return 0
	}
	return int(math.Floor(math.Log2(12*v-2) / 2))
}

// UploadRoom is the variance that the bound leaves for uploads under the packing
// p (its UploadBits and Filters do not matter), in units of Q.
func (y *Layout) UploadRoom(p Packing) float64 {
	z := *y
	z.p = p
	n := z.Noise(math.Exp2(float64(y.l.NormLog2)))
	room := (y.l.maxNoise()-n.Bounded)/n.deviations() - 1e-9
	if room <= 0 {
		return -1
	}
	ulp := math.Exp2(float64(wire.QBits - y.l.EngineBits()))
	return (room*room - n.Rest) * ulp * ulp
}

// LeastUploadBits is how many bits of an upload coefficient must be kept for its
// errors to fit the room; -1 when they do not fit.
func (y *Layout) LeastUploadBits(room float64) int {
	dropped := mostDropped(room/y.uploadWeight(math.Exp2(float64(y.l.NormLog2))) - wire.NoiseEta/2.0)
	if dropped < 0 {
		return -1
	}
	return min(wire.QBits, max(wire.LeastUpload, wire.QBits-dropped))
}

func switchVariance(p Packing) float64 {
	if p.Merge == 0 {
		return 0
	}
	base, drop := wire.Gadget(p.Digits)
	d := math.Exp2(float64(base-1)) + 1
	one := float64(p.N) * (wire.NoiseEta/2.0*float64(p.Digits)*d*d + 2.0/3*math.Exp2(float64(2*(drop-1))))
	return one * (math.Exp2(float64(2*p.Merge)) - 1) / 3
}

// CheckNoise proves from the actual weights that the operator decrypts
// correctly but for a probability of 2^-FailureBits, and that they keep the
// public bound NormLog2; otherwise it says what is wrong.
func CheckNoise(l *Linear, weights []int64) error {
	if len(weights) != l.NumWeights() {
		return fmt.Errorf("linear: %d weights, the operator has %d", len(weights), l.NumWeights())
	}
	norm, err := maxFilterNorm(l, weights)
	if err != nil {
		return err
	}
	if norm > math.Exp2(float64(l.NormLog2)) {
		return fmt.Errorf("linear: a filter has norm %.1f, declared are at most 2^%d", norm, l.NormLog2)
	}
	y, err := l.NewLayout()
	if err != nil {
		return err
	}
	if e := y.Noise(norm).Bound(); !(e <= l.maxNoise()) {
		return fmt.Errorf("linear: noise may reach %.3f ulp with probability 2^-%d, allowed are %.3f", e, FailureBits, l.maxNoise())
	}
	return nil
}

// MaxWeight bounds a weight's magnitude.
const MaxWeight = 1<<31 - 1

func maxFilterNorm(l *Linear, weights []int64) (float64, error) {
	for _, w := range weights {
		if w > MaxWeight || w < -MaxWeight {
			return 0, fmt.Errorf("linear: weight %d exceeds %d", w, MaxWeight)
		}
	}
	return LargestNorm(weights, l.COut), nil
}

// LargestNorm is the largest l2 norm of so many filters.
func LargestNorm(weights []int64, filters int) float64 {
	n, largest := len(weights)/filters, 0.0
	for o := range filters {
		sum := 0.0
		for _, x := range weights[o*n : (o+1)*n] {
			sum += float64(x) * float64(x)
		}
		largest = max(largest, sum)
	}
	return math.Sqrt(largest)
}
