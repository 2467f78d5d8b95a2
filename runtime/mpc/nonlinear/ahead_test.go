package nonlinear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// protocol is one call on this party's share x.
type protocol[T any] func(ctx context.Context, p *Party, x []uint64) (T, error)

// prepare records a protocol with the client's share and without the server's, exchanges early messages
// and gives the tape to be played.
func prepare[T any](ctx context.Context, p *Party, x []uint64, f protocol[T]) (*Tape, error) {
	room := int64(1000*len(x) + 1<<14)
	tape := NewTape(nil, room, room, p.Conn)
	if p.isServer() {
		x = make([]uint64, len(x))
	}
	if _, err := f(ctx, &Party{Role: p.Role, Conn: Nowhere{}, Corr: p.Corr, Tape: tape, Memory: used(len(x))}, x); err != nil {
		return nil, err
	}
	recorded, early := tape.Bytes()
	if err := p.Conn.Send(early); err != nil {
		return nil, err
	}
	if err := p.Conn.Flush(); err != nil {
		return nil, err
	}
	theirs := make([]byte, 0, len(early)) // as many as this party's, and planes
	for size := ring.PackedLen(min(len(x), wire.Chunk), 1); len(theirs) < len(early); {
		b := make([]byte, min(size, len(early)-len(theirs)))
		if err := p.Conn.Recv(b); err != nil {
			return nil, err
		}
		theirs = append(theirs, b...)
	}
	return Recorded(bytes.Clone(recorded), theirs), nil
}

// used is memory of which others have made use before.
func used(n int) *Memory {
	m := &Memory{blocks: [][]uint64{make([]uint64, 8), make([]uint64, 10*n+100)}}
	for _, b := range m.blocks {
		for i := range b {
			b[i] = ^uint64(i)
		}
	}
	return m
}

// ahead prepares and runs a protocol.
func ahead[T any](ctx context.Context, p *Party, x []uint64, f protocol[T]) (y T, err error) {
	tape, err := prepare(ctx, p, x, f)
	if err != nil {
		return y, err
	}
	play := &Party{Role: p.Role, Conn: p.Conn, Tape: tape, Memory: used(len(x))} // without correlations
	if y, err = f(ctx, play, x); err != nil {
		return y, err
	}
	return y, tape.Done()
}

// known is a tree whose client's operand is known ahead.
func known(t wire.Tree) wire.Tree {
	t.Prepared, t.Known = true, true
	return t
}

// Tables give the sign of every pair of shares, in every shape.
func TestTabledSignOfEverySharePair(t *testing.T) {
	for bits := 2; bits <= 6; bits++ {
		x := allPairs(bits)
		for lo := range bits {
			for i, tree := range trees {
				if !slow && (i+lo)%2 > 0 && bits < 6 {
					continue
				}
				g := Sign{bits, lo, bits, known(tree)}
				b, _ := run(t, func(ctx context.Context, p *Party) ([]uint64, error) {
					return ahead(ctx, p, x[p.Role], func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) { return p.DReLU(ctx, x, g) })
				})
				for i := range x[0] {
					if got := ring.Bit(b[0], i) ^ ring.Bit(b[1], i); got != reference(x[0][i], x[1][i], g) {
						t.Fatalf("%+v: shares %d and %d: got %d", g, x[0][i], x[1][i], got)
					}
				}
			}
		}
	}
}

// Every tree, with and without flips and extension, prepared: which, changes with the width.
func TestPreparedRelu(t *testing.T) {
	forSizes(t, func(t *testing.T, r *rand.Rand, bits, n int) {
		for i, tree := range trees {
			if !slow && ((i+bits+n)%3 > 0 || n > 1000 && i%5 > 0) {
				continue
			}
			x, flip, to := reluOf(r, i, bits, n)
			g := Sign{bits, 0, bits, known(tree)}
			in := mpctest.Share(r, x, bits)
			y, _ := run(t, func(ctx context.Context, p *Party) ([]uint64, error) {
				return ahead(ctx, p, in[p.Role], func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) {
					return p.Relu(ctx, x, g, flip.at(p.Role), to)
				})
			})
			checkRelu(t, g, x, flip, y, to)
		}
	})
}

