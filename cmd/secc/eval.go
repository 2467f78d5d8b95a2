package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/cmd/secc/internal/evaluate"
)

type evalFlags struct {
	compileFlags
	data      []string
	model     string
	reference string
	n         int
	secure    bool
	secureN   int
	least     float64
	quiet     bool
}

func newEvalCmd() *cobra.Command {
	f := new(evalFlags)
	c := &cobra.Command{
		Use:   "eval MODEL.plan|MODEL.onnx --data FILE|DIR",
		Short: "Measure the accuracy of a compiled network on examples",
		Long: `Run examples through the cleartext network, through the simulation of its
fixed-point form (rounding and comparisons behave as in a secure run) and, with
--secure, through the real protocol, and compare the answers. A plan needs its
weights file beside it, and the ONNX file for the cleartext answers: this is for
the owner of the model.`,
		Example: `  secc eval model.plan --data examples/ --labels answers.txt --n 100
  secc eval model.onnx --calibrate some/ --data examples/ --min-agreement 0.99`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	f.register(c)
	fl := c.Flags()
	fl.StringArrayVar(&f.data, "data", nil, "examples: a file or a directory (images, .npy, .pb, .u8, raw float32); may be repeated")
	fl.Lookup("labels").Usage = "what the answers should be: a line an example (or a JSON list), lines of file,answer (or a JSON map), or the word folders; an answer is a class number or name, or 0 and 1 for each output (AUROC)"
	fl.StringVar(&f.model, "model", "", "the ONNX file a plan was made of (default: the one beside it)")
	fl.StringVar(&f.reference, "reference", "", "compare with these answers of another engine (raw float32, .npy, .pb), not with the cleartext network's")
	fl.IntVar(&f.n, "n", 0, "how many examples to take (default: all)")
	fl.BoolVar(&f.secure, "secure", false, "run the real protocol too, both parties in this process")
	fl.IntVar(&f.secureN, "secure-n", 0, "run the real protocol on so many of the examples only (with --secure; default: all)")
	fl.Float64Var(&f.least, "min-agreement", 0, "exit with 4 if fewer of the answers than this (0..1) have the reference's best class")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "no progress on standard error")
	fl.BoolVar(&f.json, "json", false, "print JSON ("+evaluate.ReportSchema+")")
	return c
}

func (f *evalFlags) run(c *cobra.Command, path string) error {
	if len(f.data) == 0 || f.n < 0 || f.secureN < 0 {
		return hint(usage("--data is missing, or --n or --secure-n negative"), "name files or a directory with examples")
	}
	answers := f.labels
	f.labels = "" // compile's meaning of the flag is another
	s, err := f.subject(c, path, f.model)
	if err != nil {
		return err
	}
	defer s.Close()
	e, err := f.examples(c.Context(), c.ErrOrStderr(), s, answers)
	if err != nil {
		return err
	}
	show := newTally(c.ErrOrStderr(), f.quiet, len(e.Cases))
	r, err := e.Evaluate(c.Context(), s, show.step)
	show.end()
	if err != nil {
		return err
	}
	if f.json {
		err = out.JSON(c.OutOrStdout(), r)
	} else {
		printEvaluation(c.OutOrStdout(), r)
	}
	if err != nil {
		return err
	}
	return f.tolerance(r)
}

// tolerance holds the agreement to --min-agreement.
func (f *evalFlags) tolerance(r *evaluate.Report) error {
	switch {
	case f.least == 0:
		return nil
	case r.Top1Agreement == nil:
		return hint(usage("--min-agreement: nothing to agree with"), "name the ONNX file with --model, or answers with --reference")
	case *r.Top1Agreement < f.least:
		return coded(exitTolerance, fmt.Errorf("%s of the answers agree, --min-agreement asks for %s", percent(r.Top1Agreement), percent(&f.least)))
	}
	return nil
}

func (f *evalFlags) examples(ctx context.Context, log io.Writer, s *evaluate.Subject, answers string) (*evaluate.Examples, error) {
	p := s.Plan
	set, err := someExamples(ctx, log, "--data", f.data, s.Specs())
	if err != nil {
		return nil, err
	}
	cases := set.cases
	var sources []string // of every example
	rows := evaluate.Rows(p, 0)
	for _, s := range set.sources {
		sources = append(sources, slices.Repeat([]string{s}, rows)...)
	}
	truth, err := evaluate.LoadTruth(answers, p, sources, f.n*rows)
	if err != nil {
		return nil, err
	}
	if f.n > 0 && f.n < len(cases) {
		cases = cases[:f.n]
	}
	e := &evaluate.Examples{Cases: cases, Truth: truth}
	if f.secure {
		if e.Secure = f.secureN; e.Secure == 0 || e.Secure > len(cases) {
			e.Secure = len(cases)
		}
	}
	if f.reference != "" {
		e.Against = filepath.Base(f.reference)
		e.Reference, err = evaluate.Reference(f.reference, p, len(cases))
	}
	return e, err
}

func printEvaluation(w io.Writer, r *evaluate.Report) {
	fmt.Fprintf(w, "%s: %d examples\n", r.Model, r.N)
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	as := " as " + r.Against
	t.AppendHeader(table.Row{"form", "inputs", "top-1" + as, "top-5" + as, "top-1", "top-5", "AUROC", "max error", "mean error", "s an input"})
	row := func(name string, s *evaluate.Score) {
		if s != nil {
			t.AppendRow(table.Row{name, s.Cases, percent(s.Top1Agreement), percent(s.Top5Agreement), percent(s.Top1), percent(s.Top5),
				figure(s.AUROC), figure(s.MaxAbsError), figure(s.MeanAbsError), fmt.Sprintf("%.3f", s.Seconds)})
		}
	}
	row("float", r.Float)
	row("simulated", r.Simulator)
	row("secure", r.Secure)
	t.Render()
	for _, o := range r.Outputs {
		s, how := o.Simulator, "simulated"
		if o.Secure != nil {
			s, how = o.Secure, "secure"
		}
		fmt.Fprintf(w, "output %s, %s: top-1 as float %s, max error %s (largest %s), mean error %s\n", out.Line(o.Name), how, percent(s.Top1Agreement), figure(s.MaxAbsError), figure(s.MaxAbs), figure(s.MeanAbsError))
	}
	for _, d := range r.Disagree {
		fmt.Fprintf(w, "example %d: class %d, %s says %d (its margin over class %d is %.4g)\n", d.Example, d.Got, r.Against, d.Want, d.Got, d.Margin)
	}
	fmt.Fprintln(w, r.Formats)
	fmt.Fprintf(w, "a run sends %s; %d of %d simulated elements outside the promised range, %d outside their ring\n",
		bytesText(r.Bytes), r.Over, r.Elements, r.Wrapped)
}

func percent(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100**x)
}

func figure(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.4g", *x)
}
