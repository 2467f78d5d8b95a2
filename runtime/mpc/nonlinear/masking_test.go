package nonlinear

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// fixedPads are the OTs of one run at their sender: pads[i][b] is pad b of OT i.
type fixedPads struct {
	pads [][2]uint64
	next int
}

func (f *fixedPads) Send(context.Context, int) (SendPads, error) {
	f.next++
	return onePad(f.pads[f.next-1]), nil
}

func (f *fixedPads) Recv(context.Context, int) (RecvPads, error) { panic("the answerer receives none") }

type onePad [2]uint64

func (p onePad) PadsInto(width int, p0, p1 []uint64) {
	p0[0], p1[0] = p[0]&ring.Mask(width), p[1]&ring.Mask(width)
}

// script answers every Recv with the next bit and keeps the bits that are sent.
type script struct {
	in   uint64
	sent []byte
}

func (s *script) Recv(p []byte) error        { p[0], s.in = byte(s.in&1), s.in>>1; return nil }
func (s *script) Send(p []byte) error        { s.sent = append(s.sent, p...); return nil }
func (s *script) Flush() error               { return nil }
func (s *script) Stats() (_ transport.Stats) { return }

// answers runs the answerer's side of one leaf of t bits in some sums for one
// element and gives the message.
func answers(t *testing.T, size, sums int, asked bool, pads [][2]uint64, own, flips uint64) []byte {
	t.Helper()
	l := leaf{Leaf: &wire.Leaf{Size: size, Asked: asked}, own: ring.Planes(size, 1)}
	for k := range sums {
		s := leafSum{own: ring.Planes(size, 1), gen: make([]uint64, 1)}
		for i := range s.own {
			s.own[i][0] = own >> (k*size + i) & 1
		}
		if asked {
			s.prop = make([]uint64, 1)
		}
		l.sums = append(l.sums, s)
	}
	conn := &script{in: flips}
	p := &Party{Role: transport.Server, Conn: conn, Corr: &fixedPads{pads: pads}}
	if err := p.leaves(t.Context(), 1, []leaf{l}, transport.Client, several(nil)); err != nil {
		t.Fatal(err)
	}
	return conn.sent
}

// The message of a leaf is affine in the pads that the chooser lacks. Every
// table is masked perfectly, those of several sums under one set of choices
// together, if and only if these pads move the message in as many independent
// directions as it has bits: then it is uniform whatever the answerer's bits are.
func TestLeafTablesAreMaskedIndependently(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for size := 1; size <= wire.MaxLeaf; size++ {
		for _, asked := range []bool{false, true} {
			w := (&wire.Leaf{Size: size, Asked: asked}).Width()
			for _, sums := range []int{1, min(3, wire.MaxPad/w), wire.MaxPad / w} {
				step := uint64(1)
				if size == wire.MaxLeaf && !slow { // choices of 5 bits take a third of a minute
					step = 31
				}
				for choice := uint64(0); choice < 1<<size; choice += step {
					pads := make([][2]uint64, size)
					for i := range pads {
						pads[i] = [2]uint64{r.Uint64(), r.Uint64()}
					}
					own, flips := r.Uint64(), r.Uint64()
					base := answers(t, size, sums, asked, pads, own, flips)
					var moves [][]byte
					for i := range pads {
						lacks := 1 - choice>>i&1
						for bit := range w * sums {
							pads[i][lacks] ^= 1 << bit
							moves = append(moves, answers(t, size, sums, asked, pads, own, flips))
							pads[i][lacks] ^= 1 << bit
						}
					}
					if got := rank(base, moves); got != len(base) {
						t.Fatalf("%d bits, %d sums, asked %v, choice %b: a message of %d bits is masked in %d", size, sums, asked, choice, len(base), got)
					}
				}
			}
		}
	}
}

// rank is that of the differences from base, a bit a byte, over GF(2).
func rank(base []byte, moves [][]byte) (n int) {
	pivots := map[int][]uint64{}
	for _, m := range moves {
		row := make([]uint64, len(base)/64+1)
		for j := range base {
			row[j/64] |= uint64(base[j]^m[j]) & 1 << (j % 64)
		}
		for {
			at := lowest(row)
			if at < 0 {
				break
			}
			p, ok := pivots[at]
			if !ok {
				pivots[at] = row
				n++
				break
			}
			xor(row, p)
		}
	}
	return n
}

func lowest(row []uint64) int {
	for i, w := range row {
		if w != 0 {
			return 64*i + bits.TrailingZeros64(w)
		}
	}
	return -1
}
