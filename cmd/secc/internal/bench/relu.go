package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/mpc/ot"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// reluRow is one way to compute ReLU. The rate includes making the OTs but not
// their one-time setup; the bits count everything that was sent, setup too.
type reluRow struct {
	Name              string  `json:"name"`
	RingBits          int     `json:"ring_bits"`
	ComparedBits      int     `json:"compared_bits"`
	BitsPerElement    float64 `json:"bits_per_element"`
	ElementsPerSecond float64 `json:"elements_per_second"`
	Rounds            int     `json:"rounds"`
	PerCPUSecond      float64 `json:"elements_per_cpu_second,omitempty"` // by the CPU time of the busier party
	OnlineBits        float64 `json:"online_bits_per_element"`           // of them on the execution channel
	OTBits            float64 `json:"ot_bits_per_element"`               // and for correlated OTs, setup left out
	SetupBytes        int64   `json:"setup_bytes"`                       // one-time: base OTs and the first silent ones
	COTs              int64   `json:"cots_per_element"`
	Wrong             int     `json:"wrong"` // results that are neither right nor the permitted deviation near zero
	Elements          int     `json:"elements"`
	AsPredicted       bool    `json:"as_predicted"` // bytes and rounds of the execution are those of the cost model
}

// reluBench is one way to be measured.
type reluBench struct {
	name string
	c    plan.Relu
	kind ot.Config
}

func reluBenches() []reluBench {
	silent, fast := ot.Config{Kind: wire.Ferret, Set: 11}, ot.Config{Kind: wire.SoftSpoken, K: 2}
	return []reluBench{
		{"relu", plan.Relu{Sign: plan.Sign{Bits: 16, Lo: 0, Hi: 15, Tree: wire.Tree{Leaf: 3}}}, silent},
		{"relu", plan.Relu{Sign: plan.Sign{Bits: 16, Lo: 4, Hi: 15, Tree: wire.Tree{Leaf: 3}}}, silent},
		{"relu_leaf1", plan.Relu{Sign: plan.Sign{Bits: 16, Lo: 0, Hi: 15, Tree: wire.Tree{Leaf: 1}}}, silent},
		{"relu_leaf2", plan.Relu{Sign: plan.Sign{Bits: 16, Lo: 0, Hi: 15, Tree: wire.Tree{Leaf: 2}}}, silent},
		{"relu_leaf4", plan.Relu{Sign: plan.Sign{Bits: 16, Lo: 0, Hi: 15, Tree: wire.Tree{Leaf: 4}}}, silent},
		{"relu_ripple", plan.Relu{Sign: plan.Sign{Bits: 16, Lo: 0, Hi: 15, Tree: wire.Tree{Leaf: 2, Ripple: true}}}, silent},
		{"relu_extend28", plan.Relu{Sign: plan.Sign{Bits: 16, Lo: 4, Hi: 15, Tree: wire.Tree{Leaf: 3}}, ExtendTo: 28}, silent},
		{"relu_softspoken2", plan.Relu{Sign: plan.Sign{Bits: 16, Lo: 0, Hi: 15, Tree: wire.Tree{Leaf: 4}}}, fast},
	}
}

func reluCommand() *cobra.Command {
	var n, runs int
	return two[reluRow]{
		name: "relu", short: "Measure ReLU on shares: rate, bits and rounds, correlated OTs included",
		flags: func(fl *pflag.FlagSet) {
			fl.IntVar(&n, "elements", 1<<21, "elements of a layer")
			fl.IntVar(&runs, "runs", 3, "runs of each; the median rate counts")
		},
		ready: func() (measurement[reluRow], error) {
			if n < 1 || n > 1<<26 || runs < 1 || runs > 100 {
				return nil, exit.Usagef("--elements or --runs out of range")
			}
			return func(ctx context.Context, m *transport.Mux, role transport.Role) ([]reluRow, error) {
				return benchRelu(ctx, m, role, n, runs)
			}, nil
		},
		print: printRelu,
	}.command()
}

func benchRelu(ctx context.Context, m *transport.Mux, role transport.Role, n, runs int) ([]reluRow, error) {
	var rows []reluRow
	var depth plan.Depth
	for _, b := range reluBenches() {
		var some []reluRow
		for range runs {
			r, err := benchOneRelu(ctx, m, role, b, n, &depth)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", b.name, err)
			}
			some = append(some, r)
		}
		slices.SortFunc(some, func(x, y reluRow) int { return int(x.ElementsPerSecond - y.ElementsPerSecond) })
		rows = append(rows, some[len(some)/2])
	}
	return rows, nil
}

// reluChannels: execution, OTs by the server, OTs by the client, the bench's own.
const reluChannels = 4

