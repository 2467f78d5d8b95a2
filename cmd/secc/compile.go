package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"secc.example/secc"
	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/cmd/secc/internal/evaluate"
	"secc.example/secc/frontend/input"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/passes"
)

// compileFlags are the flags of secc compile, which explain shares.
type compileFlags struct {
	out        string
	name       string
	calibrate  []string
	preprocess string
	labels     string
	shapes     []string
	set        []string
	batch      int
	publish    bool
	tables     bool
	force      bool
	maxBytes   int64
	bits       int
	profile    string
	truncation string
	reveal     string
	target     string
	maxDrop    string
	linear     string
	winograd   string
	xOperator  string
	json       bool
	cpuProfile string
	timing     bool

	revealRounding string
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
	fl.StringVar(&f.name, "name", "", "name of the network, which the plan makes public (default: the file's own)")
	fl.StringVar(&f.labels, "labels", "", "file with one label a line, carried in the plan")
	fl.StringArrayVar(&f.shapes, "input-shape", nil, "shape of an input whose file leaves it open: NAME=1,3,224,224, or without a name for the only input; may be repeated")
	fl.StringArrayVar(&f.set, "set", nil, "an input that is the same in every run: NAME=16000, NAME=true or NAME=1,2,3; the network has it no more; may be repeated")
	fl.IntVar(&f.batch, "batch", 0, "inputs in one run (default: as in the file, or 1)")
	fl.BoolVar(&f.tables, "publish-embedding", false, "let tables that are chosen from by indices (embeddings of tokens) stand in the plan: the client looks them up, which costs nothing")
	fl.BoolVar(&f.publish, "publish-constants", false, "let initialisers stand in the plan where an operator has no form that keeps them the server's (exponents)")
	fl.StringVar(&f.target, "target", "", "what formats favour: accuracy (wide, nothing dropped) or cost (comparisons drop bits within --max-drop); between the two if not given")
	fl.StringVar(&f.maxDrop, "max-drop", "", "accuracy that --target cost may give up (default: 1%)")
	fl.StringVar(&f.linear, "linear", "rlwe", "how convolutions and products by weights are computed: rlwe, ot (correlated OT, the weights' bits as choices) or auto (each by its predicted seconds)")
	fl.StringVar(&f.xOperator, "x-operator", "auto", "convolutions to replace by X-operators fitted on the calibration inputs: auto (what pays, within a --max-drop that is given; without one none), off, force (all), or names of layers, with commas between")
	fl.StringVar(&f.winograd, "winograd", "auto", "3x3 and 5x5 convolutions over OT by Winograd's algorithm: auto (where the cost model says it pays), off or force")
	fl.IntVar(&f.bits, "bits", 0, "ring bits of activations (default: 16)")
	fl.Int64Var(&f.maxBytes, "max-bytes", 50<<30, "refuse early a network whose inference would send more, about (exit code 9)")
	fl.BoolVar(&f.force, "force", false, "go on although the compiled network does not answer its own calibration inputs like the model (exit code 4 otherwise)")
	fl.StringVar(&f.profile, "profile", "lan", "network the plan is made for: lan, wan, loopback or rtt=40ms,bw=400M")
	fl.StringVar(&f.reveal, "reveal", "values", "how much of the output the client learns: values, argmax or topk:K (indices only, computed on shares)")
	fl.StringVar(&f.revealRounding, "reveal-rounding", "exact", "rounding of operators whose values the client learns: exact, or stochastic (cheaper; answers tell it a little more of the last layer's weights)")
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
	made, err := f.compileAndSave(c, path, at)
	at.end()
	if err != nil {
		return err
	}
	if f.timing {
		at.table(c.ErrOrStderr())
	}
	if f.json {
		return out.JSON(c.OutOrStdout(), made.Report)
	}
	return f.print(c.OutOrStdout(), made)
}

// print says what was made.
func (f *compileFlags) print(w io.Writer, made *secc.Network) error {
	fixed, err := made.Fixed()
	if err != nil {
		return err
	}
	printCost(w, made.Report, false)
	fmt.Fprintf(w, "%v\nan inference leaves these formats with a probability below %.0e, by what calibration shows (95 %% confidence)\n", evaluate.FormatsOf(fixed), made.Overflow)
	_, err = fmt.Fprintf(w, "%s (public), %s (server only)\n", f.out, secc.WeightsPath(f.out))
	return err
}

// compileAndSave compiles a model file and writes the plan and the weights.
func (f *compileFlags) compileAndSave(c *cobra.Command, path string, at *stages) (*secc.Network, error) {
	made, err := f.network(c, path, at)
	if err != nil {
		return nil, err
	}
	at.begin("writing")
	return made, made.Save(f.out)
}

// compile takes a model file through the whole compiler.
func (f *compileFlags) compile(c *cobra.Command, path string) (*secc.Network, error) {
	at := follow(c.ErrOrStderr(), "compiling "+path)
	defer at.end()
	return f.network(c, path, at)
}

