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
		for _, tree := range []Tree{{Leaf: leaf}, {Leaf: leaf, Ripple: true}, {Leaf: leaf, Arity: 3}} {
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
