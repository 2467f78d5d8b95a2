package wire

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// evaluate runs a circuit in the clear: s + c[i] >= 2^m for every sum.
func evaluate(w *Carries, s, c []uint64) []uint64 {
	type pair struct{ gen, prop uint64 }
	v := make([]pair, len(w.Nodes))
	for i, n := range w.Nodes {
		if n.Lone {
			a, b := s[n.Sum]>>n.Bit&1, c[n.Sum]>>n.Bit&1
			v[i] = pair{a & b, a ^ b}
		}
	}
	for _, l := range w.Leaves {
		mask := uint64(1)<<l.Size - 1
		for _, sum := range l.Sums {
			t := s[sum.Sum]>>l.First&mask + c[sum.Sum]>>l.First&mask
			v[sum.Node].gen = t >> l.Size
			if t == mask {
				v[sum.Node].prop = 1
			}
			for i, id := range sum.Inner {
				mask := uint64(2)<<i - 1
				t := s[sum.Sum]>>l.First&mask + c[sum.Sum]>>l.First&mask
				v[id].gen = t >> (i + 1)
				if t == mask {
					v[id].prop = 1
				}
			}
		}
	}
	for _, joins := range w.Levels {
		next := make([]pair, len(joins))
		for i, j := range joins {
			next[i] = v[j.In[0]]
			for _, in := range j.In[1:] {
				next[i] = pair{v[in].gen ^ v[in].prop&next[i].gen, v[in].prop & next[i].prop}
			}
		}
		for i, j := range joins {
			v[j.Out] = next[i]
		}
	}
	out := make([]uint64, len(w.Out))
	for i, id := range w.Out {
		out[i] = v[id].gen
	}
	return out
}

// Every shape computes carries, and a node is filled before it is read: levels
// are evaluated with what earlier ones gave.
func TestCircuitsComputeCarries(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for leaf := 1; leaf <= MaxLeaf; leaf++ {
		for _, tree := range []Tree{{Leaf: leaf}, {Leaf: leaf, Ripple: true}, {Leaf: leaf, ClientChooses: true}, {Leaf: leaf, Arity: 3}, {Leaf: leaf, Arity: 3, ClientChooses: true}} {
			for m := 1; m <= 20; m++ {
				for _, sums := range []int{1, 2, 40} {
					for _, common := range []int{0, tree.Split(m, m/2), m - 1} {
						if sums == 1 && common > 0 {
							continue
						}
						check(t, r, NewCarries(m, common, sums, tree), fmt.Sprintf("%+v: %d sums of %d bits, %d in common", tree, sums, m, common), m, common, sums)
					}
				}
			}
		}
	}
}

func check(t *testing.T, r *rand.Rand, w *Carries, name string, m, common, sums int) {
	t.Helper()
	covered := make([]uint64, sums)
	cover := func(sum, first, size int) {
		bits := (uint64(1)<<size - 1) << first
		if covered[sum]&bits != 0 {
			t.Fatalf("%s: a bit stands twice", name)
		}
		covered[sum] |= bits
	}
	for _, l := range w.Leaves {
		if l.Width()*len(l.Sums) > MaxPad {
			t.Fatalf("%s: a leaf of %d sums needs pads of %d bits", name, len(l.Sums), l.Width()*len(l.Sums))
		}
		for _, s := range l.Sums {
			cover(s.Sum, l.First, l.Size)
		}
	}
	for _, n := range w.Nodes {
		if n.Lone {
			cover(n.Sum, n.Bit, 1)
		}
	}
	for sum, bits := range covered {
		want := uint64(1)<<m - 1
		if sum > 0 {
			want &^= 1<<common - 1 // stands with the first sum
		}
		if bits != want {
			t.Fatalf("%s: sum %d covers bits %b, want %b", name, sum, bits, want)
		}
	}
	for range 50 {
		s, c := make([]uint64, sums), make([]uint64, sums)
		for i := range s {
			s[i], c[i] = r.Uint64()&(1<<m-1), r.Uint64()&(1<<m-1)
			s[i] = s[i]&^(1<<common-1) | s[0]&(1<<common-1)
			c[i] = c[i]&^(1<<common-1) | c[0]&(1<<common-1)
		}
		for i, got := range evaluate(w, s, c) {
			if want := (s[i] + c[i]) >> m; got != want {
				t.Fatalf("%s: carry of %b + %b is %d, want %d", name, s[i], c[i], got, want)
			}
		}
	}
}

// The products of a leaf that crosses, and what either party knows alone, are the carry that its lowest
// bits generate and whether they propagate one.
func TestCrossesAddUp(t *testing.T) {
	for size := 1; size <= MaxLeaf; size++ {
		l := Leaf{Size: size, Asked: true, Sums: []LeafSum{{Inner: make([]int, size-1)}}}
		for s := range uint32(1) << size {
			for c := range uint32(1) << size {
				client := make([]uint64, size)
				for i := range client {
					client[i] = -uint64(c >> i & 1)
				}
				got := map[CrossOf]uint64{}
				for _, x := range l.Crosses() {
					for _, of := range x.Of {
						if s&x.Server == x.Server {
							got[of] ^= of.Client(x.Server, client) & 1
						}
					}
				}
				for bits := 1; bits <= size; bits++ {
					mask := uint32(1)<<bits - 1
					a, b := s&mask, c&mask
					generates, propagates := uint64((a+b)>>bits), uint64(0)
					if a+b == mask {
						propagates = 1
					}
					alone := uint64(0)
					if bits > 1 && a == mask {
						alone ^= 1
					}
					if bits > 1 && b == mask {
						alone ^= 1
					}
					if got[CrossOf{bits, false}] != generates || bits > 1 && got[CrossOf{bits, true}]^alone != propagates {
						t.Errorf("%d bits of %d: %b + %b", bits, size, a, b)
					}
				}
			}
		}
	}
}