// network makes the plan for the profile of the flags.
func (f *compileFlags) network(c *cobra.Command, path string, at *stages) (*secc.Network, error) {
	ready, err := f.prepare(c, path, at)
	if err != nil {
		return nil, err
	}
	profile, err := parseProfile(f.profile)
	if err != nil {
		return nil, err
	}
	made, err := ready.Network(c.Context(), profile)
	return made, inFile(path, err)
}

// prepare takes a model file as far as the profile has no say.
func (f *compileFlags) prepare(c *cobra.Command, path string, at *stages) (*secc.Prepared, error) {
	m, err := f.load(c, path, at)
	if err != nil {
		return nil, err
	}
	ready, err := m.Prepare(c.Context())
	if err != nil {
		return nil, inFile(path, err)
	}
	tell(c.ErrOrStderr(), ready)
	return ready, nil
}

// load reads a model file and all that the flags name.
func (f *compileFlags) load(c *cobra.Command, path string, at *stages) (*secc.Model, error) {
	data, o, err := f.source(path)
	if err != nil {
		return nil, err
	}
	if at != nil {
		o.Progress = at.at
	}
	log := newLog(c.ErrOrStderr())
	o.Warn = func(text string) { log.Warn(text) }
	m, err := secc.Import(c.Context(), data, o)
	return m, inFile(path, flagged(err))
}

// tell logs what the user should know of a compilation.
func tell(w io.Writer, made *secc.Prepared) {
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
}

// flagged names the flag of an option that cannot be used.
func flagged(err error) error {
	if o := (*secc.OptionError)(nil); errors.As(err, &o) {
		return usage("--%s %w", o.Option, o.Err)
	}
	return err
}

// inFile names the model in what is wrong with it.
func inFile(path string, err error) error {
	if code := exitCode(err); code == exitUnsupported || code == exitTolerance || code == exitResources {
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

// source reads a model file and says how to compile it.
func (f *compileFlags) source(path string) (data []byte, o secc.Options, err error) {
	if o, err = f.options(path); err != nil {
		return nil, o, err
	}
	if data, err = input.ReadFile(path); err != nil {
		return nil, o, usage("%w", err)
	}
	return data, o, nil
}

// modelName is the name of a model's file. Where it lies is nobody's business: the
// name stands in the plan.
func modelName(path string) string { return strings.TrimSuffix(filepath.Base(path), ".onnx") }

// options is what the flags say about the model at a path.
func (f *compileFlags) options(path string) (o secc.Options, err error) {
	o = secc.Options{
		Name: cmp.Or(f.name, modelName(path)), Dir: filepath.Dir(path), Batch: f.batch, Calibration: secc.Files(f.calibrate...),
		Bits: f.bits, Exact: f.truncation == "exact", Target: passes.Target(f.target), Linear: passes.Linear(f.linear),
		Winograd: passes.Choice(f.winograd), XOperator: passes.XChoice(f.xOperator), Force: f.force, MaxBytes: f.maxBytes,
		RevealStochastic: f.revealRounding == "stochastic",
	}
	if f.revealRounding != "" && f.revealRounding != "stochastic" && f.revealRounding != "exact" {
		return o, usage("--reveal-rounding must be exact or stochastic, not %q", f.revealRounding)
	}
	if f.truncation != "" && f.truncation != "stochastic" && f.truncation != "exact" {
		return o, usage("--truncation must be stochastic or exact, not %q", f.truncation)
	}
	o.PublishConstants, o.PublishEmbedding = f.publish, f.tables
	if o.InputShapes, err = parseShapes(f.shapes); err != nil {
		return o, err
	}
	if o.Set, err = parseSet(f.set); err != nil {
		return o, err
	}
	if o.MaxDrop, err = parseShare(f.maxDrop); err != nil {
		return o, usage("--max-drop: %w", err)
	}
	o.XDrop = o.MaxDrop // without a drop that was asked for X-operators may give up none
	if o.Reveal, o.TopK, err = parseReveal(f.reveal); err != nil {
		return o, err
	}
	if o.Profile, err = parseProfile(f.profile); err != nil {
		return o, err
	}
	if o.Preprocess, err = input.ParsePreprocess(f.preprocess); err != nil {
		return o, usage("%w", err)
	}
	if f.labels != "" {
		if o.Labels, err = loadLabels(f.labels, nil); err != nil {
			return o, err
		}
	}
	return o, flagged(o.Check())
}

// parseProfile reads --profile.
func parseProfile(s string) (choose.Profile, error) {
	p, err := choose.ParseProfile(s)
	if err != nil {
		return p, usage("--profile: %w", err)
	}
	return p, nil
}

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

// parseSet reads --set NAME=VALUE.
func parseSet(args []string) (map[string][]float64, error) {
	set := map[string][]float64{}
	for _, a := range args {
		i := strings.LastIndex(a, "=")
		if i <= 0 {
			return nil, usage("--set %q is not of the form NAME=VALUE", a)
		}
		if _, twice := set[a[:i]]; twice {
			return nil, usage("--set gives %q twice", a[:i])
		}
		values, err := onnx.ParseValues(a[i+1:])
		if err != nil {
			return nil, usage("--set %q: %w", a, err)
		}
		set[a[:i]] = values
	}
	return set, nil
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
