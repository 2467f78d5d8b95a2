package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"secc.example/secc"
	"secc.example/secc/backend"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
	"secc.example/secc/runtime"
)

// subject is a network under test, as its owner has it: the cleartext model, the
// graph in fixed point, and the plan with its weights.
type subject struct {
	plan    *plan.Plan
	weights *plan.Weights
	fixed   *ir.Graph
	real    *ir.Graph // the model as imported; nil when its file is not at hand
	how     secc.How  // the model was read when it was compiled

	overflow *float64     // what the compiler estimated; nil for a plan from a file
	stop     func() error // ends evaluations early; may be nil
	close    func()
}

// subject loads a plan with what lies beside it, or compiles a model in memory.
func (f *compileFlags) subject(c *cobra.Command, path, model string) (*subject, error) {
	b, err := input.ReadFile(path)
	if err != nil {
		return nil, usage("%w", err)
	}
	if !plan.IsPlan(b) {
		return f.compiledSubject(c, path)
	}
	if err := f.refuseForPlan(c, path, "labels", "input-shape", "batch", "set", "publish-constants", "publish-embedding"); err != nil {
		return nil, err
	}
	s := &subject{stop: c.Context().Err}
	if s.plan, err = loadPlan(path); err != nil {
		return nil, err
	}
	if s.weights, s.close, err = openWeights(weightsPath(path), s.plan); err != nil {
		return nil, hint(err, "this needs the weights file that lies beside the plan: only the owner of the model has it")
	}
	if s.fixed, err = backend.ReadGraph(s.weights); err == nil {
		s.how, err = f.howMade(s.weights)
	}
	if err == nil {
		s.real, err = f.cleartext(c.ErrOrStderr(), s, path, model)
	}
	if err != nil {
		s.close()
		return nil, usage("%w", err)
	}
	return s, nil
}

// cleartext imports the model a plan was made of: the named file, or the one
// beside the plan; none is not an error unless it was named. Answers of another model
// would be compared with the plan's without a word, so the file must be the very one.
func (f *compileFlags) cleartext(log io.Writer, s *subject, planPath, model string) (*ir.Graph, error) {
	p := s.plan
	candidates := []string{model}
	if model == "" {
		candidates = []string{strings.TrimSuffix(planPath, ".plan") + ".onnx", filepath.Join(filepath.Dir(planPath), "model.onnx")}
	}
	for _, path := range candidates {
		b, err := input.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) && model == "" {
			continue
		}
		if err != nil {
			return nil, err
		}
		switch same, err := secc.MadeOf(s.weights, b); {
		case err != nil:
			return nil, err
		case !same && model == "":
			newLog(log).Warn(path + " is not the model that the plan was made of: it is left out")
			continue
		case !same:
			return nil, hint(fmt.Errorf("%s is not the model that the plan was made of: its SHA-256 is another", path), "name the model as it was, or compile this one")
		}
		shapes := map[string][]int{}
		for _, in := range p.Inputs {
			shapes[in.Name] = in.Shape
		}
		return onnx.Import(b, onnx.Options{InputShapes: shapes, Set: s.how.Set, Dir: filepath.Dir(path), Name: p.Model, PublishConstants: s.how.Publish, PublishEmbedding: s.how.Tables, Stop: s.stop})
	}
	return nil, nil
}

// howMade is how the model was read; flags speak for weights that do not say.
func (f *compileFlags) howMade(w *plan.Weights) (secc.How, error) {
	h, err := secc.HowMade(w)
	if err != nil || h.Inputs != nil {
		return h, err
	}
	h.Publish = f.publish
	h.Set, err = parseSet(f.set)
	return h, err
}

// specs are the inputs; where examples have files for all that the model's file names,
// those that are set included, each takes its own.
func (s *subject) specs() []input.Spec {
	all := input.Specs(s.plan)
	for i := range all {
		all[i].Part = 1 + slices.Index(s.how.Inputs, all[i].Name)
	}
	return all
}

func (f *compileFlags) compiledSubject(c *cobra.Command, path string) (*subject, error) {
	made, err := f.compile(c, path)
	if err != nil {
		return nil, err
	}
	s := &subject{plan: made.Plan, weights: made.Weights, overflow: &made.Overflow, stop: c.Context().Err, close: func() {}}
	if s.fixed, err = made.Fixed(); err != nil {
		return nil, err
	}
	if s.how, err = f.howMade(s.weights); err != nil {
		return nil, err
	}
	s.real, err = f.cleartext(c.ErrOrStderr(), s, path, path)
	return s, err
}

