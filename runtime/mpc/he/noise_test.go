package he_test

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/mpc/he"
)

// The noise of real runs against the bound's analysis, mean and deviation, from
// above and from below.

// operator is one whose noise is measured.
type operator struct {
	l       plan.Linear
	oneSign bool // all weights alike: what a mean adds up over
	runs    int
}

// format is the usual one: 16 bits, shift 12, norm 2^12.
func format(l plan.Linear) plan.Linear {
	l.SH, l.SW, l.DH, l.DW = max(1, l.SH), max(1, l.SW), 1, 1
	l.PT, l.PL = (l.KH-1)/2, (l.KW-1)/2
	l.OH, l.OW = (l.H-1)/l.SH+1, (l.W-1)/l.SW+1
	l.InBits, l.Shift, l.OutBits, l.NormLog2 = 28, 12, 16, 12
	return l
}

func square(batch, groups, cin, cout, side, kernel, stride int) plan.Linear {
	return format(plan.Linear{Batch: batch, G: groups, CIn: cin, COut: cout, H: side, W: side, KH: kernel, KW: kernel, SH: stride, SW: stride})
}

// spread is what the errors of one operator were, in units of the last place.
type spread struct {
	n          int
	sum, sq    float64
	most       float64
	means      []float64 // by run
	filterNorm float64
}

func (s *spread) mean() float64 { return s.sum / float64(s.n) }

// meanError is the standard error of the mean. Within a run the outputs of filters
// that are alike go together, so runs are counted when there are several.
func (s *spread) meanError() float64 {
	if len(s.means) < 8 {
		return math.Sqrt(s.variance() / float64(s.n))
	}
	sq := 0.0
	for _, m := range s.means {
		sq += (m - s.mean()) * (m - s.mean())
	}
	return math.Sqrt(sq / float64(len(s.means)*(len(s.means)-1)))
}

func (s *spread) variance() float64 { return s.sq / float64(s.n) }

// measure runs the operator a few times with weights of the declared norm.
func (o operator) measure(t *testing.T) *spread {
	t.Helper()
	l := &o.l
	op, err := runtime.LinearOp(l)
	if err != nil {
		t.Fatal(err)
	}
	spec := keySpec(t, l)
	s := &spread{}
	each := math.Floor(math.Exp2(float64(l.NormLog2)) / math.Sqrt(float64(l.FilterLen())))
	s.filterNorm = each * math.Sqrt(float64(l.FilterLen()))
	for run := range o.runs {
		r := rand.New(rand.NewPCG(1, uint64(run)))
		w, bias := make([]int64, l.NumWeights()), make([]int64, l.COut)
		for i := range w {
			w[i] = int64(each)
			if !o.oneSign && r.Uint64()&1 == 1 {
				w[i] = -w[i]
			}
		}
		for i := range bias {
			bias[i] = r.Int64N(1 << 20)
		}
		ring := uint64(1)<<l.InBits - 1
		x := make([]uint64, l.NumIn())
		var in [2][]uint64
		in[0], in[1] = make([]uint64, len(x)), make([]uint64, len(x))
		for i := range x {
			x[i], in[0][i] = r.Uint64()&ring, r.Uint64()&ring
			in[1][i] = (x[i] - in[0][i]) & ring
		}
		phase, mask := he.Watched(t, spec, op, byte(run), in, w, bias)
		before := s.sum
		ulp := modulus / math.Exp2(float64(l.EngineBits()))
		for i, acc := range product(l, x, w, bias) {
			e := float64(distance((phase[i]+modulus-mask[i])%modulus, onTorus(acc&ring, l.InBits))) / ulp
			s.sum, s.sq, s.most = s.sum+e, s.sq+e*e, max(s.most, math.Abs(e))
			s.n++
		}
		s.means = append(s.means, (s.sum-before)/float64(l.NumOut()))
	}
	return s
}

// modulus is what the compiler chooses.
const modulus = 1125899906826241

// keySpec is what a session of one operator sets up.
func keySpec(t *testing.T, l *plan.Linear) wire.LinearKeys {
	t.Helper()
	k, err := plan.KeysOf([]*plan.Linear{l})
	if err != nil {
		t.Fatal(err)
	}
	return wire.LinearKeys{N: k.N, Modulus: modulus, Secrets: k.Secrets, Levels: k.Levels}
}

// onTorus is floor(Q*x/2^b).
func onTorus(x uint64, b int) uint64 {
	hi, lo := bits.Mul64(x, modulus)
	return hi<<(64-b) | lo>>b
}

