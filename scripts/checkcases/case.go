package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"secc.example/secc"
	"secc.example/secc/backend"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// compileTime bounds one compilation, runTime one inference.
const (
	compileTime = 20 * time.Minute
	runTime     = 5 * time.Minute
)

// trial is one case on its way.
type trial struct {
	*settings
	dir    string // of the case
	secure bool   // run it securely whatever its size
	flags  []string
	plan   string // the compiled plan
	sets   []string

	names []string // of the inputs in the model's file
	real  *ir.Graph
	fixed *ir.Graph

	public *plan.Plan

	float, simulated, secured *score
}

// try takes a case as far as it goes.
func (s *settings) try(dir string, row indexRow) result {
	t := &trial{settings: s, dir: dir, secure: row.Secure, flags: row.Flags, plan: filepath.Join(s.dir, "case.plan")}
	r := result{Name: row.Name}
	refused, err := t.run()
	r.Float, r.Simulated, r.Secure = t.float.String(), t.simulated.String(), t.secured.String()
	switch {
	case refused != "":
		r.Message, r.Verdict = refused, verdictRefused
		if clear(refused) {
			r.Verdict = verdictClear
		}
	case err != nil:
		r.Message, r.Verdict = err.Error(), verdictWrong
	default:
		r.Verdict, r.Message = verdictOf(t.float, t.simulated, t.secured)
	}
	return r
}

// run gives the compiler's words if it refuses the model.
func (t *trial) run() (refused string, err error) {
	if t.sets, err = filepath.Glob(filepath.Join(escape(t.dir), "test_data_set_*")); err != nil {
		return "", err
	}
	refused, err = t.compile()
	if refused != "" || err != nil {
		return refused, err
	}
	if err := t.load(); err != nil {
		return "", err
	}
	t.float, t.simulated = new(score), new(score)
	for i, set := range t.sets {
		if err := t.inference(set, uint64(i)); err != nil {
			return "", fmt.Errorf("%s: %w", filepath.Base(set), err)
		}
	}
	if len(t.sets) == 0 || !t.secure && backend.SurveyOf(t.fixed).MACs > t.settings.secure {
		return "", nil
	}
	t.secured = t.float.fresh()
	return "", t.processes()
}

// escape keeps a folder's own name out of a pattern.
func escape(path string) string {
	return regexp.MustCompile(`[][*?\\]`).ReplaceAllString(path, `\$0`)
}

// compile runs secc compile.
func (t *trial) compile() (refused string, err error) {
	args := []string{"compile", filepath.Join(t.dir, "model.onnx"), "-o", t.plan, "--json"}
	calibration, err := filepath.Glob(filepath.Join(escape(t.dir), "calib_*"))
	if err != nil {
		return "", err
	}
	for _, dir := range calibration {
		args = append(args, "--calibrate", dir)
	}
	out, err := t.command(compileTime, append(args, t.flags...)...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return errorOf(out.err), nil
	}
	return "", err
}

// errorOf leaves out what a process printed on its way.
func errorOf(text string) string {
	if i := strings.Index(text, "secc: error:"); i >= 0 {
		text = text[i:]
	}
	return strings.TrimSpace(text)
}

// said is what a process printed.
type said struct {
	out []byte
	err string
}

