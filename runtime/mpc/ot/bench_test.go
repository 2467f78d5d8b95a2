package ot

import (
	"fmt"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/internal/kernel/kerneltest"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// BenchmarkDirection runs both parties on the cores there are.
func BenchmarkDirection(b *testing.B) {
	for _, cfg := range configs() {
		b.Run(cfg.name(), func(b *testing.B) {
			const total = 8 << 20
			before := kerneltest.CPU().Nanoseconds()
			for range b.N {
				s, r, _, _ := pair(b, cfg, total)
				done := make(chan error, 1)
				go func() { done <- drain(b, &s.stock, total) }()
				if err := drain(b, &r.stock, total); err != nil {
					b.Fatal(err)
				}
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(kerneltest.CPU().Nanoseconds()-before)/float64(b.N)/total/2, "cpu-ns/COT") // of one party
			b.ReportMetric(total*float64(b.N)/b.Elapsed().Seconds()/1e6, "MCOT/s")
		})
	}
}

// drain takes everything and throws it away.
func drain(b *testing.B, s *stock, total int) error {
	for left := total; left > 0; left -= slabSize {
		batch, err := s.take(b.Context(), min(left, slabSize), nil)
		if err != nil {
			return err
		}
		batch.release()
	}
	return nil
}

// sink is a connection that swallows what is sent.
type sink struct{ transport.Conn }

func (sink) Send([]byte) error { return nil }

// BenchmarkSilent is what a sender computes for a COT once it is under way.
func BenchmarkSilent(b *testing.B) { kerneltest.Bench(b, benchSilent, gathering, prg.Kernel) }

func benchSilent(b *testing.B) {
	for depth := 10; depth <= 13; depth++ {
		p, _ := wire.FerretOf(depth)
		b.Run(fmt.Sprint("set", depth), func(b *testing.B) {
			first := table(p.First(wire.MaxOTs))
			copy(first, randomVector(len(first)))
			f := newFerret(sink{}, p, prg.Block{1, 2}, wire.MaxOTs, first)
			f.delta = prg.Block{3, 4}
			rows := make([]prg.Block, slabSize)
			before := kerneltest.CPU().Nanoseconds()
			for b.Loop() {
				if err := f.fill(rows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(kerneltest.CPU().Nanoseconds()-before)/float64(b.N)/float64(len(rows)), "cpu-ns/COT")
		})
	}
}

// BenchmarkTreeCheck is what the check adds to it.
func BenchmarkTreeCheck(b *testing.B) { kerneltest.Bench(b, benchTreeCheck, weighing, prg.Kernel) }

func benchTreeCheck(b *testing.B) {
	for depth := 10; depth <= 13; depth++ {
		b.Run(fmt.Sprint("set", depth), func(b *testing.B) {
			leaves, c := randomVector(1<<depth), newTreeCheck(prg.Block{1, 2})
			var word [wire.TreeCheckBytes]byte
			for b.Loop() {
				c.vouch(word[:], leaves)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(leaves)), "ns/COT")
		})
	}
}

func BenchmarkGather(b *testing.B) { kerneltest.Bench(b, benchGather, gathering, prg.Kernel) }

func benchGather(b *testing.B) {
	for depth := 11; depth <= 13; depth++ {
		p, _ := wire.FerretOf(depth)
		b.Run(fmt.Sprint("set", depth), func(b *testing.B) { benchGatherFrom(b, table(p.K)) })
	}
}

func benchGatherFrom(b *testing.B, x []prg.Block) {
	copy(x, randomVector(len(x)))
	dst, index := make([]prg.Block, 4096), make([]prg.Block, indexBlocks(rowsAtOnce))
	c := prg.NewPublic(prg.Block{1, 2})
	row := uint64(0)
	for b.Loop() {
		for at := 0; at < len(dst); at += rowsAtOnce {
			c.Fill(index, row)
			row += rowsAtOnce / lineSize * wire.LPNWeight / 4
			gather(dst[at:at+rowsAtOnce], dst[at:at+rowsAtOnce], x, index)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(dst)), "ns/row")
}

func BenchmarkTranspose(b *testing.B) { kerneltest.Bench(b, benchTranspose, transposing) }

func benchTranspose(b *testing.B) {
	rows, cols := make([]prg.Block, 8192), randomVector(8192)
	for b.Loop() {
		transpose(rows, cols, 0)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rows)), "ns/row")
}

// BenchmarkColumns is what the check adds to SoftSpoken, for either party.
func BenchmarkColumns(b *testing.B) { kerneltest.Bench(b, benchColumns, multiplying, prg.Kernel) }

func benchColumns(b *testing.B) {
	for _, k := range []int{2, 4, 8} {
		b.Run(fmt.Sprint("k", k), func(b *testing.B) {
			s := newSoft(nil, k, randomVector(wire.BaseOTs/k<<k), [32]byte{}, 1<<20)
			copy(s.cols, randomVector(len(s.cols)))
			_, msg, said := s.message(wire.SoftRows)
			for b.Loop() {
				s.hash(msg, wire.SoftRows).respond(said, s.cols)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/wire.SoftRows, "ns/COT")
		})
	}
}
