package plan

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// The digits of a share, at their places, are the share, and none is larger than
// the norm that the noise is bounded for counts on.
func TestCrossWeightsAreTheShare(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, bits := range []int{1, 7, 16, 25, 31, 33, 62} {
		ring := ^uint64(0) >> (64 - bits)
		for digit := ceilDiv(bits, MostCuts); digit <= min(bits, MostDigitBits); digit++ {
			m := Mul{Batch: 2, M: 3, K: 4, N: 5, Cross: []Cross{{Digit: digit}, {Digit: digit}}}
			for term := range 2 {
				rows, filters := m.crossSize(term)
				share := make([]uint64, 2*filters*4)
				for i := range share {
					share[i] = r.Uint64() & ring
				}
				share[0], share[1], share[2] = 0, ring, ring/2+1
				w := m.CrossWeights(term, bits, share)
				x := m.CrossInput(term, bits, make([]uint64, 2*rows*4))
				if l := m.CrossTerm(term, bits); len(w) != l.NumWeights() || len(x) != l.NumIn() {
					t.Fatalf("%d weights and %d inputs, the operator has %d and %d", len(w), len(x), l.NumWeights(), l.NumIn())
				}
				c := m.Cross[term]
				n := c.Digits(bits)
				for b := range 2 {
					for f := range filters {
						filter, norm := w[(b*filters+f)*n*4:][:n*4], 0.0
						for k := range 4 {
							sum := uint64(0)
							for j := range n {
								d := filter[j*4+k]
								sum += uint64(d) << (j * digit)
								norm += float64(d) * float64(d)
							}
							if want := share[m.factorElem(1-term, b, f, k)]; (sum-want)&ring != 0 {
								t.Fatalf("%d bits in digits of %d: %d became %d", bits, digit, want, sum&ring)
							}
						}
						if norm > math.Exp2(2*float64(c.normLog2(4, bits))) {
							t.Fatalf("%d bits in digits of %d: norm %.0f, declared are 2^%d", bits, digit, math.Sqrt(norm), c.normLog2(4, bits))
						}
					}
				}
			}
		}
	}
}

// matrixPlan is a plan of the square of a matrix over RLWE.
func matrixPlan() *Plan {
	packing := Packing{N: 2048, TileH: 1, TileW: 6, High: 12, Filters: 6, Keys: 1, UploadBits: 45, C0Bits: 18, C1Bits: 27}
	m := &Mul{Batch: 1, M: 6, K: 6, N: 6, Shift: 6, Cross: []Cross{{10, packing}, {10, packing}}}
	p := oneStep(SlotType{[]int{36}, 20, 4}, SlotType{[]int{36}, 14, 4}, Step{Proto: ProtoMulRLWE, In: []Slot{0, 0}, Attrs: m})
	p.Modulus = 1125899906826241
	return p
}

// A product over RLWE whose digits or encodings are not what its geometry and its
// noise ask for is refused, and so are its attributes where they mean nothing.
func TestValidateChecksProducts(t *testing.T) {
	p := matrixPlan()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(s *Step){
		"cross terms":              func(s *Step) { s.Attrs.(*Mul).Cross = s.Attrs.(*Mul).Cross[:1] },
		"0 cross terms":            func(s *Step) { s.Attrs.(*Mul).Cross = nil },
		"digits of 0":              func(s *Step) { s.Attrs.(*Mul).Cross[0].Digit = 0 },
		"digits of 32":             func(s *Step) { s.Attrs.(*Mul).Cross[0].Digit = 32 },
		"digits of 2 ":             func(s *Step) { s.Attrs.(*Mul).Cross[1].Digit = 2 },
		"noise may reach":          func(s *Step) { s.Attrs.(*Mul).Cross[1].Packing.UploadBits = 12 },
		"cross term 0":             func(s *Step) { s.Attrs.(*Mul).Cross[0].Packing = Packing{} },
		"does not fit its slots":   func(s *Step) { s.Attrs.(*Mul).K = 7 },
		"a product of matrices":    func(s *Step) { s.Attrs.(*Mul).M = 0 },
		"rings 20, 20 and shift 5": func(s *Step) { s.Attrs.(*Mul).Shift = 5 },
		"but not over RLWE":        func(s *Step) { s.Proto = ProtoMul },
	} {
		p := matrixPlan()
		change(&p.Rounds[0][1])
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %q, got %v", want, err)
		}
	}
	alone := encrypted()
	alone.Rounds[0][1].Attrs.(*Linear).Addends = 2
	if err := alone.Validate(); err == nil || !strings.Contains(err.Error(), "part of a sum") {
		t.Errorf("want an error about a part of a sum, got %v", err)
	}
}