// command runs secc to its end.
func (t *trial) command(limit time.Duration, args ...string) (said, error) {
	cmd := exec.Command(t.secc, args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	timer := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	fail := cmd.Run()
	return said{out.Bytes(), err.String()}, fail
}

// load reads the plan's graph and imports the model.
func (t *trial) load() error {
	f, err := os.Open(strings.TrimSuffix(t.plan, ".plan") + ".weights")
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w, err := plan.OpenWeights(f, info.Size())
	if err != nil {
		return err
	}
	if t.fixed, err = backend.ReadGraph(w); err != nil {
		return err
	}
	if t.public, err = secc.OpenPlan(t.plan); err != nil {
		return err
	}
	opts, err := importOptions(t.flags)
	if err != nil {
		return err
	}
	opts.Inputs = func(names []string) { t.names = names }
	t.real, err = onnx.ImportFile(filepath.Join(t.dir, "model.onnx"), opts)
	return err
}

// importOptions reads those flags of secc compile that the importer minds.
func importOptions(flags []string) (onnx.Options, error) {
	o := onnx.Options{InputShapes: map[string][]int{}, Set: map[string][]float64{}, PublishConstants: true} // the same numbers
	for i := 0; i+1 < len(flags); i += 2 {
		eq := strings.LastIndex(flags[i+1], "=")
		switch name := flags[i+1][:max(eq, 0)]; flags[i] {
		case "--input-shape":
			for _, d := range strings.Split(flags[i+1][eq+1:], ",") {
				n, err := strconv.Atoi(d)
				if err != nil {
					return o, err
				}
				o.InputShapes[name] = append(o.InputShapes[name], n)
			}
		case "--set":
			values, err := onnx.ParseValues(flags[i+1][eq+1:])
			if err != nil {
				return o, err
			}
			o.Set[name] = values
		}
	}
	return o, nil
}

// inputs reads the tensors of one inference.
func (t *trial) inputs(set string) (in []*num.Tensor, files []string, err error) {
	for _, v := range t.real.Inputs {
		i := slices.Index(t.names, v.Name) // inputs that are set have files as well
		path := filepath.Join(set, fmt.Sprintf("input_%d.pb", i))
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		x, err := onnx.ReadTensor(b)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		if x.N() != v.Type.N() {
			return nil, nil, fmt.Errorf("%s has shape %v, the model wants %v", path, x.Shape, v.Type.Shape)
		}
		in, files = append(in, ir.NewReal(v.Type.Shape, slices.Clone(x.Floats()))), append(files, path)
	}
	return in, files, nil
}

// inference compares the float network and its simulation on one input.
func (t *trial) inference(set string, seed uint64) error {
	in, _, err := t.inputs(set)
	if err != nil {
		return err
	}
	real, err := ir.Eval(t.real, in, ir.EvalOptions{})
	if err != nil {
		return fmt.Errorf("float: %w", err)
	}
	var floats, sims [][]float32
	for _, o := range real {
		floats = append(floats, ir.Floats(o))
	}
	want, err := t.reference(set, floats)
	if err != nil {
		return err
	}
	if err := t.float.add(floats, want); err != nil {
		return fmt.Errorf("float: %w", err)
	}
	var values [][]float32
	for _, x := range in {
		values = append(values, ir.Floats(x))
	}
	if in, err = secc.Headed(t.public, values); err != nil {
		return fmt.Errorf("simulated: %w", err)
	}
	sim, err := ir.Simulate(t.fixed, in, ir.SimOptions{Rounding: ir.Stochastic, Seed: seed})
	if err != nil {
		return fmt.Errorf("simulated: %w", err)
	}
	for _, o := range sim.Outputs {
		sims = append(sims, o.Floats())
	}
	if err := t.simulated.add(sims, want); err != nil {
		return fmt.Errorf("simulated: %w", err)
	}
	return nil
}

// reference reads another engine's answers; where there are none the float
// network's own stand in for them.
func (t *trial) reference(set string, floats [][]float32) (want []output, err error) {
	b, err := os.ReadFile(filepath.Join(set, "ref.json"))
	if errors.Is(err, os.ErrNotExist) {
		for i, x := range floats {
			o := output{shape: t.real.Outputs[i].Type.Shape}
			for _, y := range x {
				o.values = append(o.values, float64(y))
			}
			want = append(want, o)
		}
		return want, nil
	}
	if err != nil {
		return nil, err
	}
	var rows []struct {
		Type  string
		Shape []int
		Data  []*float64
	}
	if err := json.Unmarshal(finite(b), &rows); err != nil {
		return nil, fmt.Errorf("ref.json: %w", err)
	}
	for _, r := range rows {
		o := output{shape: r.Shape, integer: strings.Contains(r.Type, "int") || r.Type == "bool"}
		for _, x := range r.Data {
			if x == nil {
				o.values = append(o.values, math.NaN())
			} else {
				o.values = append(o.values, *x)
			}
		}
		want = append(want, o)
	}
	return want, nil
}

// finite makes JSON of what Python writes.
func finite(b []byte) []byte {
	return regexp.MustCompile(`-?\b(NaN|Infinity)\b|\btrue\b|\bfalse\b`).ReplaceAllFunc(b, func(word []byte) []byte {
		switch string(word) {
		case "true":
			return []byte("1")
		case "false":
			return []byte("0")
		}
		return []byte("null")
	})
}
