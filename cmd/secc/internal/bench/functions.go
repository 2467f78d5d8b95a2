package bench

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/ir"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/mpc/ot"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// functionRow is a function in a format. The rate includes making the OTs but not
// their one-time setup, which the bits leave out too.
type functionRow struct {
	Function          string  `json:"function"`
	K                 int     `json:"k"` // bits of argument and result
	F                 int     `json:"f"` // fraction bits of both
	Profile           string  `json:"profile"`
	BitsPerElement    float64 `json:"bits_per_element"`        // online and for correlated OTs, both ways
	OnlineBits        float64 `json:"online_bits_per_element"` // of them on the execution channel
	COTs              int64   `json:"cots"`                    // an element
	Flights           int     `json:"flights"`
	Rounds            int     `json:"rounds"`
	MaxErrorULP       float64 `json:"max_error_ulp"` // over the whole format, before rounding
	ElementsPerSecond float64 `json:"elements_per_second"`
	PerCPUSecond      float64 `json:"elements_per_cpu_second,omitempty"`
	Wrong             int     `json:"wrong"` // results off by more than that and a rounding
	Elements          int     `json:"elements"`
	AsPredicted       bool    `json:"as_predicted"` // bytes of the execution are those of the cost model
}

// functionFormats are the formats that functions are measured in.
var functionFormats = []ir.Elem{{Bits: 16, Frac: 9}, {Bits: 16, Frac: 11}, {Bits: 18, Frac: 12}}

// functionNames are the functions measured: what networks have most of.
var functionNames = []string{"tanh", "sigmoid", "gelu", "silu", "exp_nonpos", "erf", "softplus", "elu", "reciprocal", "rsqrt", "log", "sqrt"}

func functionsCommand() *cobra.Command {
	var n int
	var profile string
	return two[functionRow]{
		name: "functions", short: "Measure elementwise functions on shares: bits, flights, error and rate, correlated OTs included",
		flags: func(fl *pflag.FlagSet) {
			fl.IntVar(&n, "elements", 1<<16, "elements of a vector")
			fl.StringVar(&profile, "profile", "lan", "network that the lines are chosen for: lan, wan, loopback or rtt=40ms,bw=400M")
		},
		ready: func() (measurement[functionRow], error) {
			if n < 1 || n > 1<<24 {
				return nil, exit.Usagef("--elements out of range")
			}
			p, err := choose.ParseProfile(profile)
			if err != nil {
				return nil, exit.Usagef("%v", err)
			}
			return func(ctx context.Context, m *transport.Mux, role transport.Role) ([]functionRow, error) {
				return benchFunctions(ctx, m, role, n, p)
			}, nil
		},
		print: printFunctions,
	}.command()
}

