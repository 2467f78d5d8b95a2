package main

import (
	"context"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"secc.example/secc"
	"secc.example/secc/backend"
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// ladderReport is what explain --baseline prints as JSON: the usual report and
// the ladder from the baseline down to the plan.
type ladderReport struct {
	*plan.Report
	Baseline   string               `json:"baseline"`
	Ring       int                  `json:"baseline_ring"`
	Scale      int                  `json:"baseline_scale"`
	CrossTerms int                  `json:"cross_terms"`
	Survey     backend.Survey       `json:"survey"`
	Ladder     []backend.LadderStep `json:"ladder"`
	Layers     []backend.LayerCost  `json:"layers"`
}

// baselineFlags say which baseline to compare with.
type baselineFlags struct {
	name string
	backend.Baseline
}

func (b *baselineFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&b.name, "baseline", "", "also price the model as another system would run it, with each known remedy in turn: cryptflow2")
	fl.IntVar(&b.Ring, "baseline-ring", 60, "ring bits of the baseline")
	fl.IntVar(&b.Scale, "baseline-scale", 23, "fraction bits of the baseline: what its truncations drop")
	fl.IntVar(&b.Terms, "cross-terms", 2, "cross terms of the baseline's products by weights: 2 as its networks are built, 1 as only one party knows the weights")
}

func (b *baselineFlags) check() error {
	switch {
	case b.name != "" && b.name != "cryptflow2":
		return usage("--baseline must be cryptflow2, not %q", b.name)
	case b.Ring < 8 || b.Ring > 64:
		return usage("--baseline-ring must lie between 8 and 64")
	case b.Scale < 1 || b.Scale >= b.Ring:
		return usage("--baseline-scale must lie between 1 and the ring's bits")
	case b.Terms != 1 && b.Terms != 2:
		return usage("--cross-terms must be 1 or 2")
	}
	return nil
}

// products reads a model as baselines and surveys want it.
func (f *compileFlags) products(ctx context.Context, path string) (*ir.Graph, error) {
	data, o, err := f.source(path)
	if err != nil {
		return nil, err
	}
	if plan.IsPlan(data) {
		return nil, usage("%s: a comparison needs the model, not its plan", path)
	}
	o.Calibration = nil // shapes are all that counts
	m, err := secc.Import(ctx, data, o)
	if err != nil {
		return nil, flagged(err)
	}
	return m.Products(ctx)
}

// ladderOf prices a model by the baseline and by its own plan.
func (f *compileFlags) ladderOf(ctx context.Context, path string, b backend.Baseline, ours *plan.Report) (*ladderReport, error) {
	g, err := f.products(ctx, path)
	if err != nil {
		return nil, err
	}
	steps, layers := backend.Ladder(g, b, ours)
	return &ladderReport{ours, "cryptflow2", b.Ring, b.Scale, b.Terms, backend.SurveyOf(g), steps, layers}, nil
}

// print shows the operators side by side and the ladder in total.
func (r *ladderReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s, plan %.16s: %s MACs, %s comparisons\n", r.Model, r.PlanDigest, countText(r.Survey.MACs), countText(r.Survey.Comparisons))
	t := plainTable(w, 2)
	head := table.Row{"operator", "op", "MACs", "others"}
	for i := range r.Ladder {
		head = append(head, fmt.Sprintf("(%d)", i+1))
	}
	t.AppendHeader(head)
	for _, l := range r.Layers {
		row := table.Row{shorten(l.Name, 36), l.Op, countText(l.MACs), countText(l.Elems)}
		for _, n := range l.Bytes {
			row = append(row, decimalBytes(n))
		}
		t.AppendRow(row)
	}
	t.Render()
	t = plainTable(w, 1)
	t.AppendHeader(table.Row{"ladder", "linear", "non-linear", "total", ""})
	for i, s := range r.Ladder {
		t.AppendRow(table.Row{fmt.Sprintf("(%d) %s", i+1, s.Step), decimalBytes(s.Linear), decimalBytes(s.NonLinear), decimalBytes(s.Bytes), bytesText(s.Bytes)})
	}
	t.Render()
}

// plainTable aligns all columns but the first few to the right.
func plainTable(w io.Writer, left int) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	var columns []table.ColumnConfig
	for i := left + 1; i <= 20; i++ {
		columns = append(columns, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	return t
}

// decimalBytes prints bytes in powers of ten, as the literature does.
func decimalBytes(n int64) string {
	x, units := float64(n), []string{"B", "kB", "MB", "GB", "TB", "PB"}
	i := 0
	for ; x >= 999.5 && i < len(units)-1; i++ {
		x /= 1000
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.3g %s", x, units[i])
}

// countText prints a count with three digits.
func countText(n int64) string {
	x, units := float64(n), []string{"", " k", " M", " G", " T"}
	i := 0
	for ; x >= 999.5 && i < len(units)-1; i++ {
		x /= 1000
	}
	if i == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.3g%s", x, units[i])
}
