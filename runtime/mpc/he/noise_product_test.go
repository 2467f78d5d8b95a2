package he_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/transport"
)

// Where matrices are multiplied the weights are digits of uniform shares: the noise
// of both cross terms together deviates as the analysis says, and never leaves the bound,
// which takes digits at their worst.
func TestNoiseOfProducts(t *testing.T) {
	for name, c := range map[string]struct {
		m      plan.Mul
		bits   int
		digits [2]int
		runs   int
		whole  bool // nothing is left out of uploads and responses
	}{
		"one digit":    {plan.Mul{Batch: 2, M: 16, K: 64, N: 16, Shift: 7}, 22, [2]int{1, 1}, 4, false},
		"two digits":   {plan.Mul{Batch: 2, M: 16, K: 64, N: 16, Shift: 12}, 28, [2]int{2, 2}, 4, false},
		"both ways":    {plan.Mul{Batch: 1, M: 40, K: 100, N: 7, Shift: 12}, 28, [2]int{2, 3}, 6, false},
		"exact":        {plan.Mul{Batch: 1, M: 16, K: 64, N: 16, Shift: 9, Exact: true}, 25, [2]int{4, 4}, 6, false},
		"one by many":  {plan.Mul{Batch: 1, M: 1, K: 300, N: 50, Shift: 14}, 30, [2]int{2, 2}, 20, false},
		"outer":        {plan.Mul{Batch: 1, M: 30, K: 1, N: 30, Shift: 10}, 26, [2]int{1, 2}, 2, false},
		"three digits": {plan.Mul{Batch: 1, M: 12, K: 64, N: 12, Shift: 20}, 40, [2]int{3, 3}, 8, false},
		// Where digits are small and nothing is left out, encryptions of zero are what is heard.
		"small digits": {plan.Mul{Batch: 1, M: 20, K: 1, N: 20, Shift: 4}, 26, [2]int{7, 7}, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := sharedProduct{m: c.m, bits: c.bits, whole: c.whole}
			o.pack(t, c.digits)
			for run := range c.runs {
				o.run(t, byte(run))
			}
			o.hold(t)
		})
	}
}

// sharedProduct is a product whose noise is measured, finer than its results
// are rounded.
type sharedProduct struct {
	m     plan.Mul
	bits  int
	whole bool
	terms [2]*plan.Linear
	seen  spread
}

func (o *sharedProduct) pack(t *testing.T, digits [2]int) {
	t.Helper()
	p := choose.Search{Profile: choose.Profile{Bandwidth: 1e8, UnitNanos: plan.DefaultUnits()}, MaxKeys: 4}
	o.m.Cross = make([]plan.Cross, 2)
	for i, n := range digits {
		o.m.Cross[i].Digit = (o.bits + n - 1) / n
		l := o.m.CrossTerm(i, o.bits)
		if err := p.Packing(l); err != nil {
			t.Fatal(err)
		}
		l.Packing.C0Bits = l.Packing.C1Bits // what rounding c0 adds is bounded and would hide the rest
		if o.whole {
			l.Packing = plan.Packing{N: 2048, TileH: 1, TileW: l.Batch, High: 1, Filters: 1, Keys: 1, UploadBits: wire.QBits, C0Bits: wire.QBits, C1Bits: wire.QBits}
		}
		o.m.Cross[i].Packing = l.Packing
		o.terms[i] = o.m.CrossTerm(i, o.bits)
	}
	// Both terms are read in one resolution.
	fine := min(o.terms[0].Packing.C1Bits, o.terms[1].Packing.C1Bits)
	for i := range o.terms {
		o.terms[i].Packing.C0Bits = max(fine, o.terms[i].Packing.C0Bits)
	}
}

// fine is how many bits results are read in.
func (o *sharedProduct) fine() int {
	return min(o.terms[0].Packing.C0Bits, o.terms[1].Packing.C0Bits)
}