// distance is a-b modulo Q, nearest zero.
func distance(a, b uint64) int64 {
	d := int64((a + modulus - b) % modulus)
	if d > modulus/2 {
		d -= modulus
	}
	return d
}

// product is the operator's accumulator.
func product(l *plan.Linear, x []uint64, w, bias []int64) []uint64 {
	out := make([]uint64, l.NumOut())
	per, filters := l.CIn/l.G, l.COut/l.G
	for i := range out {
		b, o, y, q := i/(l.OH*l.OW*l.COut), i/(l.OH*l.OW)%l.COut, i/l.OW%l.OH, i%l.OW
		acc := uint64(bias[o])
		for k := range l.FilterLen() {
			c, r, s := k/(l.KH*l.KW), y*l.SH-l.PT+k/l.KW%l.KH, q*l.SW-l.PL+k%l.KW
			if r >= 0 && r < l.H && s >= 0 && s < l.W {
				acc += uint64(w[o*l.FilterLen()+k]) * x[((b*l.CIn+o/filters*per+c)*l.H+r)*l.W+s]
			}
		}
		out[i] = acc
	}
	return out
}

// chosen lets the search pack an operator.
func chosen(t *testing.T, l plan.Linear, level int) plan.Linear {
	t.Helper()
	p := choose.Search{Profile: choose.Profile{Bandwidth: 1e8, UnitNanos: plan.DefaultUnits()}, MaxKeys: 4, MaxLevel: level}
	if err := p.Packing(&l); err != nil {
		t.Fatal(err)
	}
	return l
}

// exact makes an operator exact in a ring.
func exact(l plan.Linear, bits, shift int) plan.Linear {
	l.Exact, l.OutBits, l.Shift, l.InBits = true, bits, shift, bits+shift
	return l
}

// analysis is the bound's analysis at the norm the weights really have.
func analysis(t *testing.T, l *plan.Linear, norm float64) plan.Noise {
	t.Helper()
	y, err := l.NewLayout()
	if err != nil {
		t.Fatal(err)
	}
	return y.Noise(norm)
}

// hold measures an operator and holds mean, variance and the largest error to the
// analysis; of what is not uploads, at least the part rest is there on average.
func (o operator) hold(t *testing.T, rest float64) {
	t.Helper()
	s := o.measure(t)
	n := analysis(t, &o.l, s.filterNorm)
	t.Logf("%+v: %d outputs, mean %+.4f, deviation %.4f, analysis %.4f (uploads %.4f), most %.3f of %.3f",
		o.l.Packing, s.n, s.mean(), math.Sqrt(s.variance()), math.Sqrt(n.Variance()), math.Sqrt(n.Upload), s.most, n.Bound())
	least, most := 0.85*(n.Upload+rest*n.Rest), 1.15*(n.Variance()+n.Bounded*n.Bounded/3)
	if v := s.variance(); v < least || v > most {
		t.Errorf("variance %.3g, analysis says %.3g to %.3g", v, least, most)
	}
	if s.most > n.Bound() {
		t.Errorf("an output is off by %.3f, the bound is %.3f", s.most, n.Bound())
	}
	if limit := 6 * s.meanError(); math.Abs(s.mean()) > limit {
		t.Errorf("mean %+.4f, %.4f at most is chance", s.mean(), limit)
	}
}

// In every shape and encoding that the search makes, one filter a polynomial or
// several, the noise deviates as the analysis says, and no output leaves the bound.
func TestNoiseDeviation(t *testing.T) {
	several := 0
	for name, l := range map[string]plan.Linear{
		"matvec":            square(1, 1, 512, 1000, 1, 1, 1),
		"matvec, few in":    square(1, 1, 16, 1000, 1, 1, 1),
		"matmul":            square(20, 1, 50, 60, 1, 1, 1),
		"1x1":               square(1, 1, 64, 48, 10, 1, 1),
		"3x3":               square(1, 1, 16, 24, 12, 3, 1),
		"3x3 stride 2":      square(1, 1, 12, 48, 15, 3, 2),
		"depthwise":         square(1, 32, 32, 32, 10, 3, 1),
		"groups":            square(1, 4, 16, 64, 7, 3, 1),
		"matvec, exact":     exact(square(1, 1, 512, 1000, 1, 1, 1), 16, 4),
		"3x3, exact":        exact(square(1, 1, 16, 24, 12, 3, 1), 16, 6),
		"3x3, wide":         exact(square(1, 1, 16, 24, 12, 3, 1), 24, 4),
		"1x1, many filters": square(1, 1, 8, 256, 3, 1, 1),
	} {
		for encoding, level := range map[string]int{"packed": 0, "tiled": -1} {
			t.Run(name+"/"+encoding, func(t *testing.T) {
				l := chosen(t, l, level)
				if l.Packing.Filters > 1 {
					several++
				}
				// What the rounding of c0 adds is bounded and would hide the rest.
				l.Packing.C0Bits = l.Packing.C1Bits
				rest := 0.66
				if l.Packing.Merge > 0 {
					rest = 0.2
				}
				operator{l: l, runs: 1 + 3000/l.NumOut()}.hold(t, rest)
			})
		}
	}
	if several < 8 {
		t.Errorf("only %d of the encodings have several filters a polynomial", several)
	}
}

