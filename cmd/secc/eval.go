package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"gorgonia.org/tensor"

	"secc/backend/plan"
	"secc/runtime"
)

const evalSchema = "secc.eval/1"

// evalReport is what secc eval prints. The figures at the top are those of the
// strongest form that was run: secure if asked for, else the simulation.
type evalReport struct {
	Schema string `json:"schema"`
	Model  string `json:"model"`
	N      int    `json:"n"`
	score
	Float     *score `json:"float,omitempty"`
	Simulator *score `json:"simulator"`
	Secure    *score `json:"secure,omitempty"`

	Bytes    int64   `json:"bytes"`          // predicted, of one run
	MeanBits float64 `json:"mean_ring_bits"` // of activations
	Compared float64 `json:"mean_compared_bits"`
	Wrapped  int     `json:"wrapped"`    // elements that left their ring in the simulation: these are wrong
	Over     int     `json:"over_range"` // elements outside the promised range, still right
	Elements int     `json:"elements"`   // simulated elements in all
}

type evalFlags struct {
	compileFlags
	data   []string
	model  string
	n      int
	secure bool
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
		Example: "  secc eval model.plan --data examples/ --labels answers.txt --n 100",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE:    func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	f.register(c)
	fl := c.Flags()
	fl.StringArrayVar(&f.data, "data", nil, "examples: a file or a directory (images, .npy, .pb, .u8, raw float32); may be repeated")
	fl.Lookup("labels").Usage = "what the answers should be, a line an example (or a JSON list): a class number or name, or 0 and 1 for each output (AUROC)"
	fl.StringVar(&f.model, "model", "", "the ONNX file a plan was made of (default: the one beside it)")
	fl.IntVar(&f.n, "n", 0, "how many examples to take (default: all)")
	fl.BoolVar(&f.secure, "secure", false, "run the real protocol too, both parties in this process")
	fl.BoolVar(&f.json, "json", false, "print JSON ("+evalSchema+")")
	return c
}

func (f *evalFlags) run(c *cobra.Command, path string) error {
	if len(f.data) == 0 || f.n < 0 {
		return hint(usage("--data is missing or --n negative"), "name files or a directory with examples")
	}
	answers := f.labels
	f.labels = "" // compile's meaning of the flag is another
	s, err := f.subject(c, path, f.model)
	if err != nil {
		return err
	}
	defer s.close()
	cases, err := f.cases(s.plan)
	if err != nil {
		return err
	}
	t, err := loadTruth(answers, s.plan, len(cases))
	if err != nil {
		return err
	}
	r, err := evaluate(c.Context(), c.ErrOrStderr(), s, cases, t, f.secure)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(c.OutOrStdout(), r)
	}
	r.print(c.OutOrStdout())
	return nil
}

// cases loads the examples. Without preprocessing of their own, plans carry theirs.
func (f *evalFlags) cases(p *plan.Plan) ([][]*tensor.Dense, error) {
	cases, err := loadExamples("--data", f.data, planInputs(p))
	if err != nil {
		return nil, err
	}
	if f.n > 0 && f.n < len(cases) {
		cases = cases[:f.n]
	}
	return cases, nil
}

// loadTruth reads the file of right answers.
func loadTruth(path string, p *plan.Plan, n int) (*truth, error) {
	if path == "" {
		return nil, nil
	}
	b, err := readFile(path)
	if err != nil {
		return nil, usage("--labels: %w", err)
	}
	lines, err := answerLines(b)
	if err != nil {
		return nil, usage("--labels %s: %w", path, err)
	}
	if len(lines) < n {
		return nil, usage("--labels %s: %d answers for %d examples", path, len(lines), n)
	}
	outs := 1
	for _, d := range p.Outputs[0].Shape {
		outs *= d
	}
	t := new(truth)
	for i, line := range lines[:n] {
		if err := t.add(line, p.Labels, outs); err != nil {
			return nil, usage("--labels %s: answer %d: %w", path, i+1, err)
		}
	}
	if t.class != nil && t.multi != nil {
		return nil, usage("--labels %s: some answers name a class, others have a 0 or 1 for each output", path)
	}
	return t, nil
}

// answerLines splits a text or JSON file into one answer a line.
func answerLines(b []byte) ([]string, error) {
	text := strings.TrimSpace(string(b))
	if !strings.HasPrefix(text, "[") {
		return strings.Split(strings.ReplaceAll(text, "\r", ""), "\n"), nil
	}
	var list []any
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, err
	}
	lines := make([]string, len(list))
	for i, x := range list {
		lines[i] = strings.Trim(fmt.Sprint(x), "[]")
	}
	return lines, nil
}

func (t *truth) add(line string, labels []string, outs int) error {
	if at := slices.Index(labels, strings.TrimSpace(line)); at >= 0 {
		t.class = append(t.class, at)
		return nil
	}
	fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" ,;\t", r) })
	if len(fields) == 1 {
		class, err := strconv.Atoi(fields[0])
		if err != nil || class < 0 || class >= outs {
			return fmt.Errorf("%.40q is neither a label of the plan nor one of %d class numbers", line, outs)
		}
		t.class = append(t.class, class)
		return nil
	}
	if len(fields) != outs {
		return fmt.Errorf("%d numbers for %d outputs", len(fields), outs)
	}
	row := make([]bool, outs)
	for i, f := range fields {
		if f != "0" && f != "1" {
			return fmt.Errorf("%.20q is neither 0 nor 1", f)
		}
		row[i] = f == "1"
	}
	t.multi = append(t.multi, row)
	return nil
}