func benchOneRelu(ctx context.Context, m *transport.Mux, role transport.Role, b reluBench, n int, depth *plan.Depth) (reluRow, error) {
	cost := plan.CostRelu(n, &b.c)
	row := reluRow{Name: b.name, RingBits: b.c.Bits, ComparedBits: b.c.Hi - b.c.Lo, Elements: n}
	row.COTs = (cost.COTs.ServerSends + cost.COTs.ClientSends) / int64(n)
	share, err := randomShare(n, b.c.Bits)
	if err != nil {
		return row, err
	}
	var before [reluChannels]transport.Stats
	for i := range before {
		before[i] = m.Channel(i).Stats()
	}
	p, done, err := reluParty(ctx, m, role, b.kind, cost.COTs)
	if err != nil {
		return row, err
	}
	defer done()
	sync := m.Channel(reluChannels - 1)
	var y []uint64
	row.ElementsPerSecond, row.PerCPUSecond, err = rate(sync, int64(n), func() (err error) {
		y, err = reluOf(ctx, p, &b.c, share)
		return err
	})
	if err != nil {
		return row, err
	}
	*depth = depth.After(cost.Flights)
	row.count(m, before, b, cost)
	row.AsPredicted = row.AsPredicted && m.Channel(0).Stats().Rounds == depth.Server
	row.Wrong, err = wrongRelus(sync, role, &b.c, share, y)
	return row, err
}

// count fills in what was sent.
func (r *reluRow) count(m *transport.Mux, before [reluChannels]transport.Stats, b reluBench, cost plan.Cost) {
	var bits [3]float64
	for i := range bits {
		s := m.Channel(i).Stats()
		bits[i] = 8 * float64(s.Sent+s.Received-before[i].Sent-before[i].Received)
	}
	n := float64(r.Elements)
	exec := m.Channel(0).Stats()
	r.Rounds = plan.Depth{}.After(cost.Flights).Rounds()
	kind := plan.OTKind{Kind: b.kind.Kind, K: b.kind.K, Set: b.kind.Set}
	setup := plan.OT{ServerSends: kind, ClientSends: kind}.Cost(cost.COTs).Setup
	r.SetupBytes = setup.ToServer() + setup.ToClient()
	r.OnlineBits = bits[0] / n
	r.OTBits = (bits[1] + bits[2] - 8*float64(r.SetupBytes)) / n
	r.BitsPerElement = (bits[0] + bits[1] + bits[2]) / n
	r.AsPredicted = exec.Sent-before[0].Sent == cost.ToClient() && exec.Received-before[0].Received == cost.ToServer()
}

// reluParty starts the OTs of one run and waits for their setup.
func reluParty(ctx context.Context, m *transport.Mux, role transport.Role, kind ot.Config, cots plan.COTs) (*nonlinear.Party, func(), error) {
	kind.Ahead = 1 << 17
	sends, receives := cots.ServerSends, cots.ClientSends
	out, in := m.Channel(1), m.Channel(2)
	if role == transport.Client {
		sends, receives, out, in = receives, sends, in, out
	}
	s, err := ot.NewSender(ctx, out, kind, sends, rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	r, err := ot.NewReceiver(ctx, in, kind, receives, rand.Reader)
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	done := func() { s.Close(); r.Close() }
	if err := s.Wait(ctx); err != nil {
		done()
		return nil, nil, err
	}
	if err := r.Wait(ctx); err != nil {
		done()
		return nil, nil, err
	}
	corr := nonlinear.From[*ot.SendBatch, *ot.RecvBatch](s, r)
	return &nonlinear.Party{Role: role, Conn: m.Channel(0), Corr: corr}, done, nil
}

func reluOf(ctx context.Context, p *nonlinear.Party, c *plan.Relu, x []uint64) ([]uint64, error) {
	s := nonlinear.Sign{Bits: c.Bits, Lo: c.Lo, Hi: c.Hi, Tree: c.Tree}
	return p.Relu(ctx, x, s, nil, max(c.Bits, c.ExtendTo))
}

// wrongRelus: the client opens its shares to the server, which counts the
// results that are not what the comparison is defined to give.
func wrongRelus(conn transport.Conn, role transport.Role, c *plan.Relu, x, y []uint64) (wrong int, err error) {
	width := max(c.Bits, c.ExtendTo)
	if x, err = opened(conn, role, x, c.Bits); err != nil {
		return 0, err
	}
	if y, err = opened(conn, role, y, width); err != nil || role == transport.Client {
		return 0, err
	}
	for i, v := range x {
		if half := uint64(1) << (c.Hi - 1); v+half-1<<c.Lo >= 2*half-1<<c.Lo && v < ring.Mask(c.Bits)-half+1+1<<c.Lo {
			continue // outside what Hi promises
		}
		got, pos := y[i], ring.Signed(v, c.Bits) >= 0
		if pos && got == v || !pos && got == 0 || pos && v < 1<<c.Lo && got == 0 {
			continue
		}
		wrong++
	}
	return wrong, nil
}

func printRelu(w io.Writer, rep Report[reluRow]) error {
	t := table.NewWriter()
	t.AppendHeader(table.Row{"name", "ring", "compared", "bits an element", "online", "OT", "COTs", "rounds", "million a second", "a CPU second", "wrong"})
	for _, r := range rep.Rows {
		t.AppendRow(table.Row{
			r.Name, r.RingBits, r.ComparedBits, fmt.Sprintf("%.1f", r.BitsPerElement), fmt.Sprintf("%.1f", r.OnlineBits),
			fmt.Sprintf("%.1f", r.OTBits), r.COTs, r.Rounds, fmt.Sprintf("%.3f", r.ElementsPerSecond/1e6), fmt.Sprintf("%.3f", r.PerCPUSecond/1e6), r.Wrong,
		})
	}
	_, err := fmt.Fprintf(w, "%s; %d elements, one core a party, set-up counted in the bits\n%s\n", rep.Machine, rep.Rows[0].Elements, t.Render())
	return err
}
