package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"secc.example/secc/backend"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/ir"
	"secc.example/secc/passes"
)

// compileFlags are the flags of secc compile, which explain shares.
type compileFlags struct {
	out        string
	calibrate  []string
	preprocess string
	labels     string
	shapes     []string
	batch      int
	bits       int
	profile    string
	truncation string
	reveal     string
	target     string
	maxDrop    string
	linear     string
	winograd   string
	xOperator  string
	dropGiven  bool // --max-drop was given
	json       bool
	cpuProfile string
	timing     bool
}

func newCompileCmd() *cobra.Command {
	f := new(compileFlags)
	c := &cobra.Command{
		Use:   "compile MODEL.onnx",
		Short: "Compile an ONNX model to a public plan and the server's weights",
		Long: `Compile an ONNX model. The plan (FILE.plan) is public: both sides need it. The
weights (FILE.weights) are the server's alone. The same model, flags and
calibration inputs always give the same bytes.`,
		Example: "  secc compile model.onnx --calibrate examples/ --preprocess imagenet --labels labels.txt",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE:    func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	f.register(c)
	c.Flags().StringVarP(&f.out, "output", "o", "", "where to write the plan; the weights go beside it (default: the model's name with .plan)")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON ("+plan.Schema+")")
	c.Flags().BoolVar(&f.timing, "timing", false, "say on standard error what each stage of the compilation took")
	c.Flags().StringVar(&f.cpuProfile, "cpu-profile", "", "write a CPU profile (pprof) to this file")
	c.Flags().Lookup("cpu-profile").Hidden = true
	return c
}

func (f *compileFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringArrayVar(&f.calibrate, "calibrate", nil, "example inputs that the number formats are fitted to: a file or a directory; may be repeated")
	fl.StringVar(&f.preprocess, "preprocess", "", "how images become inputs: imagenet, unit or raw, and/or crop=square, via=, resize=,colour=,layout=,scale=,shift=,mean=,std=")
	fl.StringVar(&f.labels, "labels", "", "file with one label a line, carried in the plan")
	fl.StringArrayVar(&f.shapes, "input-shape", nil, "shape of an input whose file leaves it open: NAME=1,3,224,224, or without a name for the only input; may be repeated")
	fl.IntVar(&f.batch, "batch", 0, "inputs in one run (default: as in the file, or 1)")
	fl.StringVar(&f.target, "target", "", "what formats favour: accuracy (wide, nothing dropped) or cost (comparisons drop bits within --max-drop); between the two if not given")
	fl.StringVar(&f.maxDrop, "max-drop", "1%", "accuracy that --target cost may give up")
	fl.StringVar(&f.linear, "linear", "rlwe", "how convolutions and products by weights are computed: rlwe, ot (correlated OT, the weights' bits as choices) or auto (each by its predicted seconds)")
	fl.StringVar(&f.xOperator, "x-operator", "auto", "convolutions to replace by X-operators fitted on the calibration inputs: auto (what pays, within a --max-drop that is given; without one none), off, force (all), or names of layers, with commas between")
	fl.StringVar(&f.winograd, "winograd", "auto", "3x3 and 5x5 convolutions over OT by Winograd's algorithm: auto (where the cost model says it pays), off or force")
	fl.IntVar(&f.bits, "bits", 0, "ring bits of activations (default: 16)")
	fl.StringVar(&f.profile, "profile", "lan", "network the plan is made for: lan, wan, loopback or rtt=40ms,bw=400M")
	fl.StringVar(&f.reveal, "reveal", "values", "how much of the output the client learns: values, argmax or topk:K (indices only, computed on shares)")
	fl.StringVar(&f.truncation, "truncation", "stochastic", "rounding after products: stochastic (1 ulp, cheap) or exact")
}

func (f *compileFlags) run(c *cobra.Command, path string) error {
	if f.out == "" {
		f.out = strings.TrimSuffix(path, ".onnx") + ".plan"
	}
	if err := writable(f.out, path); err != nil {
		return err
	}
	if f.cpuProfile != "" {
		stop, err := profileTo(f.cpuProfile)
		if err != nil {
			return usage("--cpu-profile: %w", err)
		}
		defer stop()
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // tensors are used again, so that there is little to collect
	}
	at := follow(c.ErrOrStderr(), "compiling "+path)
	made, r, err := f.compileAndSave(c, path, at)
	at.end()
	if err != nil {
		return err
	}
	if f.timing {
		at.table(c.ErrOrStderr())
	}
	if f.json {
		return printJSON(c.OutOrStdout(), r)
	}
	printCost(c.OutOrStdout(), r, false)
	fmt.Fprintf(c.OutOrStdout(), "%v\nan inference leaves these formats with a probability of %.0e, by what calibration shows\n", formatsOf(made.Fixed), made.Overflow)
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s (public), %s (server only)\n", f.out, weightsPath(f.out))
	return err
}

// compileAndSave compiles a model file, writes the plan and the weights, and prices the plan.
func (f *compileFlags) compileAndSave(c *cobra.Command, path string, at *stages) (*passes.Result, *plan.Report, error) {
	ready, err := f.prepareFile(c, path, at)
	if err != nil {
		return nil, nil, err
	}
	made, err := f.finish(path, ready)
	if err != nil {
		return nil, nil, err
	}
	at.begin("writing")
	if err := save(made, f.out); err != nil {
		return nil, nil, err
	}
	at.begin("pricing")
	r, err := predict(made.Plan, f.profile)
	return made, r, err
}

// compile takes a model file through the whole compiler.
func (f *compileFlags) compile(c *cobra.Command, path string) (*passes.Result, error) {
	at := follow(c.ErrOrStderr(), "compiling "+path)
	defer at.end()
	ready, err := f.prepareFile(c, path, at)
	if err != nil {
		return nil, err
	}
	return f.finish(path, ready)
}

// prepareFile takes a model file as far as the profile has no say.
func (f *compileFlags) prepareFile(c *cobra.Command, path string, at *stages) (*passes.Prepared, error) {
	at.begin("reading the model")
	f.dropGiven = c.Flags().Changed("max-drop")
	data, opts, err := f.source(path)
	if err != nil {
		return nil, err
	}
	made, err := f.prepare(c.ErrOrStderr(), data, opts, at.at)
	return made, inFile(path, err)
}

// finish makes the plan for the profile of the flags.
func (f *compileFlags) finish(path string, p *passes.Prepared) (*passes.Result, error) {
	profile, err := backend.ParseProfile(f.profile)
	if err != nil {
		return nil, usage("--profile: %w", err)
	}
	made, err := p.Plan(profile)
	return made, inFile(path, coded(exitUnsupported, err))
}

// inFile names the model in what is wrong with it.
func inFile(path string, err error) error {
	if err != nil && exitCode(err) == exitUnsupported {
		return fmt.Errorf("%s: %w", path, err)
	}
	return err
}

// writable finds out before the work is done that its result has no place.
func writable(out, model string) error {
	to, err := os.Stat(out)
	from, none := os.Stat(model)
	switch {
	case err == nil && none == nil && os.SameFile(to, from):
		return usage("-o %s: that is the model", out)
	case err == nil && to.IsDir():
		return usage("-o %s: that is a directory, name a file in it", out)
	}
	if dir, err := os.Stat(filepath.Dir(out)); err != nil {
		return usage("-o %s: %w", out, err)
	} else if !dir.IsDir() {
		return usage("-o %s: %s is not a directory", out, filepath.Dir(out))
	}
	return nil
}

// source reads a model file and says how to import it.
func (f *compileFlags) source(path string) (data []byte, opts onnx.Options, err error) {
	shapes, err := parseShapes(f.shapes)
	if err != nil {
		return nil, opts, err
	}
	if f.batch < 0 {
		return nil, opts, usage("--batch must not be negative")
	}
	if data, err = input.ReadFile(path); err != nil {
		return nil, opts, usage("%w", err)
	}
	return data, onnx.Options{InputShapes: shapes, Batch: f.batch, Dir: filepath.Dir(path), Name: modelName(path)}, nil
}

// modelName is the file's name, or that of its directory if every model is
// called model.onnx.
func modelName(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".onnx")
	if abs, err := filepath.Abs(path); err == nil && name == "model" {
		return filepath.Base(filepath.Dir(abs))
	}
	return name
}

