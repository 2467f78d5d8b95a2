package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/frontend/input"
	"secc.example/secc/ir/num"
	"secc.example/secc/runtime"
)

const evalSchema = "secc.eval/1"

// evalReport is what secc eval prints. The figures at the top are those of the
// strongest form that was run: secure if asked for, else the simulation.
type evalReport struct {
	Schema string `json:"schema"`
	Model  string `json:"model"`
	N      int    `json:"n"`
	score
	Against   string `json:"against,omitempty"` // what answers are compared with: "float", or the file of --reference
	Float     *score `json:"float,omitempty"`
	Simulator *score `json:"simulator"`
	Secure    *score `json:"secure,omitempty"`

	Outputs  []outputScore `json:"outputs,omitempty"` // each by itself, where there are several; the figures above are those of the first
	Formats  formatUse     `json:"formats"`
	Overflow *float64      `json:"overflow_probability,omitempty"` // estimated when the formats were chosen; not kept in plans
	Bytes    int64         `json:"bytes"`                          // predicted, of one run
	Wrapped  int           `json:"wrapped"`                        // elements that left their ring in the simulation: these are wrong
	Over     int           `json:"over_range"`                     // elements outside the promised range, these among them
	Elements int           `json:"elements"`                       // simulated elements in all
}

// outputScore compares one output with the cleartext network's.
type outputScore struct {
	Name      string `json:"name"`
	Simulator *score `json:"simulator"`
	Secure    *score `json:"secure,omitempty"`
}

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
	fl.BoolVar(&f.json, "json", false, "print JSON ("+evalSchema+")")
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
	defer s.close()
	e, err := f.examples(c.Context(), c.ErrOrStderr(), s, answers)
	if err != nil {
		return err
	}
	show := newTally(c.ErrOrStderr(), f.quiet, len(e.cases))
	r, err := e.evaluate(c.Context(), show, s)
	show.end()
	if err != nil {
		return err
	}
	if f.json {
		err = printJSON(c.OutOrStdout(), r)
	} else {
		r.print(c.OutOrStdout())
	}
	if err != nil {
		return err
	}
	return f.tolerance(r)
}

// tolerance holds the agreement to --min-agreement.
func (f *evalFlags) tolerance(r *evalReport) error {
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

// examples are what a network is evaluated on.
type examples struct {
	cases     [][]*num.Tensor
	truth     *truth
	reference [][]float32 // answers of another engine; may be nil
	against   string      // their file
	secure    int         // how many cases run securely
}

// rowsOf is how many examples an output of one run answers: all of a batch, where each
// has its classes.
func rowsOf(p *plan.Plan, output int) int {
	if _, classes := p.KindOf(output); classes > 0 && p.Reveal == plan.RevealValues {
		return p.Batch()
	}
	return 1
}

// perExample cuts the answers of runs into those of their examples.
func perExample(values [][]float32, rows int) (all [][]float32) {
	if rows == 1 {
		return values
	}
	for _, v := range values {
		for each := range slices.Chunk(v, len(v)/rows) {
			all = append(all, each)
		}
	}
	return all
}

func (f *evalFlags) examples(ctx context.Context, log io.Writer, s *subject, answers string) (*examples, error) {
	p := s.plan
	set, err := someExamples(ctx, log, "--data", f.data, s.specs())
	if err != nil {
		return nil, err
	}
	cases := set.cases
	var sources []string // of every example
	rows := rowsOf(p, 0)
	for _, s := range set.sources {
		sources = append(sources, slices.Repeat([]string{s}, rows)...)
	}
	truth, err := loadTruth(answers, p, sources, f.n*rows)
	if err != nil {
		return nil, err
	}
	if f.n > 0 && f.n < len(cases) {
		cases = cases[:f.n]
	}
	e := &examples{cases: cases, truth: truth}
	if f.secure {
		if e.secure = f.secureN; e.secure == 0 || e.secure > len(cases) {
			e.secure = len(cases)
		}
	}
	if f.reference != "" {
		e.against = filepath.Base(f.reference)
		e.reference, err = loadReference(f.reference, p, len(cases))
	}
	return e, err
}

// loadReference reads the first n answers of another engine.
func loadReference(path string, p *plan.Plan, n int) ([][]float32, error) {
	out := p.Outputs[0]
	w := input.Spec{Name: out.Name, Shape: out.Shape}
	if p.Reveal != plan.RevealValues { // the plan gives indices, the reference scores
		w.Shape = []int{classes(p)}
	}
	a, err := input.Read(path, w)
	if err != nil {
		return nil, usage("--reference %s: output %q: %w", path, out.Name, err)
	}
	answers, err := a.Cases(w)
	if err != nil {
		return nil, usage("--reference %s: output %q: %w", path, out.Name, err)
	}
	if len(answers) < n {
		return nil, usage("--reference %s: %d answers for %d examples", path, len(answers), n)
	}
	return answers[:n], nil
}

// evaluate runs every example through every form.
func (e *examples) evaluate(ctx context.Context, show *tally, s *subject) (*evalReport, error) {
	r := &evalReport{Schema: evalSchema, Model: s.plan.Model, N: len(e.cases) * rowsOf(s.plan, 0), Formats: formatsOf(s.fixed), Overflow: s.overflow}
	cost, err := s.plan.Cost()
	if err != nil {
		return nil, err
	}
	r.Bytes = cost.Total.Bytes
	var float, sim, real answers
	for i, in := range e.cases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		show.step(i)
		err := sim.add(true, func() ([][]float32, error) { return r.simulate(s, in, uint64(i)) })
		if err == nil {
			err = float.add(s.real != nil, func() ([][]float32, error) { return s.float(in) })
		}
		if err == nil {
			err = real.add(i < e.secure, func() ([][]float32, error) { return s.secure(ctx, in, [2]func(plan.Slot, runtime.Vec){}) })
		}
		if err != nil {
			return nil, fmt.Errorf("example %d: %w", i+1, err)
		}
	}
	r.conclude(e, rowsOf(s.plan, 0), float, sim, real)
	r.each(s.plan, float, sim, real)
	return r, nil
}

