package nonlinear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// run gives both parties' results and what it took.
func run[T any](t testing.TB, f func(ctx context.Context, p *Party) (T, error)) ([2]T, mpctest.Counts) {
	t.Helper()
	pair := mpctest.NewPair(rand.Uint64())
	var out [2]T
	err := pair.Run(func(ctx context.Context, role transport.Role) (err error) {
		p := &Party{Role: role, Conn: pair.Conn[role], Corr: From(pair.Sources(role))}
		out[role], err = f(ctx, p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, pair.Counts()
}

var trees = []wire.Tree{
	{Leaf: 1}, {Leaf: 2}, {Leaf: 3}, {Leaf: 4},
	{Leaf: 1, Ripple: true}, {Leaf: 2, Ripple: true}, {Leaf: 3, Ripple: true}, {Leaf: 4, Ripple: true},
	{Leaf: 2, ClientChooses: true}, {Leaf: 4, ClientChooses: true},
	{Leaf: 1, Arity: 3}, {Leaf: 2, Arity: 3}, {Leaf: 4, Arity: 3}, {Leaf: 5, Arity: 3},
	{Leaf: 2, Arity: 3, ClientChooses: true}, {Leaf: 5, Arity: 3, ClientChooses: true},
}

// allPairs lists every pair of shares of Z_2^bits.
func allPairs(bits int) (x [2][]uint64) {
	for s := range uint64(1) << bits {
		for c := range uint64(1) << bits {
			x[0], x[1] = append(x[0], s), append(x[1], c)
		}
	}
	return x
}

// reference is the sign as defined: of the reduced shares' sum.
func reference(s, c uint64, g Sign) uint64 {
	b := g.Hi - g.Lo
	sum := (s&ring.Mask(g.Hi))>>g.Lo + (c&ring.Mask(g.Hi))>>g.Lo
	return 1 ^ sum>>(b-1)&1
}

func TestDReLUEverySharePair(t *testing.T) {
	for bits := 2; bits <= 7; bits++ {
		x := allPairs(bits)
		for hi := 1; hi <= bits; hi++ {
			for lo := 0; lo < hi; lo++ {
				for _, tree := range trees {
					checkDReLU(t, x, Sign{bits, lo, hi, tree})
				}
			}
		}
	}
}

func TestDReLUEverySharePairOfTenBits(t *testing.T) {
	x := allPairs(10)
	for i, c := range [][2]int{{0, 10}, {2, 10}, {1, 8}, {0, 9}} {
		checkDReLU(t, x, Sign{10, c[0], c[1], trees[i]})
	}
}

func checkDReLU(t *testing.T, x [2][]uint64, g Sign) {
	t.Helper()
	b, _ := run(t, func(ctx context.Context, p *Party) ([]uint64, error) { return p.DReLU(ctx, x[p.Role], g) })
	for i := range x[0] {
		got := ring.Bit(b[0], i) ^ ring.Bit(b[1], i)
		if got != reference(x[0][i], x[1][i], g) {
			t.Fatalf("%+v: shares %d and %d: got %d", g, x[0][i], x[1][i], got)
		}
		v := ring.Signed(x[0][i]+x[1][i], g.Hi)
		if v >= 1<<g.Lo && got != 1 || v < 0 && v >= -1<<(g.Hi-1)+1<<g.Lo && got != 0 {
			t.Fatalf("%+v: value %d: got %d", g, v, got)
		}
	}
}

var someBits = []int{2, 3, 5, 8, 15, 16, 17, 31, 32, 33, 40}

// forSizes runs a check over widths and lengths; the largest length with one
// width, and with all from 2 to 40 if slow.
func forSizes(t *testing.T, f func(t *testing.T, r *rand.Rand, bits, n int)) {
	widths := someBits
	if slow {
		widths = nil
		for bits := 2; bits <= 40; bits++ {
			widths = append(widths, bits)
		}
	}
	for _, bits := range widths {
		for _, n := range []int{1, 7, 64, 65, 100_000} {
			if n == 100_000 && bits != 16 && !slow {
				continue
			}
			t.Run(fmt.Sprintf("bits=%d,n=%d", bits, n), func(t *testing.T) {
				f(t, rand.New(rand.NewPCG(uint64(bits), uint64(n))), bits, n)
			})
		}
	}
}

// draw gives n signed numbers with |x| < 2^(width-1) as elements of Z_2^bits,
// among them zero, one, and both ends.
func draw(r *rand.Rand, n, width, bits int) []uint64 {
	x := make([]uint64, n)
	top := ring.Mask(width - 1)
	edges := []uint64{0, 1, ^uint64(0), top, -top}
	for i := range x {
		if i%4 == 0 {
			x[i] = edges[i/4%len(edges)]
		} else if x[i] = r.Uint64() & top; r.Uint64()&1 == 1 {
			x[i] = -x[i]
		}
		x[i] &= ring.Mask(bits)
	}
	return x
}

// Every tree, with and without flips and extension: which, changes with the width.
func TestRelu(t *testing.T) {
	forSizes(t, func(t *testing.T, r *rand.Rand, bits, n int) {
		for i, tree := range trees {
			x, flip, to := reluOf(r, i, bits, n)
			g := Sign{bits, 0, bits, tree}
			in := mpctest.Share(r, x, bits)
			y, _ := run(t, func(ctx context.Context, p *Party) ([]uint64, error) {
				return p.Relu(ctx, in[p.Role], g, flip.at(p.Role), to)
			})
			checkRelu(t, g, x, flip, y, to)
		}
	})
}

// reluOf is one relu of many: with flips or without, wide or not, by its number and the width.
func reluOf(r *rand.Rand, number, bits, n int) (x []uint64, flip *Flip, to int) {
	flipped, to, width := (number+bits)%2 == 0, bits, bits
	if (number/2+bits/2)%2 == 0 && bits > 2 {
		to = bits + 11
	}
	if flipped && to > bits {
		width-- // what Extend promises
	}
	x = draw(r, n, width, bits)
	if flipped {
		flip = &Flip{make([]uint64, ring.Words(n))}
		for i := range flip.At {
			flip.At[i] = r.Uint64()
		}
	}
	return x, flip, to
}

// at is what a party has of it.
func (f *Flip) at(role transport.Role) *Flip {
	if f == nil || role == transport.Server {
		return f
	}
	return &Flip{}
}

// checkRelu holds the results of a relu to its operands.
func checkRelu(t *testing.T, g Sign, x []uint64, flip *Flip, y [2][]uint64, to int) {
	t.Helper()
	for i, v := range mpctest.Open(y, to) {
		want := uint64(ring.Signed(x[i], g.Bits)) & ring.Mask(to)
		flipped := flip != nil && ring.Bit(flip.At, i) == 1
		if neg := ring.Signed(x[i], g.Bits) < 0; neg != flipped {
			want = 0
		}
		if v != want {
			t.Fatalf("%+v to %d bits: element %d: %d, flipped %v, gave %d", g, to, i, x[i], flipped, v)
		}
	}
}

func TestExtend(t *testing.T) {
	forSizes(t, func(t *testing.T, r *rand.Rand, bits, n int) {
		if bits < 3 {
			return
		}
		for _, to := range []int{bits + 1, bits + 8, 62} {
			small := draw(r, n, bits-1, bits)
			checkExtend(t, r, small, bits, to, func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) {
				return p.Extend(ctx, x, bits, to)
			})
			for i := range small {
				small[i] &= ring.Mask(bits - 1)
			}
			checkExtend(t, r, small, bits, to, func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) {
				return p.ExtendNonNeg(ctx, x, bits, to)
			})
			checkExtend(t, r, draw(r, n, bits, bits), bits, to, func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) {
				return p.ExtendAny(ctx, x, bits, to, wire.Tree{Leaf: 2})
			})
		}
	})
}