// compileModel compiles a model in memory; warnings go to w.
func (f *compileFlags) compileModel(w io.Writer, data []byte, opts onnx.Options) (*passes.Result, error) {
	ready, err := f.prepare(w, data, opts, nil)
	if err != nil {
		return nil, err
	}
	return f.finish(opts.Name, ready)
}

// prepare takes a model in memory as far as the profile has no say; warnings go
// to w, and at is told of the stages.
func (f *compileFlags) prepare(w io.Writer, data []byte, opts onnx.Options, at func(passes.Stage)) (*passes.Prepared, error) {
	g, err := onnx.Import(data, opts)
	if err != nil {
		return nil, coded(exitUnsupported, err)
	}
	if at != nil {
		at(passes.Stage{Name: "reading calibration inputs"})
	}
	o, err := f.options(g)
	if err != nil {
		return nil, err
	}
	o.Progress = at
	made, err := passes.Prepare(g, o)
	if err != nil {
		return nil, coded(exitUnsupported, err)
	}
	log := newLog(w)
	for _, text := range made.Warnings() {
		log.Warn(text)
	}
	for _, l := range made.X.Layers {
		if !l.Applied {
			log.Info("x-operator", "layer", l.Name, "replaced", false, "why", l.WhyNot)
			continue
		}
		log.Info("x-operator", "layer", l.Name, "replaced", true, "fit_error", fmt.Sprintf("%.3f", l.FitError), "agreement", fmt.Sprintf("%.3f", l.Agreement))
	}
	return made, nil
}

