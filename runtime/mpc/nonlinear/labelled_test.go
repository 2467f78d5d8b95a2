package nonlinear

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// labels are the trees of m compared bits that labels serve.
func labels(m int) (all []wire.Tree) {
	for leaf := 2; leaf <= wire.MaxLeaf; leaf++ {
		for _, arity := range []int{2, 3} {
			t := known(wire.Tree{Leaf: leaf, Arity: arity})
			t.Labelled = true
			if wire.NewCarries(m, 0, 1, t).Factors() > 0 {
				all = append(all, t)
			}
		}
	}
	return all
}

// aheadShared is ahead of a protocol whose result's share the client has drawn.
func aheadShared(ctx context.Context, p *Party, x, share []uint64, f protocol[[]uint64]) ([]uint64, error) {
	tape, err := prepare(ctx, p, x, f)
	if err != nil {
		return nil, err
	}
	play := &Party{Role: p.Role, Conn: p.Conn, Tape: tape}
	if p.Role == transport.Client {
		play.Share = share
	}
	y, err := f(ctx, play, x)
	if err != nil {
		return nil, err
	}
	return y, tape.Done()
}

// Every pair of shares, by two tables and by three.
func TestLabelledReluOfEverySharePair(t *testing.T) {
	for _, c := range [][3]int{{4, 0, 4}, {5, 0, 5}, {6, 1, 6}, {7, 0, 6}, {8, 1, 8}} {
		bits, lo, hi := c[0], c[1], c[2]
		x := allPairs(bits)
		r := rand.New(rand.NewPCG(3, uint64(bits)))
		share := draw(r, len(x[0]), bits, bits)
		for _, tree := range labels(hi - lo - 1) {
			g := Sign{bits, lo, hi, tree}
			y, _ := run(t, func(ctx context.Context, p *Party) ([]uint64, error) {
				return aheadShared(ctx, p, x[p.Role], share, func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) {
					return p.Relu(ctx, x, g, nil, bits)
				})
			})
			for i := range x[0] {
				want := (x[0][i] + x[1][i]) * reference(x[0][i], x[1][i], g) & ring.Mask(bits)
				if got := (y[0][i] + y[1][i]) & ring.Mask(bits); got != want || y[1][i] != share[i] {
					t.Fatalf("%+v: shares %d and %d: got %d, the client's share of it %d (drawn: %d), want %d", g, x[0][i], x[1][i], got, y[1][i], share[i], want)
				}
			}
		}
	}
}

// Widths, sizes, flips and extensions.
func TestLabelledRelu(t *testing.T) {
	tried := 0
	forSizes(t, func(t *testing.T, r *rand.Rand, bits, n int) {
		for i, tree := range labels(bits - 1) {
			if !slow && (i+bits+n)%3 > 0 {
				continue
			}
			tried++
			x, flip, to := reluOf(r, i, bits, n)
			g := Sign{bits, 0, bits, tree}
			in, share := mpctest.Share(r, x, bits), draw(r, n, to, to)
			y, _ := run(t, func(ctx context.Context, p *Party) ([]uint64, error) {
				return aheadShared(ctx, p, in[p.Role], share, func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) {
					return p.Relu(ctx, x, g, flip.at(p.Role), to)
				})
			})
			checkRelu(t, g, x, flip, y, to)
			if !slices.Equal(y[1], share) {
				t.Fatalf("%+v: the client's share is not the one it drew", g)
			}
		}
	})
	if tried < 10 {
		t.Errorf("%d shapes only", tried)
	}
}

// A tournament whose levels but the last are labelled, with what an argmax carries.
func TestLabelledSelect(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 5))
	for _, bits := range []int{8, 12, 16} {
		for _, tree := range labels(bits - 1) {
			const n, indexBits = 300, 4
			net := wire.TopK(5, 1)
			x := draw(r, 5*n, bits-2, bits)
			in := mpctest.Share(r, x, bits)
			y, _ := run(t, func(ctx context.Context, p *Party) ([2][]uint64, error) {
				return ahead(ctx, p, in[p.Role], func(ctx context.Context, p *Party, x []uint64) ([2][]uint64, error) {
					v, at, err := p.Select(ctx, x, n, net, Sign{bits, 0, bits, tree}, indexBits)
					return [2][]uint64{v, at}, err
				})
			})
			values := mpctest.Open([2][]uint64{y[0][0], y[1][0]}, bits)
			places := mpctest.Open([2][]uint64{y[0][1], y[1][1]}, indexBits)
			for c := range n {
				row := x[5*c : 5*c+5]
				most := slices.MaxFunc(row, func(a, b uint64) int { return int(ring.Signed(a, bits) - ring.Signed(b, bits)) })
				if at := places[c]; values[c] != most || at > 4 || row[at] != most {
					t.Fatalf("%+v: of %v, the largest is %d at %d", tree, row, values[c], at)
				}
			}
		}
	}
}

// The client's share of the result must be there: nothing else may take its place.
func TestLabelsNeedTheDrawnShare(t *testing.T) {
	tree := labels(9)[0]
	tape := Recorded(nil, nil)
	client := &Party{Role: transport.Client, Conn: Nowhere{}, Tape: tape}
	if _, err := client.Relu(t.Context(), make([]uint64, 8), Sign{10, 0, 10, tree}, nil, 10); err == nil {
		t.Error("a relu with labels and without the client's share went on")
	}
}
