package main

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"secc/backend"
	"secc/backend/plan"
	"secc/frontend/onnx"
	"secc/passes"
)

// ladderReport is what explain --baseline prints as JSON: the usual report and
// the ladder from the baseline down to the plan.
type ladderReport struct {
	*plan.Report
	Baseline string               `json:"baseline"`
	Ladder   []backend.LadderStep `json:"ladder"`
	Layers   []backend.LayerCost  `json:"layers"`
}

// explainLadder prints the ladder from a baseline to the plan.
func (f *compileFlags) explainLadder(c *cobra.Command, path, name string, b backend.Baseline, ours *plan.Report, asJSON bool) error {
	if name != "cryptflow2" {
		return usage("--baseline must be cryptflow2, not %q", name)
	}
	if b.Ring < 8 || b.Ring > 64 || b.Terms < 1 || b.Terms > 2 {
		return usage("a baseline has 8 to 64 ring bits and 1 or 2 cross terms")
	}
	data, opts, err := f.source(path)
	if err != nil {
		return err
	}
	if plan.IsPlan(data) {
		return usage("--baseline needs the model, not its plan")
	}
	r, err := f.ladderOf(data, opts, b, ours)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), r)
	}
	r.print(c.OutOrStdout())
	return nil
}

// ladderOf prices a model by the baseline and by its own plan.
func (f *compileFlags) ladderOf(data []byte, opts onnx.Options, b backend.Baseline, ours *plan.Report) (*ladderReport, error) {
	g, err := onnx.Import(data, opts)
	if err != nil {
		return nil, coded(exitUnsupported, err)
	}
	real, err := passes.Products(g)
	if err != nil {
		return nil, coded(exitUnsupported, err)
	}
	steps, layers := backend.Ladder(real, b, ours)
	return &ladderReport{ours, "cryptflow2", steps, layers}, nil
}

// print shows the operators side by side and the ladder in total.
func (r *ladderReport) print(w io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.AppendHeader(table.Row{"operator", "op", "MACs", "comparisons", "first rung", "last OT rung", "secc"})
	for _, l := range r.Layers {
		n := len(l.Bytes)
		t.AppendRow(table.Row{l.Name, l.Op, l.MACs, l.Elems, decimalBytes(l.Bytes[0]), decimalBytes(l.Bytes[n-2]), decimalBytes(l.Bytes[n-1])})
	}
	t.Render()
	t = table.NewWriter()
	t.SetOutputMirror(w)
	t.AppendHeader(table.Row{"ladder", "linear", "non-linear", "total"})
	for _, s := range r.Ladder {
		t.AppendRow(table.Row{s.Step, decimalBytes(s.Linear), decimalBytes(s.NonLinear), decimalBytes(s.Bytes)})
	}
	t.Render()
}

// decimalBytes prints bytes in powers of ten, as the literature does.
func decimalBytes(n int64) string {
	x, units := float64(n), []string{"B", "kB", "MB", "GB", "TB", "PB"}
	i := 0
	for ; x >= 1000 && i < len(units)-1; i++ {
		x /= 1000
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.3g %s", x, units[i])
}