// options collects what the flags say beyond the model.
func (f *compileFlags) options(g *ir.Graph) (o passes.Options, err error) {
	if f.bits != 0 && (f.bits < 8 || f.bits > 32) {
		return o, usage("--bits must lie between 8 and 32")
	}
	if f.truncation != "stochastic" && f.truncation != "exact" {
		return o, usage("--truncation must be stochastic or exact, not %q", f.truncation)
	}
	if o.Target = passes.Target(f.target); o.Target != "" && o.Target != passes.TargetAccuracy && o.Target != passes.TargetCost {
		return o, usage("--target must be accuracy or cost, not %q", f.target)
	}
	if o.MaxDrop, err = parseShare(f.maxDrop); err != nil {
		return o, usage("--max-drop: %w", err)
	}
	if o.Linear = passes.Linear(f.linear); !o.Linear.Known() {
		return o, usage("--linear must be rlwe, ot or auto, not %q", f.linear)
	}
	if o.Winograd = passes.Choice(f.winograd); !o.Winograd.Known() {
		return o, usage("--winograd must be auto, off or force, not %q", f.winograd)
	}
	if o.Reveal, o.TopK, err = parseReveal(f.reveal); err != nil {
		return o, err
	}
	if o.XOperator = passes.XChoice(f.xOperator); f.dropGiven {
		o.XDrop = o.MaxDrop
	}
	o.Bits, o.Exact = f.bits, f.truncation == "exact"
	if o.Profile, err = backend.ParseProfile(f.profile); err != nil {
		return o, usage("--profile: %w", err)
	}
	prep, err := input.ParsePreprocess(f.preprocess)
	if err != nil {
		return o, usage("%w", err)
	}
	var want []input.Spec
	for _, in := range g.Inputs {
		w := input.Spec{Name: in.Name, Shape: in.Type.Shape}
		if len(w.Shape) == 3 || len(w.Shape) == 4 {
			w.Prep = prep
			if n, c := max(len(prep.Scale), len(prep.Shift)), first(w.Channels()); n > 1 && n != c {
				return o, usage("--preprocess: numbers for %d channels, input %q has %d", n, in.Name, c)
			}
		}
		want = append(want, w)
		o.Preprocess = append(o.Preprocess, w.Prep)
	}
	if f.labels != "" {
		if o.Labels, err = loadLabels(f.labels, nil); err != nil {
			return o, err
		}
	}
	o.Calibration, err = loadExamples("--calibrate", f.calibrate, want)
	return o, err
}

func first(n, _ int) int { return n }

// parseShare reads "0.5%" or "0.005"; nothing is 0, the default.
func parseShare(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(s, "%")
	x, err := strconv.ParseFloat(number, 64)
	if percent {
		x /= 100
	}
	if err != nil || !(x > 0 && x < 1) {
		return 0, fmt.Errorf("%q is not a share between 0 and 100%%", s)
	}
	return x, nil
}

// parseReveal reads --reveal values, argmax or topk:K.
func parseReveal(s string) (plan.Reveal, int, error) {
	switch kind, count, _ := strings.Cut(s, ":"); plan.Reveal(kind) {
	case "", plan.RevealValues, plan.RevealArgMax:
		if count == "" {
			return plan.Reveal(kind), 0, nil
		}
	case plan.RevealTopK:
		if k, err := strconv.Atoi(count); err == nil && k > 0 {
			return plan.RevealTopK, k, nil
		}
	}
	return "", 0, usage("--reveal must be values, argmax or topk:K, not %q", s)
}

// parseShapes reads --input-shape NAME=1,3,224,224, without the name for a
// model's only input.
func parseShapes(args []string) (map[string][]int, error) {
	shapes := map[string][]int{}
	for _, a := range args {
		i := strings.LastIndex(a, "=")
		if i == 0 {
			return nil, usage("--input-shape %q is not of the form NAME=1,3,224,224", a)
		}
		name := a[:max(i, 0)]
		for _, f := range strings.Split(a[i+1:], ",") {
			d, err := strconv.Atoi(f)
			if err != nil || d < 1 {
				return nil, usage("--input-shape %q: %q is not a dimension", a, f)
			}
			shapes[name] = append(shapes[name], d)
		}
	}
	return shapes, nil
}

// save writes the plan and, readable by the owner only, the weights.
func save(m *passes.Result, path string) error {
	b, err := plan.Encode(m.Plan)
	if err != nil {
		return err
	}
	digest, err := m.Plan.Digest()
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return usage("%w", err)
	}
	if err := plan.SaveWeights(weightsPath(path), digest, m.Weights); err != nil {
		return usage("weights: %w", err)
	}
	return nil
}
