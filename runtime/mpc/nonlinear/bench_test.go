package nonlinear

import (
	"context"
	"crypto/rand"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/ot"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// blank is a source of OTs whose pads are zero: they cost nothing, so that a
// benchmark shows what the protocol itself takes.
type blank struct{}

func (blank) Send(context.Context, int) (SendPads, error) { return blankSend{}, nil }
func (blank) Recv(context.Context, int) (RecvPads, error) { return blankRecv{}, nil }

type blankSend struct{}

func (blankSend) PadsInto(_ int, p0, p1 []uint64) { clear(p0); clear(p1) }

type blankRecv struct{}

func (blankRecv) PadsInto(_ int, choice, p []uint64) { clear(choice); clear(p) }

const benchN = 1 << 18

// benchmark runs f on both parties with free correlations. The time is that of
// both parties on as many cores as there are.
func benchmark(b *testing.B, f func(ctx context.Context, p *Party, x []uint64) error) {
	x := make([]uint64, benchN)
	for b.Loop() {
		pair := mpctest.NewPair(1)
		err := pair.Run(func(ctx context.Context, role transport.Role) error {
			return f(ctx, &Party{Role: role, Conn: pair.Conn[role], Corr: blank{}}, x)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchN, "ns/elem")
}

func BenchmarkReluAlone(b *testing.B) {
	for name, tree := range map[string]wire.Tree{"leaf1": {Leaf: 1}, "leaf2": {Leaf: 2}, "leaf3": {Leaf: 3}, "leaf4": {Leaf: 4}, "ripple": {Leaf: 2, Ripple: true}} {
		b.Run(name, func(b *testing.B) {
			benchmark(b, func(ctx context.Context, p *Party, x []uint64) error {
				_, err := p.DReLU(ctx, x, Sign{16, 0, 15, tree})
				return err
			})
		})
	}
}

func BenchmarkMuxAlone(b *testing.B) {
	bit := make([]uint64, ring.Words(benchN))
	for _, bits := range []int{16, 17, 28} {
		b.Run("", func(b *testing.B) {
			benchmark(b, func(ctx context.Context, p *Party, x []uint64) error {
				_, err := p.Mux(ctx, bit, x, bits)
				return err
			})
		})
	}
}

func BenchmarkExtendAlone(b *testing.B) {
	benchmark(b, func(ctx context.Context, p *Party, x []uint64) error {
		_, err := p.ExtendNonNeg(ctx, x, 16, 28)
		return err
	})
}

// BenchmarkReluFerret includes making the OTs, set-up too.
func BenchmarkReluFerret(b *testing.B) {
	cfg := ot.Config{Kind: wire.Ferret, Set: 12}
	x := make([]uint64, benchN)
	for b.Loop() {
		var conns [2][2]*mpctest.PipeConn
		for i := range conns {
			conns[i][0], conns[i][1] = mpctest.Pipe()
		}
		pair := mpctest.NewPair(1)
		err := pair.Run(func(ctx context.Context, role transport.Role) error {
			total := [2]int64{7 * benchN, 21 * benchN} // by who sends
			s, err := ot.NewSender(ctx, conns[role][role], cfg, total[role], rand.Reader)
			if err != nil {
				return err
			}
			r, err := ot.NewReceiver(ctx, conns[role.Peer()][role], cfg, total[role.Peer()], rand.Reader)
			if err != nil {
				return err
			}
			p := &Party{Role: role, Conn: pair.Conn[role], Corr: From[*ot.SendBatch, *ot.RecvBatch](s, r)}
			_, err = p.Relu(ctx, x, Sign{16, 0, 15, wire.Tree{Leaf: 2}}, nil, 16)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchN, "ns/elem")
}
