package nonlinear

import (
	"context"
	"crypto/rand"
	"testing"

	"secc/runtime/mpc/mpctest"
	"secc/runtime/mpc/ot"
	"secc/runtime/transport"
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

const benchN = 1 << 20

func benchmarkRelu(b *testing.B, g Sign, corr func(transport.Role, *mpctest.Pair) Correlations) {
	x := make([]uint64, benchN)
	for b.Loop() {
		pair := mpctest.NewPair(1)
		err := pair.Run(func(ctx context.Context, role transport.Role) error {
			p := &Party{Role: role, Conn: pair.Conn[role], Corr: corr(role, pair)}
			_, err := p.Relu(ctx, x, g, nil)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchN, "ns/elem")
}

var benchSign = Sign{16, 0, 15, Tree{Leaf: 2}}

func BenchmarkReluAlone(b *testing.B) {
	benchmarkRelu(b, benchSign, func(transport.Role, *mpctest.Pair) Correlations { return blank{} })
}

func BenchmarkReluAloneRipple(b *testing.B) {
	benchmarkRelu(b, Sign{16, 0, 15, Tree{Leaf: 2, Ripple: true}}, func(transport.Role, *mpctest.Pair) Correlations { return blank{} })
}

// BenchmarkReluFerret includes making the OTs, set-up too.
func BenchmarkReluFerret(b *testing.B) {
	cfg := ot.Config{Kind: ot.Ferret, Set: 12}
	x := make([]uint64, benchN)
	for b.Loop() {
		var conns [3][2]*transport.PipeConn
		for i := range conns {
			conns[i][0], conns[i][1] = transport.Pipe()
		}
		pair := mpctest.NewPair(1)
		err := pair.Run(func(ctx context.Context, role transport.Role) error {
			byServer, byClient := int64(7*benchN), int64(21*benchN)
			sends, receives := byServer, byClient
			if role == transport.Client {
				sends, receives = byClient, byServer
			}
			s, err := ot.NewSender(ctx, conns[1+role][role], cfg, sends, rand.Reader)
			if err != nil {
				return err
			}
			r, err := ot.NewReceiver(ctx, conns[2-role][role], cfg, receives, rand.Reader)
			if err != nil {
				return err
			}
			p := &Party{Role: role, Conn: pair.Conn[role], Corr: From[*ot.SendBatch, *ot.RecvBatch](s, r)}
			_, err = p.Relu(ctx, x, benchSign, nil)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchN, "ns/elem")
}