// Every source of noise where it is the largest.
func TestNoiseSources(t *testing.T) {
	// Filters of norm 1 in a wide ring: the encryption of zero.
	small := square(20, 1, 1, 100, 1, 1, 1)
	small.NormLog2 = 0
	small.OutBits, small.Shift, small.InBits = 37, 1, 38
	whole := plan.Packing{N: 2048, TileH: 1, TileW: 20, High: 1, Filters: 1, Keys: 1, UploadBits: 50, C0Bits: 50, C1Bits: 50}
	zero := small
	zero.Packing = whole
	// The same in a narrower one: the rounding of c1.
	c1 := small
	c1.OutBits, c1.Shift, c1.InBits = 20, 1, 21
	c1.Packing = whole
	c1.Packing.C1Bits, c1.Packing.C0Bits = 28, 28
	// Three levels of folding with two digits.
	fold := square(1, 1, 8, 64, 4, 1, 1)
	fold.NormLog2 = 3
	fold.OutBits, fold.Shift, fold.InBits = 20, 1, 21
	fold.Packing = whole
	fold.Packing.TileW, fold.Packing.Low, fold.Packing.Merge, fold.Packing.Digits = 16, 3, 3, 2
	for name, test := range map[string]struct {
		l    plan.Linear
		rest float64
	}{"encryption of zero": {zero, 0.66}, "rounding of c1": {c1, 0.88}, "key switches": {fold, 0.3}} {
		t.Run(name, func(t *testing.T) {
			operator{l: test.l, runs: 1 + 4000/test.l.NumOut()}.hold(t, test.rest)
		})
	}
}

// Weights of one sign add up whatever stands in every upload coefficient. In the
// exact mode the last place is small, so that half a unit of Q would show.
func TestNoiseMean(t *testing.T) {
	for name, l := range map[string]plan.Linear{
		"matvec":            exact(square(1, 1, 2048, 1000, 1, 1, 1), 22, 4),
		"matvec, few in":    exact(square(1, 1, 16, 1000, 1, 1, 1), 22, 4),
		"3x3":               exact(square(1, 1, 64, 64, 7, 3, 1), 24, 4),
		"depthwise":         exact(square(1, 32, 32, 32, 10, 3, 1), 25, 4),
		"matvec, not exact": square(1, 1, 512, 1000, 1, 1, 1),
	} {
		t.Run(name, func(t *testing.T) {
			operator{l: chosen(t, l, 0), oneSign: true, runs: 10}.hold(t, 0)
		})
	}
}

// Every output of every tile and response has a mask of its own: on zeros, phases
// are masks but for the noise, and no two of them may be near each other.
func TestMasksAreFresh(t *testing.T) {
	for encoding, level := range map[string]int{"packed": 0, "tiled": -1} {
		t.Run(encoding, func(t *testing.T) {
			l := chosen(t, square(4, 1, 8, 8, 12, 3, 1), level)
			op, err := runtime.LinearOp(&l)
			if err != nil {
				t.Fatal(err)
			}
			if op.Map.Tiles() < 4 {
				t.Fatalf("%d tiles", op.Map.Tiles())
			}
			zeros := make([]uint64, l.NumIn())
			phase, _ := he.Watched(t, keySpec(t, &l), op, 3,
				[2][]uint64{zeros, zeros}, make([]int64, l.NumWeights()), make([]int64, l.COut))
			slices.Sort(phase)
			near := 0
			for i := range phase[1:] {
				if phase[i+1]-phase[i] < 1<<15 {
					near++
				}
			}
			// n^2/2 pairs, each near by chance once in 2^35.
			if n := len(phase); n < 1000 || near > 1 {
				t.Errorf("%d of %d outputs have a mask that another one has", near, n)
			}
		})
	}
}
