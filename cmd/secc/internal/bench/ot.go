package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/runtime/mpc/ot"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// otRow is one extension's figures. The rates leave out the one-time setup; the
// bits count everything, setup too, over COTs. A busy machine slows the first
// rate; the second divides by the CPU time of the busier party instead.
type otRow struct {
	Name          string  `json:"name"`
	COTsPerSecond float64 `json:"cots_per_second"`
	PerCPUSecond  float64 `json:"cots_per_cpu_second,omitempty"`
	BitsPerCOT    float64 `json:"bits_per_cot"`
	COTs          int64   `json:"cots"`
	SetupSeconds  float64 `json:"setup_seconds"`
	SetupBytes    int64   `json:"setup_bytes"`
}

// otBench is one extension to be measured.
type otBench struct {
	name string
	cfg  ot.Config
}

func otBenches() []otBench {
	return []otBench{
		{"ferret", ot.Config{Kind: wire.Ferret, Set: 11}},
		{"ferret12", ot.Config{Kind: wire.Ferret, Set: 12}},
		{"ferret13", ot.Config{Kind: wire.Ferret, Set: 13}},
		{"softspoken2", ot.Config{Kind: wire.SoftSpoken, K: 2}},
		{"softspoken4", ot.Config{Kind: wire.SoftSpoken, K: 4}},
		{"softspoken8", ot.Config{Kind: wire.SoftSpoken, K: 8}},
	}
}

func otCommand() *cobra.Command {
	var total int64
	var runs int
	return two[otRow]{
		name: "ot", short: "Measure how fast correlated OTs are made, and how many bits each takes",
		flags: func(fl *pflag.FlagSet) {
			fl.Int64Var(&total, "cots", 1<<25, "correlated OTs to make with each extension")
			fl.IntVar(&runs, "runs", 3, "runs of each; the median rate counts")
		},
		ready: func() (measurement[otRow], error) {
			if total < 1 || total > wire.MaxOTs || runs < 1 || runs > 100 {
				return nil, exit.Usagef("--cots or --runs out of range")
			}
			return func(ctx context.Context, m *transport.Mux, role transport.Role) ([]otRow, error) {
				return benchOT(ctx, m, total, runs, role)
			}, nil
		},
		print: printOT,
	}.command()
}

// benchOT makes total COTs with every extension, the server as OT sender.
func benchOT(ctx context.Context, m *transport.Mux, total int64, runs int, role transport.Role) ([]otRow, error) {
	var rows []otRow
	for _, b := range otBenches() {
		var some []otRow
		for range runs {
			r, err := benchOneOT(ctx, m, b.cfg, total, role)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", b.name, err)
			}
			some = append(some, r)
		}
		slices.SortFunc(some, func(x, y otRow) int { return int(x.COTsPerSecond - y.COTsPerSecond) })
		r := some[len(some)/2]
		r.Name = b.name
		rows = append(rows, r)
	}
	return rows, nil
}

// otSource is what a Sender and a Receiver have in common here.
type otSource interface {
	Wait(context.Context) error
	Close() error
}

func benchOneOT(ctx context.Context, m *transport.Mux, cfg ot.Config, total int64, role transport.Role) (otRow, error) {
	row := otRow{COTs: total}
	cfg.Ahead = 1 << 16 // little is made before the clock starts
	sync, conn := m.Channel(0), m.Channel(1)
	before := conn.Stats()
	if err := barrier(sync); err != nil {
		return row, err
	}
	start := time.Now()
	src, take, err := otDirection(ctx, conn, cfg, total, role)
	if err != nil {
		return row, err
	}
	defer src.Close()
	if err := src.Wait(ctx); err != nil {
		return row, err
	}
	row.SetupSeconds = time.Since(start).Round(time.Microsecond).Seconds()
	buf := make([]prg.Block, 1<<14)
	row.COTsPerSecond, row.PerCPUSecond, err = rate(sync, total, func() error {
		for left := total; left > 0; left -= int64(len(buf)) {
			if err := take(buf[:min(left, int64(len(buf)))]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return row, err
	}
	after := conn.Stats()
	kind := plan.OTKind{Kind: cfg.Kind, K: cfg.K, Set: cfg.Set}
	setup := plan.OT{ServerSends: kind}.Cost(plan.COTs{ServerSends: total}).Setup
	row.SetupBytes = setup.ToServer() + setup.ToClient()
	row.BitsPerCOT = 8 * float64(after.Sent+after.Received-before.Sent-before.Received) / float64(total)
	return row, nil
}

// otDirection starts this party's side and gives the function that takes blocks.
func otDirection(ctx context.Context, conn transport.Conn, cfg ot.Config, total int64, role transport.Role) (otSource, func([]prg.Block) error, error) {
	if role == transport.Server {
		s, err := ot.NewSender(ctx, conn, cfg, total, rand.Reader)
		return s, func(dst []prg.Block) error {
			b, err := s.Take(ctx, len(dst))
			if err == nil {
				b.BlocksInto(dst)
			}
			return err
		}, err
	}
	r, err := ot.NewReceiver(ctx, conn, cfg, total, rand.Reader)
	return r, func(dst []prg.Block) error {
		b, err := r.Take(ctx, len(dst))
		if err == nil {
			b.BlocksInto(dst)
		}
		return err
	}, err
}

func printOT(w io.Writer, rep Report[otRow]) error {
	t := table.NewWriter()
	t.AppendHeader(table.Row{"extension", "million COT/s", "a CPU second", "bits a COT", "setup s", "setup bytes"})
	for _, r := range rep.Rows {
		t.AppendRow(table.Row{
			r.Name, fmt.Sprintf("%.1f", r.COTsPerSecond/1e6), fmt.Sprintf("%.1f", r.PerCPUSecond/1e6), fmt.Sprintf("%.3f", r.BitsPerCOT), fmt.Sprintf("%.3f", r.SetupSeconds), r.SetupBytes,
		})
	}
	_, err := fmt.Fprintf(w, "%s; %d COTs each, one core a party\n%s\n", rep.Machine, rep.Rows[0].COTs, t.Render())
	return err
}