func benchFunctions(ctx context.Context, m *transport.Mux, role transport.Role, n int, p choose.Profile) (rows []functionRow, err error) {
	for _, e := range functionFormats {
		for _, name := range functionNames {
			f, _ := (&ir.FuncAttrs{Name: name, Alpha: 1, Beta: 1}).Fixed()
			format := plan.SlotType{Bits: e.Bits, Frac: e.Frac}
			lines, err := p.FitFunc(f, format, format, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			row, err := benchFunction(ctx, m, role, &lines, e, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			row.Function, row.Profile = name, p.Name
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func benchFunction(ctx context.Context, m *transport.Mux, role transport.Role, f *plan.Func, e ir.Elem, n int) (functionRow, error) {
	cost, kind := plan.CostFunc(n, e.Bits, e.Bits, f), ot.Config{Kind: wire.Ferret, Set: 11}
	row := functionRow{K: e.Bits, F: e.Frac, Elements: n, MaxErrorULP: f.Error(), Flights: len(cost.Flights), Rounds: plan.Depth{}.After(cost.Flights).Rounds()}
	row.COTs = (cost.COTs.ServerSends + cost.COTs.ClientSends) / int64(n)
	share, err := randomShare(n, e.Bits)
	if err != nil {
		return row, err
	}
	if err := keepPromise(m.Channel(reluChannels-1), role, share, e.Bits); err != nil {
		return row, err
	}
	var before [reluChannels]transport.Stats
	for i := range before {
		before[i] = m.Channel(i).Stats()
	}
	p, done, err := reluParty(ctx, m, role, kind, cost.COTs)
	if err != nil {
		return row, err
	}
	defer done()
	sync := m.Channel(reluChannels - 1)
	var y []uint64
	row.ElementsPerSecond, row.PerCPUSecond, err = rate(sync, int64(n), func() (err error) {
		y, err = functionOf(ctx, p, f, e.Bits, share)
		return err
	})
	if err != nil {
		return row, err
	}
	var r reluRow
	r.Elements = n
	r.count(m, before, reluBench{kind: kind}, cost)
	row.OnlineBits, row.BitsPerElement, row.AsPredicted = r.OnlineBits, r.OnlineBits+r.OTBits, r.AsPredicted
	row.Wrong, err = wrongFunctions(sync, role, f, e.Bits, share, y)
	return row, err
}

// keepPromise halves what is shared until |x| < 2^(bits-2): the client tells the
// server its shares, and the server changes its own.
func keepPromise(conn transport.Conn, role transport.Role, share []uint64, bits int) error {
	values, err := opened(conn, role, share, bits)
	if err != nil || role == transport.Client {
		return err
	}
	for i, v := range values {
		x := ring.Signed(v, bits) >> 1
		share[i] = (share[i] + uint64(max(x, 1-1<<(bits-2))) - v) & ring.Mask(bits)
	}
	return nil
}

func functionOf(ctx context.Context, p *nonlinear.Party, f *plan.Func, bits int, x []uint64) ([]uint64, error) {
	if f.Piecewise != nil {
		return p.Piecewise(ctx, x, &f.Piecewise.Piecewise)
	}
	s := f.Spline
	sign := nonlinear.Sign{Bits: bits, Hi: bits, Tree: f.Tree()}
	return p.Spline(ctx, x, nonlinear.Pieces{Knots: s.Knots, Slope: s.Slope, Offset: s.Offset, Frac: s.Frac}, sign, bits)
}

// wrongFunctions: the client opens its shares to the server, which counts the
// results that are not the lines' value rounded up or down.
func wrongFunctions(conn transport.Conn, role transport.Role, f *plan.Func, bits int, x, y []uint64) (wrong int, err error) {
	if x, err = opened(conn, role, x, bits); err != nil {
		return 0, err
	}
	if y, err = opened(conn, role, y, bits); err != nil || role == transport.Client {
		return 0, err
	}
	for i := range x {
		got := float64(ring.Signed(y[i], bits))
		exact := math.Ldexp(float64(f.Eval(ring.Signed(x[i], bits))), -f.Frac())
		if got != math.Floor(exact) && got != math.Floor(exact)+1 {
			wrong++
		}
	}
	return wrong, nil
}

func printFunctions(w io.Writer, rep Report[functionRow]) error {
	t := table.NewWriter()
	t.AppendHeader(table.Row{"function", "k", "f", "bits an element", "online", "COTs", "flights", "rounds", "error in ulp", "million a second", "a CPU second", "wrong"})
	for _, r := range rep.Rows {
		t.AppendRow(table.Row{r.Function, r.K, r.F, fmt.Sprintf("%.1f", r.BitsPerElement), fmt.Sprintf("%.1f", r.OnlineBits), r.COTs, r.Flights, r.Rounds,
			fmt.Sprintf("%.2f", r.MaxErrorULP), fmt.Sprintf("%.3f", r.ElementsPerSecond/1e6), fmt.Sprintf("%.3f", r.PerCPUSecond/1e6), r.Wrong})
	}
	first := rep.Rows[0]
	_, err := fmt.Fprintf(w, "%s; %d elements, profile %s, one core a party, set-up left out\n%s\n", rep.Machine, first.Elements, first.Profile, t.Render())
	return err
}
