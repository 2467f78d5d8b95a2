package secc

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"secc.example/secc/backend"
	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/ir"
	"secc.example/secc/passes"
	"secc.example/secc/runtime/service"
)

// ModelError says that a model is malformed or has no secure form.
type ModelError struct{ Err error }

func (e *ModelError) Error() string { return e.Err.Error() }
func (e *ModelError) Unwrap() error { return e.Err }

// ofModel files what the compiler refuses under the model; that it was stopped is
// no fault of the model's.
func ofModel(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return &ModelError{err}
}

// Compile takes an ONNX model, the bytes of its file, to a network: the plan that
// both parties hold and the weights of the server. The same model and options
// always give the same network.
func Compile(ctx context.Context, model []byte, o Options) (*Network, error) {
	m, err := Import(ctx, model, o)
	if err != nil {
		return nil, err
	}
	return m.Compile(ctx, o.Profile)
}

// Model is an ONNX model that was read, with how it is to be compiled.
type Model struct {
	Graph   *ir.Graph
	Options passes.Options // calibration inputs are read

	MaxBytes int64 // that an inference may send, about

	warnings []string // about these
	source   string   // SHA-256 of the file
	how      How
	warn     func(string)
}

// Import reads a model and the calibration inputs.
func Import(ctx context.Context, model []byte, o Options) (*Model, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	o.say("reading the model")
	opts := o.imports(ctx)
	published := map[string]int{}
	var inputs []string
	opts.Inputs = func(names []string) { inputs = names }
	opts.Published = func(what string) { published[what]++ }
	g, err := onnx.Import(model, opts)
	if err != nil {
		return nil, ofModel(ctx, err)
	}
	if err := checkLabels(g, o.Labels); err != nil {
		return nil, err
	}
	o.say("reading calibration inputs")
	p, warnings, err := o.passes(ctx, g, inputs)
	if err != nil {
		return nil, err
	}
	return &Model{g, p, cmp.Or(o.MaxBytes, defaultMaxBytes), slices.Concat(becomesPublic(published), warnings), sum(model), How{o.Set, o.PublishConstants, o.PublishEmbedding, inputs}, o.Warn}, context.Cause(ctx)
}

// sum is the SHA-256 of a model's file. External data are not in it.
func sum(model []byte) string {
	h := sha256.Sum256(model)
	return hex.EncodeToString(h[:])
}

// sourceNote is the name under which weights keep the sum of the model's file.
const sourceNote = "source"

// MadeOf says whether weights were made of a model, the bytes of its file; those of
// before the sum was kept say yes to all.
func MadeOf(w *plan.Weights, model []byte) (bool, error) {
	source, ok, err := backend.ReadNote(w, sourceNote)
	return !ok || source == sum(model), err
}

// How is what must be known to read a model's file as it was read when it was compiled.
type How struct {
	Set     map[string][]float64 `json:"set,omitempty"`     // Options.Set
	Publish bool                 `json:"publish,omitempty"` // Options.PublishConstants
	Tables  bool                 `json:"tables,omitempty"`  // Options.PublishEmbedding
	Inputs  []string             `json:"inputs"`            // names of the file's inputs, those that are set included
}

// howNote is the name under which weights keep it.
const howNote = "how"

// HowMade gives what weights say of how their model was read; nothing if they were made
// before that was kept.
func HowMade(w *plan.Weights) (h How, err error) {
	text, ok, err := backend.ReadNote(w, howNote)
	if err == nil && ok {
		err = json.Unmarshal([]byte(text), &h)
	}
	return h, err
}

// becomesPublic says what the plan tells of the model's initialisers.
func becomesPublic(published map[string]int) []string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(published)) {
		if n := published[what]; n > 1 {
			what = fmt.Sprintf("%s (%d nodes)", what, n)
		}
		all = append(all, what)
	}
	if all == nil {
		return nil
	}
	return []string{"initialisers that become public with the plan: " + strings.Join(all, "; ")}
}