func (r *evalReport) simulate(s *subject, in []*num.Tensor, seed uint64) ([][]float32, error) {
	out, result, err := s.simulate(in, seed, nil)
	if err != nil {
		return nil, err
	}
	for _, g := range result.Ranges {
		r.Wrapped, r.Over, r.Elements = r.Wrapped+g.Wrapped, r.Over+g.Over, r.Elements+g.N
	}
	return out, nil
}

// answers are one form's outputs and the time they took.
type answers struct {
	values  [][]float32 // the first output of every case
	seconds float64
	all     [][][]float32 // every output of every case
}

// output is one output of every case.
func (a *answers) output(k int) (values [][]float32) {
	for _, out := range a.all {
		values = append(values, out[k])
	}
	return values
}

func (a *answers) add(wanted bool, run func() ([][]float32, error)) error {
	if !wanted {
		return nil
	}
	start := time.Now()
	out, err := run()
	a.seconds += time.Since(start).Seconds()
	if err != nil {
		return err
	}
	a.values, a.all = append(a.values, out[0]), append(a.all, out)
	return nil
}

// each scores every output of a network that has several.
func (r *evalReport) each(p *plan.Plan, float, sim, real answers) {
	if len(p.Outputs) < 2 || float.all == nil {
		return
	}
	for k, o := range p.Outputs {
		rows := rowsOf(p, k)
		ref := perExample(float.output(k), rows)
		s := outputScore{Name: o.Name, Simulator: rate(answers{values: perExample(sim.output(k), rows)}, ref, nil)}
		if real.all != nil {
			s.Secure = rate(answers{values: perExample(real.output(k), rows)}, ref, nil)
		}
		r.Outputs = append(r.Outputs, s)
	}
}

func (r *evalReport) conclude(e *examples, rows int, float, sim, real answers) {
	for _, a := range []*answers{&float, &sim, &real} {
		a.values = perExample(a.values, rows)
	}
	reference := perExample(e.reference, rows)
	ref := reference
	switch {
	case ref != nil:
		r.Against = e.against
	case float.values != nil:
		ref, r.Against = float.values, "float"
	}
	r.Simulator = rate(sim, ref, e.truth)
	r.score = *r.Simulator
	if float.values != nil {
		r.Float = rate(float, reference, e.truth)
	}
	if real.values != nil {
		r.Secure = rate(real, ref, e.truth)
		r.score = *r.Secure
	}
}

func (r *evalReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %d examples\n", r.Model, r.N)
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	as := " as " + r.Against
	t.AppendHeader(table.Row{"form", "inputs", "top-1" + as, "top-5" + as, "top-1", "top-5", "AUROC", "max error", "mean error", "s an input"})
	row := func(name string, s *score) {
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