func checkExtend(t *testing.T, r *rand.Rand, x []uint64, from, to int, f func(context.Context, *Party, []uint64) ([]uint64, error)) {
	t.Helper()
	in := mpctest.Share(r, x, from)
	y, _ := run(t, func(ctx context.Context, p *Party) ([]uint64, error) { return f(ctx, p, in[p.Role]) })
	for i, v := range mpctest.Open(y, to) {
		if want := uint64(ring.Signed(x[i], from)) & ring.Mask(to); v != want {
			t.Fatalf("to %d: element %d: %d gave %d", to, i, ring.Signed(x[i], from), ring.Signed(v, to))
		}
	}
}

// Thresholds that share low bits, at every number of shared bits and in every
// shape: each result is that of a comparison of its own.
func TestAboveEverySharePair(t *testing.T) {
	const bits = 7
	x := allPairs(bits)
	for shared := range bits {
		step := int64(1) << shared
		for _, tree := range trees {
			for lo := range 3 {
				g := Sign{bits, lo, bits, tree}
				at := []int64{3, 3 - step, 3 + 2*step, 3, 5 * step}
				at[4] += 3
				b, _ := run(t, func(ctx context.Context, p *Party) ([][]uint64, error) { return p.Above(ctx, x[p.Role], at, g) })
				for i := range x[0] {
					for j, t0 := range at {
						if got := ring.Bit(b[0][j], i) ^ ring.Bit(b[1][j], i); got != reference(x[0][i]-uint64(t0), x[1][i], g) {
							t.Fatalf("%+v: shares %d and %d, threshold %d of %v: got %d", g, x[0][i], x[1][i], t0, at, got)
						}
					}
				}
			}
		}
	}
}
