package ot

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/prg"
)

// pair starts both sides of a direction on an in-memory channel.
func pair(t testing.TB, cfg Config, total int64) (*Sender, *Receiver, *mpctest.PipeConn, *mpctest.PipeConn) {
	t.Helper()
	a, b := mpctest.Pipe()
	s, err := NewSender(context.Background(), a, cfg, total, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReceiver(context.Background(), b, cfg, total, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); r.Close(); a.Close(); b.Close() })
	return s, r, a, b
}

func configs() []Config {
	return []Config{{Kind: wire.SoftSpoken, K: 2}, {Kind: wire.SoftSpoken, K: 4}, {Kind: wire.SoftSpoken, K: 8},
		{Kind: wire.Ferret, Set: 10}, {Kind: wire.Ferret, Set: 11}, {Kind: wire.Ferret, Set: 12}, {Kind: wire.Ferret, Set: 13}}
}

func (c Config) name() string { return fmt.Sprintf("%s-k%d-set%d", c.Kind, c.K, c.Set) }

func takeBoth(t testing.TB, s *Sender, r *Receiver, n int) (*SendBatch, *RecvBatch) {
	t.Helper()
	sb, err := s.Take(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	rb, err := r.Take(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return sb, rb
}

func TestCorrelation(t *testing.T) {
	for _, cfg := range configs() {
		for _, n := range sizes(cfg) {
			t.Run(fmt.Sprint(cfg.name(), "/", n), func(t *testing.T) {
				s, r, _, _ := pair(t, cfg, int64(n))
				sb, rb := takeBoth(t, s, r, n)
				q, delta := sb.Blocks()
				ts := rb.Blocks()
				ones := checkCorrelation(t, q, ts, delta)
				if n > 1000 && (ones < n/2-n/20 || ones > n/2+n/20) {
					t.Errorf("%d of %d choice bits are one", ones, n)
				}
			})
		}
	}
}

// sizes are the totals to try. A Ferret setup takes a second or more without
// kernels, so the portable build tries all of them with the smallest set only.
func sizes(cfg Config) []int {
	switch {
	case cfg.Set == 10:
		return []int{1, 7, 64, 65, 100_000, 1_700_000} // the last takes three iterations
	case cfg.Kind == wire.Ferret && gathering.Variant() == kernel.Portable:
		return []int{65}
	}
	return []int{1, 7, 64, 65, 100_000}
}

func checkCorrelation(t testing.TB, q, ts []prg.Block, delta prg.Block) (ones int) {
	t.Helper()
	if delta[0]&1 != 1 {
		t.Fatal("lowest bit of Delta is not set")
	}
	seen := map[prg.Block]bool{}
	for i := range q {
		r := ts[i][0] & 1
		ones += int(r)
		if q[i].Xor(delta.And(-r)) != ts[i] {
			t.Fatalf("OT %d of %d: t != q ^ r*Delta", i, len(q))
		}
		if q[i][0]&1 != 0 {
			t.Fatalf("OT %d: the sender's lowest bit is set", i)
		}
		if i > 1<<16 {
			continue
		}
		if seen[q[i]] {
			t.Fatalf("OT %d: block repeats", i)
		}
		seen[q[i]] = true
	}
	return ones
}

func TestPads(t *testing.T) {
	const total = 30_000
	for _, bits := range []int{1, 2, 13, 16, 31, 64} {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			s, r, _, _ := pair(t, configs()[0], total)
			for _, n := range []int{0, 1, 7, 64, 65, 8191, 10_001, 777} { // batches cross slabs and epochs
				sb, rb := takeBoth(t, s, r, n)
				p0, p1 := sb.Pads(bits)
				c, p := rb.Pads(bits)
				checkPads(t, n, bits, p0, p1, c, p)
			}
		})
	}
}

func element(p []uint64, i, bits int) uint64 {
	if bits == 1 {
		return p[i/64] >> (i % 64) & 1
	}
	return p[i]
}

