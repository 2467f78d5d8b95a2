package main

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/cmd/secc/internal/evaluate"
	"secc.example/secc/frontend/input"
)

type compareFlags struct {
	compileFlags
	inputs    []string
	model     string
	threshold float64
	noSecure  bool
}

func newCompareCmd() *cobra.Command {
	f := new(compareFlags)
	c := &cobra.Command{
		Use:   "compare MODEL.plan|MODEL.onnx --input FILE",
		Short: "Show operator by operator where a secure run leaves the cleartext network",
		Long: `Run one input through the cleartext network, the fixed-point simulation and the
real protocol (both parties in this process) and set every operator's values side
by side: largest error, signal-to-noise ratio, and the first operator that falls
below the threshold. A plan needs its weights file and the ONNX file beside it:
this is for the owner of the model.`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	f.register(c)
	fl := c.Flags()
	fl.StringArrayVar(&f.inputs, "input", nil, "the input: PNG, JPEG, DICOM, .npy, .pb, .u8 or raw float32; one for each input of the network")
	fl.StringVar(&f.model, "model", "", "the ONNX file a plan was made of (default: the one beside it)")
	fl.Float64Var(&f.threshold, "threshold", 20, "signal-to-noise ratio in dB below which an operator counts as diverged")
	fl.BoolVar(&f.noSecure, "no-secure", false, "leave out the real protocol")
	fl.BoolVar(&f.json, "json", false, "print JSON ("+evaluate.ComparisonSchema+")")
	return c
}

func (f *compareFlags) run(c *cobra.Command, path string) error {
	s, err := f.subject(c, path, f.model)
	if err != nil {
		return err
	}
	defer s.Close()
	if s.Real == nil {
		return hint(usage("no cleartext model beside the plan"), "name the ONNX file with --model")
	}
	want := input.Specs(s.Plan)
	floats, warnings, err := loadInputs(f.inputs, want)
	if err != nil {
		return err
	}
	warn(c.ErrOrStderr(), warnings)
	r, err := evaluate.Compare(c.Context(), s, dense(floats, want), evaluate.CompareOptions{Threshold: f.threshold, Secure: !f.noSecure})
	if err != nil {
		return err
	}
	if f.json {
		return out.JSON(c.OutOrStdout(), r)
	}
	printComparison(c.OutOrStdout(), r)
	return nil
}

func printComparison(w io.Writer, r *evaluate.Comparison) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"operator", "op", "format", "max |float|", "sim error", "sim dB", "secure error", "secure dB", "secure-sim ulp", "wrapped"})
	for _, x := range r.Rows {
		t.AppendRow(table.Row{shorten(x.Name, 36), x.Op, x.Format, figure(x.MaxAbs), figure(x.SimError), figure(x.SimSNR), figure(x.RunError), figure(x.RunSNR), figure(x.Apart), x.Wrapped})
	}
	t.Render()
	if r.First == "" {
		fmt.Fprintf(w, "no operator falls below %.4g dB\n", r.Threshold)
		return
	}
	fmt.Fprintf(w, "first below %.4g dB: %s\n", r.Threshold, r.First)
}