func (o *sharedProduct) run(t *testing.T, seed byte) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, uint64(seed)))
	ring := uint64(1)<<o.bits - 1
	draw := func(n int) []uint64 {
		x := make([]uint64, n)
		for i := range x {
			x[i] = r.Uint64() & ring
		}
		return x
	}
	nx, ny := o.m.Batch*o.m.M*o.m.K, o.m.Batch*o.m.K*o.m.N
	x, y := [2][]uint64{draw(nx), draw(nx)}, [2][]uint64{draw(ny), draw(ny)}
	spec, err := plan.KeysOf(o.terms[:])
	if err != nil {
		t.Fatal(err)
	}
	spec.Modulus = modulus
	shares := he.SharesOfSum(t, wire.LinearKeys(spec), seed, func(role transport.Role) ([]he.Term, []uint64) {
		terms, err := runtime.ProductTerms(&o.m, o.bits, role, x[role], y[role])
		if err != nil {
			panic(err)
		}
		for i := range terms {
			terms[i].Op.C0Bits, terms[i].Op.OutBits, terms[i].Op.Offset = o.terms[i].Packing.C0Bits, o.fine(), 0
		}
		return terms, nil
	})
	const scale = 60
	ulp := math.Exp2(float64(scale - o.terms[0].EngineBits()))
	for i := range shares[0] {
		got := (shares[0][i] + shares[1][i]) << (64 - o.fine())
		want := o.cross(x, y, i) << (64 - o.bits)
		e := float64(int64(got-want)>>(64-scale)) / ulp
		o.seen.sum, o.seen.sq, o.seen.most = o.seen.sum+e, o.seen.sq+e*e, max(o.seen.most, math.Abs(e))
		o.seen.n++
	}
}

// cross is element i of both cross terms together.
func (o *sharedProduct) cross(x, y [2][]uint64, i int) (acc uint64) {
	row, col := i/o.m.N, i%o.m.N
	for k := range o.m.K {
		a, b := row*o.m.K+k, (row/o.m.M*o.m.K+k)*o.m.N+col
		acc += x[0][a]*y[1][b] + x[1][a]*y[0][b]
	}
	return acc
}

func (o *sharedProduct) hold(t *testing.T) {
	t.Helper()
	upload, rest, bounded, bound := 0.0, 0.0, 0.0, 0.0
	for i, l := range o.terms {
		n := analysis(t, l, uniformNorm(o.m.Cross[i], o.m.K, o.bits))
		upload, rest, bounded = upload+n.Upload, rest+n.Rest, bounded+n.Bounded
		worst := worstNorm(o.m.Cross[i], o.m.K, o.bits)
		if declared := math.Exp2(float64(l.NormLog2)); declared < worst || declared >= 2*worst {
			t.Errorf("digits have a norm of %.0f at their worst, 2^%d is declared", worst, l.NormLog2)
		}
		bound += analysis(t, l, worst).Bound()
	}
	bounded += math.Exp2(float64(o.terms[0].EngineBits() - o.fine())) // the result's own rounding
	v, mean := o.seen.variance(), o.seen.mean()
	t.Logf("%d outputs, mean %+.4f, deviation %.4f, analysis %.4f (uploads %.4f), most %.3f of %.3f",
		o.seen.n, mean, math.Sqrt(v), math.Sqrt(upload+rest), math.Sqrt(upload), o.seen.most, bound)
	if least, most := 0.8*upload, 1.2*(upload+rest+bounded*bounded/3); v < least || v > most {
		t.Errorf("variance %.3g, analysis says %.3g to %.3g", v, least, most)
	}
	limit := plan.MaxNoise
	if o.m.Exact {
		limit = 2
	}
	if o.seen.most > bound || bound > limit {
		t.Errorf("an output is off by %.3f, the bound is %.3f, allowed are %.3f", o.seen.most, bound, limit)
	}
	if e := 6 * o.seen.meanError(); math.Abs(mean) > e {
		t.Errorf("mean %+.4f, %.4f at most is chance", mean, e)
	}
}

// worstNorm is the norm of k elements' digits where all are as large as they get.
func worstNorm(c plan.Cross, k, bits int) float64 {
	sum := 0.0
	for left := bits; left > 0; left -= c.Digit {
		sum += float64(k) * math.Exp2(float64(2*(min(left, c.Digit)-1)))
	}
	return math.Sqrt(sum)
}

// uniformNorm is the norm of k elements' digits when shares are uniform.
func uniformNorm(c plan.Cross, k, bits int) float64 {
	sum := 0.0
	for j := range c.Digits(bits) {
		sum += float64(k) * math.Exp2(float64(2*c.DigitBits(bits, j))) / 12
	}
	return math.Sqrt(sum)
}