func checkPads(t *testing.T, n, bits int, p0, p1, c, p []uint64) {
	t.Helper()
	same := 0
	for i := range n {
		want, other := element(p0, i, bits), element(p1, i, bits)
		if element(c, i, 1) == 1 {
			want, other = other, want
		}
		got := element(p, i, bits)
		if got != want {
			t.Fatalf("pad %d of %d: %x, want %x", i, n, got, want)
		}
		if bits < 64 && (want|other)>>bits != 0 {
			t.Fatalf("pad %d is wider than %d bits", i, bits)
		}
		if want == other {
			same++
		}
	}
	if bits > 16 && same > 0 || n > 7000 && bits == 1 && (same < n*2/5 || same > n*3/5) {
		t.Errorf("%d of %d pad pairs are equal", same, n)
	}
}

func TestBatchIsUsedOnce(t *testing.T) {
	s, r, _, _ := pair(t, configs()[0], 100)
	sb, rb := takeBoth(t, s, r, 100)
	sb.Pads(16)
	rb.Pads(16)
	for name, again := range map[string]func(){
		"sender":   func() { sb.Pads(16) },
		"receiver": func() { rb.Pads(16) },
		"raw":      func() { sb.Blocks() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: a used batch was read again", name)
				}
			}()
			again()
		}()
	}
	if _, err := s.Take(t.Context(), 1); err == nil {
		t.Error("more OTs were handed out than the total")
	}
}

func TestTablePads(t *testing.T) {
	s, r, _, _ := pair(t, configs()[1], 200_000)
	for m := 1; m <= MaxTable; m++ {
		for _, bits := range []int{1, 9} {
			for _, n := range []int{0, 1, 65, 5000} {
				sb, rb := takeBoth(t, s, r, n*m)
				pads := sb.TablePads(m, bits)
				choice, p := rb.TablePads(m, bits)
				other := 0
				for i := range n {
					x := 0
					for j := range m {
						x |= int(element(choice[j], i, 1)) << j
					}
					if got, want := element(p, i, bits), element(pads[x], i, bits); got != want {
						t.Fatalf("m = %d, %d bits: pad %d is %x, want %x", m, bits, i, got, want)
					}
					for y := range 1 << m {
						if y != x && element(pads[y], i, bits) == element(p, i, bits) {
							other++
						}
					}
				}
				if most := n * (1<<m - 1) * 3 / 4; n > 1000 && other > most {
					t.Errorf("m = %d, %d bits: %d of the pads not chosen are equal to the chosen one", m, bits, other)
				}
			}
		}
	}
}

func TestTimesX(t *testing.T) {
	for _, a := range randomVector(50) {
		want := a
		for j := range MaxTable {
			if got := timesX(a, j); got != want {
				t.Fatalf("X^%d * %x = %x, want %x", j, a, got, want)
			}
			top := want[1] >> 63
			want = prg.Block{want[0] << 1, want[1]<<1 | want[0]>>63}
			want[0] ^= 0x87 * top // X^128 = X^7 + X^2 + X + 1
		}
	}
}

// TestNothingIsHandedOutTwice: no OT is in two batches, whatever their sizes,
// and none repeats within a direction.
func TestNothingIsHandedOutTwice(t *testing.T) {
	const total = 40_000
	for _, cfg := range []Config{{Kind: wire.SoftSpoken, K: 2}, {Kind: wire.Ferret, Set: 10}} {
		s, r, _, _ := pair(t, cfg, total)
		seen := map[prg.Block]bool{}
		for left, n := total, 1; left > 0; left, n = left-n, min(left-n, 3*n%9973) {
			sb, rb := takeBoth(t, s, r, n)
			rb.Blocks()
			q, _ := sb.Blocks()
			for _, x := range q {
				if seen[x] {
					t.Fatalf("%s: the same OT twice", cfg.name())
				}
				seen[x] = true
			}
		}
	}
}

func TestSeeds(t *testing.T) {
	s, r, _, _ := pair(t, configs()[2], 20_000)
	for _, n := range []int{1, 65, 9001} {
		sb, rb := takeBoth(t, s, r, n)
		s0, s1, chosen := make([]prg.Block, n), make([]prg.Block, n), make([]prg.Block, n)
		choice := make([]uint64, Words(n, 1))
		sb.SeedsInto(s0, s1)
		rb.SeedsInto(choice, chosen)
		for i := range n {
			want, other := s0[i], s1[i]
			if element(choice, i, 1) == 1 {
				want, other = other, want
			}
			if chosen[i] != want || want == other || want[0] == want[1] {
				t.Fatalf("n = %d: seed %d is %x of %x and %x", n, i, chosen[i], s0[i], s1[i])
			}
		}
	}
}
