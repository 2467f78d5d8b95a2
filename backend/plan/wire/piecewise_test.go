package wire

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// prefixes is all the carries of s + c that an adder gives.
func prefixes(low, named int, s, c uint64) (want []uint64) {
	for at := max(low, 1); at <= low+named; at++ {
		mask := uint64(1)<<at - 1
		want = append(want, (s&mask+c&mask)>>at)
	}
	return want
}

// Every adder gives the carries into all named bits.
func TestPrefixesAreCarries(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for leaf := 1; leaf <= MaxLeaf; leaf++ {
		for _, tree := range []Tree{{Leaf: leaf}, {Leaf: leaf, Ripple: true}, {Leaf: leaf, Arity: 3}, {Leaf: leaf, Arity: 3, Cross: leaf > 1}, {Leaf: leaf, Cross: leaf > 1}} {
			for low := range 9 {
				for named := 1; named <= 14; named++ {
					w := NewPrefixes(low, named, tree)
					for range 20 {
						s, c := r.Uint64(), r.Uint64()
						if r.IntN(2) == 0 {
							c = ^s + uint64(r.IntN(3)) - 1 // long runs that propagate
						}
						if got, want := evaluate(w, []uint64{s}, []uint64{c}), prefixes(low, named, s, c); !slices.Equal(got, want) {
							t.Fatalf("%+v, bits %d and %d: %b + %b: carries %v, want %v", tree, low, named, s, c, got, want)
						}
					}
				}
			}
		}
	}
}

// multiply evaluates products in the clear.
func multiply(m *Monomials, n int, x uint32) []bool {
	v := make([]bool, m.Nodes)
	for i := range n {
		v[i] = x>>i&1 == 1
	}
	for _, level := range m.Levels {
		before := slices.Clone(v)
		for _, g := range level {
			if len(g.Y) > MaxPad {
				panic("more products than an OT has pad bits for")
			}
			for i, y := range g.Y {
				v[g.Z[i]] = before[g.X] && before[y] && (g.Top < 0 || before[g.Top])
			}
		}
	}
	out := make([]bool, len(m.Of))
	for i, id := range m.Of {
		out[i] = id < 0 || v[id]
	}
	return out
}

// Every monomial is its product, in as few levels as products of two, and of three
// at first, allow.
func TestMonomialsAreProducts(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for n := 1; n <= 12; n++ {
		for range 20 {
			masks := []uint32{0, 1<<n - 1}
			for range r.IntN(60) {
				masks = append(masks, r.Uint32()&(1<<n-1)&(r.Uint32()|r.Uint32()))
			}
			slices.Sort(masks)
			masks = slices.Compact(masks)
			start := 2 + r.IntN(2)
			m := NewMonomials(n, masks, start == 3)
			for range 50 {
				x, y := r.Uint32(), r.Uint32()
				x = (x | y) & (1<<n - 1)
				for i, got := range multiply(m, n, x) {
					if want := x&masks[i] == masks[i]; got != want {
						t.Fatalf("%b of %b: %v", masks[i], x, got)
					}
				}
			}
			if want := 1 + bits.Len(uint((n-1)/start)); n > 1 && len(m.Levels) != want {
				t.Fatalf("%d bits: %d levels, want %d", n, len(m.Levels), want)
			}
		}
	}
}

// Products that share a factor share an OT as far as its pads have bits.
func TestMonomialsOfManyBits(t *testing.T) {
	const n = 14
	masks := make([]uint32, 1<<n)
	for i := range masks {
		masks[i] = uint32(i)
	}
	m := NewMonomials(n, masks, false)
	for _, x := range []uint32{0, 1<<n - 1, 0x1555, 0x2f31} {
		for i, got := range multiply(m, n, x) {
			if want := x&masks[i] == masks[i]; got != want {
				t.Fatalf("%b of %b: %v", masks[i], x, got)
			}
		}
	}
}

func TestMonomialsOfNothing(t *testing.T) {
	if m := NewMonomials(3, []uint32{0}, true); len(m.Levels) != 0 || m.Of[0] != -1 {
		t.Errorf("%+v", m)
	}
}

// Whatever the parties rely on is checked, limit by limit.
func TestPiecewiseRefuses(t *testing.T) {
	const bits, out = 16, 14
	good := func() *Piecewise {
		return &Piecewise{
			Bits: bits, Low: 9, Leaf: 3, Arity: 2, SlopeBits: 3, OffsetBits: 6, Frac: 3, Out: out, Ring: 15, StepBits: 2, StepShift: 15, Steep: [2]int64{0, 8},
			Terms: []Term{{0, 1, 2, 3}, {1, 7, 63, 0}, {1<<6 - 1, 0, 1, 1}},
		}
	}
	if err := good().Check(bits, out); err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func(f *Piecewise){
		"an argument of other bits":     func(f *Piecewise) { f.Bits-- },
		"no named bit":                  func(f *Piecewise) { f.Low = bits - 2 },
		"a bit below the lowest":        func(f *Piecewise) { f.Low = -1 },
		"a leaf of nothing":             func(f *Piecewise) { f.Leaf = 0 },
		"a leaf too wide":               func(f *Piecewise) { f.Leaf = MaxLeaf + 1 },
		"joins of one":                  func(f *Piecewise) { f.Arity = 1 },
		"joins of too many":             func(f *Piecewise) { f.Arity = MaxArity + 1 },
		"a ripple of joins of three":    func(f *Piecewise) { f.Arity, f.Ripple = 3, true },
		"results wider than the output": func(f *Piecewise) { f.Out = out + 1 },
		"lines of two bits":             func(f *Piecewise) { f.Ring, f.OffsetBits, f.SlopeBits = 2, 0, 0 },
		"lines wider than results":      func(f *Piecewise) { f.Ring = out + f.Frac + 1 },
		"steps beyond the ring":         func(f *Piecewise) { f.StepShift = 16 },
		"a step too wide":               func(f *Piecewise) { f.Terms[1].Step = 4 },
		"what is too steep":             func(f *Piecewise) { f.Steep[0] = 1 << 40 },
		"a negative fraction":           func(f *Piecewise) { f.Frac = -1 },
		"a ring too wide":               func(f *Piecewise) { f.Frac = 62 },
		"slopes beyond the ring":        func(f *Piecewise) { f.SlopeShift = 13 },
		"offsets beyond the ring":       func(f *Piecewise) { f.OffsetShift = 10 },
		"a negative shift":              func(f *Piecewise) { f.OffsetShift = -1 },
		"no terms":                      func(f *Piecewise) { f.Terms = nil },
		"too many terms":                func(f *Piecewise) { f.Terms = make([]Term, MaxTerms+1) },
		"a term of bits without a name": func(f *Piecewise) { f.Terms[2].Bits = 1 << 6 },
		"a slope too wide":              func(f *Piecewise) { f.Terms[1].Slope = 8 },
		"an offset too wide":            func(f *Piecewise) { f.Terms[1].Offset = 64 },
		"a term twice":                  func(f *Piecewise) { f.Terms[1].Bits = 0 },
		"terms out of order":            func(f *Piecewise) { f.Terms[0], f.Terms[1] = f.Terms[1], f.Terms[0] },
	} {
		f := good()
		if spoil(f); f.Check(bits, out) == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if f := good(); f.Check(bits+1, out) == nil || f.Check(bits, out-1) == nil {
		t.Error("another argument or a narrower result: accepted")
	}
}