func TestPreparedClip(t *testing.T) {
	forSizes(t, func(t *testing.T, r *rand.Rand, bits, n int) {
		if bits < 5 || n > 1000 || n == 1 && !slow {
			return
		}
		lo, hi := -int64(1)<<(bits-4)-1, int64(1)<<(bits-3)+1
		for i, tree := range trees {
			if !slow && (i+bits)%3 > 0 {
				continue
			}
			x := draw(r, n, bits-1, bits)
			in := mpctest.Share(r, x, bits)
			y, _ := run(t, func(ctx context.Context, p *Party) ([]uint64, error) {
				return ahead(ctx, p, in[p.Role], func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) {
					return p.Clip(ctx, x, Sign{bits, 0, bits, known(tree)}, lo, hi)
				})
			})
			for i, v := range mpctest.Open(y, bits) {
				if want := min(max(ring.Signed(x[i], bits), lo), hi); ring.Signed(v, bits) != want {
					t.Fatalf("%+v: element %d: %d gave %d, want %d", tree, i, ring.Signed(x[i], bits), ring.Signed(v, bits), want)
				}
			}
		}
	})
}

// A tournament with indices and a sorting network, whose levels each make the client's shares
// known again.
func TestPreparedSelect(t *testing.T) {
	forSizes(t, func(t *testing.T, r *rand.Rand, bits, n int) {
		if bits < 4 || n > 1000 || n == 1 && !slow {
			return
		}
		for i, tree := range trees {
			if !slow && (i+bits)%3 > 0 {
				continue
			}
			net := wire.TopK(5, 1+i%2*2)
			x := draw(r, 5*n, bits-2, bits)
			in := mpctest.Share(r, x, bits)
			const indexBits = 4
			y, _ := run(t, func(ctx context.Context, p *Party) ([2][]uint64, error) {
				return ahead(ctx, p, in[p.Role], func(ctx context.Context, p *Party, x []uint64) ([2][]uint64, error) {
					v, at, err := p.Select(ctx, x, n, net, Sign{bits, 0, bits, known(tree)}, indexBits)
					return [2][]uint64{v, at}, err
				})
			})
			values := mpctest.Open([2][]uint64{y[0][0], y[1][0]}, bits)
			places := mpctest.Open([2][]uint64{y[0][1], y[1][1]}, indexBits)
			k := len(net.Outputs)
			for c := range n {
				row := x[5*c : 5*c+5]
				for j := range k {
					v, at := values[c*k+j], places[c*k+j]
					above := 0
					for _, w := range row {
						if ring.Signed(w, bits) > ring.Signed(v, bits) {
							above++
						}
					}
					if at > 4 || row[at] != v || above > j {
						t.Fatalf("%+v: of %v, number %d is %d at %d", tree, row, j, v, at)
					}
				}
			}
		}
	})
}

// What was made once serves once: a second playing finds nothing.
func TestTapeEnds(t *testing.T) {
	g := Sign{12, 0, 12, known(wire.Tree{Leaf: 4, Arity: 3})}
	x := draw(rand.New(rand.NewPCG(1, 2)), 64, 12, 12)
	f := func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) {
		return p.Relu(ctx, x, g, nil, 20)
	}
	_, _ = run(t, func(ctx context.Context, p *Party) ([]uint64, error) {
		tape, err := prepare(ctx, p, x, f)
		if err != nil {
			return nil, err
		}
		play := &Party{Role: p.Role, Conn: p.Conn, Tape: tape}
		y, err := f(ctx, play, x)
		if err != nil {
			return nil, err
		}
		if err := tape.Done(); err != nil {
			return nil, err
		}
		if _, err := f(ctx, play, x); err == nil {
			return nil, fmt.Errorf("party %d played a tape twice", p.Role)
		}
		return y, nil
	})
}

// What the client sends ahead has one encoding.
func TestAheadIsHeldToItsEncoding(t *testing.T) {
	server, client := mpctest.Pipe()
	p := &Party{Role: transport.Server, Tape: NewTape(nil, 0, 0, server)}
	for bits, take := range map[int]func() error{
		3: func() error { return p.aheadBits(make([]uint64, 1), 3) },
		5: func() error { return p.aheadWords(make([]uint64, 1), 5) },
	} {
		for _, b := range []byte{1<<bits - 1, 1 << bits} {
			if err := errors.Join(client.Send([]byte{b}), client.Flush()); err != nil {
				t.Fatal(err)
			}
			if err := take(); errors.Is(err, transport.ErrViolation) != (b>>bits > 0) {
				t.Errorf("%d bits as %#x: %v", bits, b, err)
			}
		}
	}
}
