package secc

import (
	"context"
	"fmt"
	"slices"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
)

// Options says how a model is compiled. The zero value compiles, but formats that
// hold real inputs want Calibration, and images want Preprocess.
type Options struct {
	Name        string               // of the network, public; default: the one in the file
	Dir         string               // where the model's external data lies
	InputShapes map[string][]int     // shapes that the file leaves open; "" is the only input
	Set         map[string][]float64 // inputs that are the same in every run, with their values; they are no inputs of the network then
	Batch       int                  // inputs in one run; 0: as in the file, or 1

	PublishEmbedding bool // tables that are chosen from by indices (embeddings of tokens) stand in the plan, and the client looks them up
	PublishConstants bool // initialisers may stand in the plan where an operator has no form that keeps them the server's

	Calibration Examples        // what number formats are fitted to; nil: random inputs, with a warning
	Preprocess  plan.Preprocess // how images become inputs
	Labels      []string        // names of the classes, public

	Reveal plan.Reveal // how much of the output the client learns; "" is plan.RevealValues
	TopK   int         // for plan.RevealTopK

	RevealStochastic bool // operators whose values are revealed may round by chance, as inside the network

	Profile   choose.Profile // the network between the parties; zero: LAN
	Bits      int            // ring of activations; 0: 16, or what calibration asks for
	Exact     bool           // exact rounding
	Target    passes.Target  // what formats favour; "" is between the two
	MaxDrop   float64        // accuracy that passes.TargetCost may give up; 0: 1 %
	Linear    passes.Linear  // how products by weights are computed; "" is passes.LinearRLWE
	Winograd  passes.Choice  // "" is passes.ChoiceAuto
	XOperator passes.XChoice // convolutions to replace by X-operators; "" is passes.ChoiceAuto
	XDrop     float64        // accuracy that X-operators may give up; 0: none
	MaxBytes  int64          // that an inference may send, about, before work is put into a plan; 0: 50 GiB
	Force     bool           // a network that does not answer like the model is made all the same, with a warning

	Warn     func(string)       // is told at once of what is known before the work is done; nil: it stands among the warnings
	Progress func(passes.Stage) // called at every stage of the compilation, one call at a time; may be nil
}

// Examples gives example inputs of a network that takes inputs of some kinds. It stops
// when the context ends.
type Examples func(context.Context, []input.Spec) (*input.Set, error)

// Files reads examples from files and directories, as input.Examples does.
func Files(sources ...string) Examples {
	return func(ctx context.Context, want []input.Spec) (*input.Set, error) {
		all := new(input.Set)
		for _, source := range sources {
			set, err := input.Examples(ctx, source, want)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", source, err)
			}
			all.Join(set)
		}
		return all, nil
	}
}

// Values takes examples that are in memory: for each the values of every input,
// in row-major order.
func Values(cases ...input.Case) Examples {
	return func(context.Context, []input.Spec) (*input.Set, error) { return &input.Set{Cases: cases}, nil }
}

// OptionError is an option, or a file that an option names, that cannot be used.
type OptionError struct {
	Option string // as the command line spells it
	Err    error
}

func (e *OptionError) Error() string { return e.Option + " " + e.Err.Error() }
func (e *OptionError) Unwrap() error { return e.Err }

func badOption(name, format string, args ...any) error {
	return &OptionError{name, fmt.Errorf(format, args...)}
}

// Check finds out what is wrong with options before a model is read.
func (o *Options) Check() error {
	switch {
	case o.Batch < 0:
		return badOption("batch", "must not be negative")
	case o.Bits != 0 && (o.Bits < 8 || o.Bits > 32):
		return badOption("bits", "must lie between 8 and 32")
	case o.Target != "" && o.Target != passes.TargetAccuracy && o.Target != passes.TargetCost:
		return badOption("target", "must be accuracy or cost, not %q", o.Target)
	case !(o.MaxDrop >= 0 && o.MaxDrop < 1):
		return badOption("max-drop", "must be a share between 0 and 1")
	case !(o.XDrop >= 0 && o.XDrop < 1):
		return badOption("max-drop", "must be a share between 0 and 1")
	case !o.Linear.Known():
		return badOption("linear", "must be rlwe, ot or auto, not %q", o.Linear)
	case !o.Winograd.Known():
		return badOption("winograd", "must be auto, off or force, not %q", o.Winograd)
	}
	return o.checkReveal()
}