// evaluate runs every example through every form.
func evaluate(ctx context.Context, log io.Writer, s *subject, cases [][]*tensor.Dense, t *truth, secure bool) (*evalReport, error) {
	r := &evalReport{Schema: evalSchema, Model: s.plan.Model, N: len(cases)}
	if cost, err := s.plan.Cost(); err != nil {
		return nil, err
	} else {
		r.Bytes = cost.Total.Bytes
	}
	r.MeanBits, r.Compared = meanBits(s.plan)
	var float, sim, real [][]float32
	var took [3]float64
	show := newTally(log, len(cases))
	for i, in := range cases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		show.step(i)
		forms := []func() error{
			func() (err error) { return r.simulate(s, in, i, &sim) },
			func() (err error) {
				return collect(&float, s.real != nil, func() ([]float32, error) { return s.float(in) })
			},
			func() (err error) {
				return collect(&real, secure, func() ([]float32, error) { return s.secure(ctx, in, [2]func(plan.Slot, runtime.Vec){}) })
			},
		}
		for k, form := range forms {
			start := time.Now()
			if err := form(); err != nil {
				return nil, fmt.Errorf("example %d: %w", i+1, err)
			}
			took[k] += time.Since(start).Seconds()
		}
	}
	r.conclude(float, sim, real, t, took)
	return r, nil
}

func (r *evalReport) simulate(s *subject, in []*tensor.Dense, i int, sim *[][]float32) error {
	out, result, err := s.simulate(in, uint64(i), nil)
	if err != nil {
		return err
	}
	*sim = append(*sim, out)
	for _, g := range result.Ranges {
		r.Wrapped, r.Over, r.Elements = r.Wrapped+g.Wrapped, r.Over+g.Over, r.Elements+g.N
	}
	return nil
}

func collect(to *[][]float32, wanted bool, run func() ([]float32, error)) error {
	if !wanted {
		return nil
	}
	out, err := run()
	*to = append(*to, out)
	return err
}

func (r *evalReport) conclude(float, sim, real [][]float32, t *truth, took [3]float64) {
	simulated := rate(sim, float, t, took[0])
	r.Simulator, r.score = &simulated, simulated
	if float != nil {
		f := rate(float, nil, t, took[1])
		r.Float = &f
	}
	if real != nil {
		s := rate(real, float, t, took[2])
		r.Secure, r.score = &s, s
	}
}

// meanBits gives, an element, the mean ring of activations (what linear operators
// and comparisons put out) and the mean number of bits that signs are computed on.
func meanBits(p *plan.Plan) (ring, compared float64) {
	var elems, compares float64
	for _, s := range p.Steps() {
		n := float64(p.Slots[s.Out[0]].N())
		if s.Linear != nil || s.Compare != nil {
			ring, elems = ring+n*float64(p.Slots[s.Out[0]].Bits), elems+n
		}
		if c := s.Compare; c != nil {
			compared, compares = compared+n*float64(c.Hi-c.Lo), compares+n
		}
	}
	return ring / max(elems, 1), compared / max(compares, 1)
}

func (r *evalReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %d examples\n", r.Model, r.N)
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"form", "top-1 as float", "top-5 as float", "top-1", "top-5", "AUROC", "max error", "mean error", "s an input"})
	row := func(name string, s *score) {
		if s != nil {
			t.AppendRow(table.Row{name, percent(s.Top1Agreement), percent(s.Top5Agreement), percent(s.Top1), percent(s.Top5),
				figure(s.AUROC), figure(s.MaxAbsError), figure(s.MeanAbsError), fmt.Sprintf("%.3f", s.Seconds)})
		}
	}
	row("float", r.Float)
	row("simulated", r.Simulator)
	row("secure", r.Secure)
	t.Render()
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

// tally shows how many examples are done, once it takes long enough to ask.
type tally struct {
	w           io.Writer
	n           int
	start, next time.Time
}

func newTally(w io.Writer, n int) *tally {
	return &tally{w, n, time.Now(), time.Now().Add(2 * time.Second)}
}

func (t *tally) step(i int) {
	if time.Now().Before(t.next) || i == 0 {
		return
	}
	t.next = time.Now().Add(5 * time.Second)
	left := time.Duration(float64(time.Since(t.start)) / float64(i) * float64(t.n-i)).Round(time.Second)
	fmt.Fprintf(t.w, "secc: %d of %d examples, about %s left\n", i, t.n, left)
}

// loadExamples is loadCalibration for another flag.
func loadExamples(flag string, sources []string, want []wanted) ([][]*tensor.Dense, error) {
	var all [][]*tensor.Dense
	for _, src := range sources {
		cases, err := calibrationFrom(src, want)
		if err != nil {
			return nil, usage("%s %s: %w", flag, src, err)
		}
		all = append(all, cases...)
	}
	if len(all) == 0 {
		return nil, errors.New("no examples")
	}
	return all, nil
}
