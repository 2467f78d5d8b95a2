package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/internal/safefile"
	"secc.example/secc/passes"
)

// rewriteSchema names the JSON shape that rewrite prints.
const rewriteSchema = "secc.rewrite/1"

func newRewriteCmd() *cobra.Command {
	f := new(compileFlags)
	c := &cobra.Command{
		Use:   "rewrite MODEL.onnx -o OUT.onnx",
		Short: "Write a network with X-operators in place of convolutions, to be trained further",
		Long: `Replace convolutions by X-operators, with weights fitted to the trained ones on the
calibration inputs, and write the network as ONNX: batch normalisations stay, with
statistics of the calibration inputs, so that it can be trained further anywhere and
then compiled. Without further training its answers are only near the first one's.`,
		Example: "  secc rewrite model.onnx -o model-x.onnx --calibrate examples/ --x-operator=force\n  secc rewrite model.onnx -o model-x.onnx --calibrate examples/ --max-drop 2% --linear=ot",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE:    func(c *cobra.Command, args []string) error { return f.rewrite(c, args[0]) },
	}
	f.register(c)
	c.Flags().StringVarP(&f.out, "output", "o", "", "where to write the network")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON ("+rewriteSchema+")")
	return c
}

func (f *compileFlags) rewrite(c *cobra.Command, path string) error {
	if f.out == "" {
		return usage("where to? name a file with -o")
	}
	if err := writable(f.out, path); err != nil {
		return err
	}
	m, err := f.load(c, path, nil)
	if err != nil {
		return err
	}
	data, report, err := m.WithXOperators(c.Context())
	if err != nil {
		return inFile(path, err)
	}
	if err := safefile.Write(f.out, data, safefile.Private); err != nil { // it is the model
		return err
	}
	if f.json {
		return out.JSON(c.OutOrStdout(), struct {
			Schema string `json:"schema"`
			Output string `json:"output"`
			*passes.XReport
		}{rewriteSchema, f.out, report})
	}
	printRewriting(c.OutOrStdout(), report)
	if !slices.ContainsFunc(report.Layers, func(l passes.XLayer) bool { return l.Applied }) {
		fmt.Fprintln(c.ErrOrStderr(), "secc: hint: nothing was replaced: name layers or force with --x-operator, or allow a --max-drop")
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), f.out)
	return err
}

// printRewriting says layer by layer what was replaced.
func printRewriting(w io.Writer, r *passes.XReport) {
	if len(r.Layers) == 0 {
		return
	}
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"layer", "MMAC", "as X", "seconds", "as X", "fit error", "agreement", ""})
	for _, l := range r.Layers {
		if l.MACs == 0 { // nothing was tried
			t.AppendRow(table.Row{shorten(l.Name, 40), "", "", "", "", "", "", "kept: " + l.WhyNot})
			continue
		}
		what := "replaced"
		if !l.Applied {
			what = "kept: " + l.WhyNot
		}
		t.AppendRow(table.Row{shorten(l.Name, 40), fmt.Sprintf("%.1f", float64(l.MACs)/1e6), fmt.Sprintf("%.1f", float64(l.XMACs)/1e6),
			fmt.Sprintf("%.3f", l.Direct), fmt.Sprintf("%.3f", l.X), fmt.Sprintf("%.1f %%", 100*l.FitError), fmt.Sprintf("%.1f %%", 100*l.Agreement), what})
	}
	t.Render()
	fmt.Fprintf(w, "the network's answer stays the same on %.1f %% of %d calibration inputs, outputs deviate by %.1f %% of their spread\n",
		100*r.Agreement, r.HeldOut, 100*r.Deviation)
}