// defaultMaxBytes is what an inference may send where nobody says otherwise.
const defaultMaxBytes = 50 << 30

func (o *Options) say(stage string) {
	if o.Progress != nil {
		o.Progress(passes.Stage{Name: stage})
	}
}

// Prepare chooses formats and protocols: all that takes long and does not ask what
// network lies between the parties.
func (m *Model) Prepare(ctx context.Context) (*Prepared, error) {
	apart, err := split(m.Graph, m.how.Publish)
	if err != nil {
		return nil, ofModel(ctx, err)
	}
	about := passes.About(apart.rest)
	if err := about.Affordable(m.MaxBytes); err != nil {
		return nil, ofModel(ctx, err)
	}
	switch text := about.Fits(service.FreeMemory()); {
	case text == "":
	case m.warn != nil:
		m.warn(text)
	default:
		apart.tell = append(apart.tell, text)
	}
	o := m.until(ctx)
	if o.Head = apart.head; o.Head != nil {
		if o.Calibration, o.Made, err = apart.examples(m.Graph, m.Options.Calibration); err != nil {
			return nil, &OptionError{"calibrate", err}
		}
	}
	p, err := passes.Prepare(apart.rest, o)
	if err != nil {
		return nil, ofModel(ctx, err)
	}
	return &Prepared{p, slices.Concat(m.warnings, apart.tell), m.figures(), m.source, m.how}, nil
}

// Compile makes the network for a profile.
func (m *Model) Compile(ctx context.Context, profile choose.Profile) (*Network, error) {
	p, err := m.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	return p.Network(ctx, profile)
}

// Products gives the model with every product by a constant as a convolution and
// nothing else changed: what baselines and surveys read shapes from.
func (m *Model) Products(ctx context.Context) (*ir.Graph, error) {
	g, err := passes.Products(m.Graph)
	return g, ofModel(ctx, err)
}

// WithXOperators gives the model, as ONNX, with X-operators in place of
// convolutions, and says what was replaced.
func (m *Model) WithXOperators(ctx context.Context) ([]byte, *passes.XReport, error) {
	x, report, err := passes.XOperators(m.Graph, m.until(ctx))
	if err != nil {
		return nil, nil, ofModel(ctx, err)
	}
	b, err := onnx.Export(x, onnx.ExportOptions{Calibration: m.Options.Calibration, Stop: ctx.Err})
	return b, report, ofModel(ctx, err)
}

// Prepared is a network before the profile decides how its messages are packed.
type Prepared struct {
	*passes.Prepared
	warnings []string
	seen     map[string]*plan.Seen // of every input, in calibration
	source   string
	how      How
}

// Warnings are what the user should know of.
func (p *Prepared) Warnings() []string { return slices.Concat(p.warnings, p.Prepared.Warnings()) }

// until are the options of a compilation that ends with the context.
func (m *Model) until(ctx context.Context) passes.Options {
	o := m.Options
	o.Stop = ctx.Err
	return o
}

// Network makes the plan for a profile.
func (p *Prepared) Network(ctx context.Context, profile choose.Profile) (*Network, error) {
	if profile.Bandwidth == 0 {
		profile, _ = choose.ParseProfile("") // the default is no error
	}
	made, err := p.Until(ctx.Err).Plan(profile)
	if err != nil {
		return nil, ofModel(ctx, err)
	}
	made.Warnings, made.Plan.Profile, made.Plan.Maker = p.Warnings(), profile.Name, Version()
	how, err := json.Marshal(p.how)
	if err != nil {
		return nil, err
	}
	made.Weights = backend.AttachNote(backend.AttachNote(made.Weights, sourceNote, p.source), howNote, string(how))
	for i := range made.Plan.Inputs {
		if made.Plan.Indices(i) == 0 { // an index is as good as any other
			made.Plan.Inputs[i].Seen = p.seen[made.Plan.Inputs[i].Name]
		}
	}
	return newNetwork(made, profile)
}
