package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"secc.example/secc"
	"secc.example/secc/backend"
	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/secc/internal/evaluate"
	"secc.example/secc/frontend/input"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/ir"
)

// subject loads a plan with what lies beside it, or compiles a model in memory.
func (f *compileFlags) subject(c *cobra.Command, path, model string) (*evaluate.Subject, error) {
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
	s := &evaluate.Subject{Stop: c.Context().Err}
	if s.Plan, err = loadPlan(path); err != nil {
		return nil, err
	}
	if s.Weights, s.Close, err = openWeights(weightsPath(path), s.Plan); err != nil {
		return nil, hint(err, "this needs the weights file that lies beside the plan: only the owner of the model has it")
	}
	if s.Fixed, err = backend.ReadGraph(s.Weights); err == nil {
		s.How, err = f.howMade(s.Weights)
	}
	if err == nil {
		s.Real, err = f.cleartext(c.ErrOrStderr(), s, path, model)
	}
	if err != nil {
		s.Close()
		return nil, usage("%w", err)
	}
	return s, nil
}

// cleartext imports the model a plan was made of: the named file, or the one
// beside the plan; none is not an error unless it was named. Answers of another model
// would be compared with the plan's without a word, so the file must be the very one.
func (f *compileFlags) cleartext(log io.Writer, s *evaluate.Subject, planPath, model string) (*ir.Graph, error) {
	p := s.Plan
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
		switch same, err := secc.MadeOf(s.Weights, b); {
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
		return onnx.Import(b, onnx.Options{InputShapes: shapes, Set: s.How.Set, Dir: filepath.Dir(path), Name: p.Model, PublishConstants: s.How.Publish, PublishEmbedding: s.How.Tables, Stop: s.Stop})
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

func (f *compileFlags) compiledSubject(c *cobra.Command, path string) (*evaluate.Subject, error) {
	made, err := f.compile(c, path)
	if err != nil {
		return nil, err
	}
	s := &evaluate.Subject{Plan: made.Plan, Weights: made.Weights, Overflow: &made.Overflow, Stop: c.Context().Err, Close: func() {}}
	if s.Fixed, err = made.Fixed(); err != nil {
		return nil, err
	}
	if s.How, err = f.howMade(s.Weights); err != nil {
		return nil, err
	}
	s.Real, err = f.cleartext(c.ErrOrStderr(), s, path, path)
	return s, err
}