func (o *Options) checkReveal() error {
	switch o.Reveal {
	case "", plan.RevealValues, plan.RevealArgMax:
		if o.TopK == 0 {
			return nil
		}
	case plan.RevealTopK:
		if o.TopK > 0 {
			return nil
		}
	}
	return badOption("reveal", "must be values, argmax or topk:K, not %q with %d", o.Reveal, o.TopK)
}

// imports are the options of the front end.
func (o *Options) imports(ctx context.Context) onnx.Options {
	return onnx.Options{InputShapes: o.InputShapes, Set: o.Set, Batch: o.Batch, Dir: o.Dir, Name: o.Name, PublishConstants: o.PublishConstants, PublishEmbedding: o.PublishEmbedding, Stop: ctx.Err}
}

// passes are the options of the compiler for a graph: calibration inputs are read.
// The warnings are about these. file names the inputs of the model's file.
func (o *Options) passes(ctx context.Context, g *ir.Graph, file []string) (p passes.Options, warnings []string, err error) {
	p = passes.Options{
		Bits: o.Bits, Profile: o.Profile, Exact: o.Exact, Target: o.Target, MaxDrop: o.MaxDrop, Linear: o.Linear, Winograd: o.Winograd,
		Reveal: o.Reveal, TopK: o.TopK, RevealStochastic: o.RevealStochastic, XOperator: o.XOperator, XDrop: o.XDrop, Force: o.Force, Labels: o.Labels, Progress: o.Progress,
	}
	specs, err := o.specs(g)
	if err != nil {
		return p, nil, err
	}
	for i, s := range specs {
		specs[i].Part = 1 + slices.Index(file, s.Name)
		p.Preprocess = append(p.Preprocess, s.Prep)
	}
	if o.Calibration == nil {
		return p, nil, nil
	}
	set, err := o.Calibration(ctx, specs)
	if err != nil {
		return p, nil, &OptionError{"calibrate", err}
	}
	for i, c := range set.Cases {
		in, err := tensors(c, specs)
		if err != nil {
			return p, nil, badOption("calibrate", "example %d: %w", i+1, err)
		}
		p.Calibration = append(p.Calibration, in)
	}
	return p, set.Warnings(), nil
}

// specs are the inputs of a graph; those that look like images are preprocessed.
func (o *Options) specs(g *ir.Graph) (all []input.Spec, err error) {
	for _, in := range g.Inputs {
		s := input.Spec{Name: in.Name, Shape: in.Type.Shape}
		if len(s.Shape) == 3 || len(s.Shape) == 4 {
			s.Prep = input.For(o.Preprocess, s.Shape)
			channels, _ := s.Channels()
			if n := max(len(s.Prep.Scale), len(s.Prep.Shift)); n > 1 && n != channels {
				return nil, badOption("preprocess", "gives numbers for %d channels, input %q has %d", n, in.Name, channels)
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// tensors makes the tensors of one example.
func tensors(c input.Case, specs []input.Spec) ([]*num.Tensor, error) {
	if len(c) != len(specs) {
		return nil, fmt.Errorf("%d tensors, the network takes %d", len(c), len(specs))
	}
	var all []*num.Tensor
	for i, s := range specs {
		if len(c[i]) != s.N() {
			return nil, fmt.Errorf("input %q: %d elements, shape %v has %d", s.Name, len(c[i]), s.Shape, s.N())
		}
		all = append(all, num.New(s.Shape, c[i]))
	}
	return all, nil
}