// newSubject takes a network as it comes from the compiler, without its
// cleartext model.
func newSubject(made *passes.Result) (*subject, error) {
	digest, err := made.Plan.Digest()
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := plan.WriteWeights(&buf, digest, made.Weights); err != nil {
		return nil, err
	}
	s := &subject{plan: made.Plan, fixed: made.Fixed, overflow: &made.Overflow, close: func() {}}
	s.weights, err = plan.OpenWeights(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	return s, err
}

// float gives the outputs of the cleartext model.
func (s *subject) float(in []*num.Tensor) ([][]float32, error) {
	out, err := ir.Eval(s.real, in, ir.EvalOptions{Stop: s.stop})
	if err != nil {
		return nil, err
	}
	return elementsOf(out), nil
}

// simulate gives the outputs in fixed point as the runtime would compute them.
func (s *subject) simulate(in []*num.Tensor, seed uint64, see func(*ir.Value, *ir.FixedTensor)) ([][]float32, *ir.SimResult, error) {
	in, err := secc.Headed(s.plan, elementsOf(in))
	if err != nil {
		return nil, nil, err
	}
	r, err := ir.Simulate(s.fixed, in, ir.SimOptions{Rounding: ir.Stochastic, Seed: seed, Observe: see, Stop: s.stop})
	if err != nil {
		return nil, nil, err
	}
	var out [][]float32
	for _, o := range r.Outputs {
		out = append(out, o.Floats())
	}
	out[0] = s.asScores(out[0])
	return out, r, nil
}

// secure runs both parties in this process, over a connection on this machine,
// and gives the outputs. see (may be nil) gets both parties' shares of
// every slot.
func (s *subject) secure(ctx context.Context, in []*num.Tensor, see [2]func(plan.Slot, runtime.Vec)) ([][]float32, error) {
	inputs, err := runtime.Encode(s.plan, elementsOf(in))
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, err = runtime.Serve(ctx, conn, s.plan, s.weights, runtime.Config{Observe: see[0]})
		}
		served <- err
	}()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	out, _, err := runtime.Run(ctx, conn, s.plan, inputs, runtime.Config{Observe: see[1]})
	if err = errors.Join(err, <-served); err != nil {
		return nil, err
	}
	values, err := runtime.Decode(s.plan, out)
	if err != nil {
		return nil, err
	}
	var all [][]float32
	for _, o := range values {
		all = append(all, o.Values)
	}
	all[0] = s.asScores(all[0])
	return all, nil
}

// elementsOf are the elements of tensors.
func elementsOf(in []*num.Tensor) (all [][]float32) {
	for _, t := range in {
		all = append(all, ir.Floats(t))
	}
	return all
}

// asScores makes an answer comparable with the cleartext model's: where the plan
// reveals indices only, the first gets the highest score, classes that are not
// named get 0.
func (s *subject) asScores(out []float32) []float32 {
	if s.plan.Reveal == plan.RevealValues {
		return out
	}
	scores := make([]float32, classes(s.plan))
	for i, at := range out {
		if at >= 0 && int(at) < len(scores) {
			scores[int(at)] = float32(len(out) - i)
		}
	}
	return scores
}

// classes is the number of scores of the first output, revealed or not.
func classes(p *plan.Plan) int {
	n := 1
	for _, d := range p.Outputs[0].Shape {
		n *= d
	}
	if p.Reveal == plan.RevealValues {
		return n
	}
	for _, step := range p.Steps() {
		if step.Proto == plan.ProtoArgMax {
			n = p.Slots[step.In[0]].N()
		}
	}
	return n
}

// rewritten is the cleartext model as the passes leave it, value by value the
// counterpart of the fixed graph.
// It takes the factors and bounds that the compiler found from the weights; where
// these are of another form of the network (X-operators), it finds new ones.
func (s *subject) rewritten() (*passes.Rewritten, error) {
	found, err := passes.ReadFindings(s.weights)
	if err != nil {
		return nil, err
	}
	proper, err := s.how.Proper(s.real)
	if err != nil {
		return nil, err
	}
	o := passes.Options{Stop: s.stop}
	r, err := passes.Rewrite(proper, o, found)
	if err != nil && found != nil {
		return passes.Rewrite(proper, o, nil)
	}
	return r, err
}
