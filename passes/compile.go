package passes

import (
	"encoding/json"
	"fmt"

	"secc.example/secc/backend"
	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// Result is a compiled network.
type Result struct {
	Plan     *plan.Plan
	Weights  backend.Weights // with the graph, for the simulator
	Fixed    *ir.Graph       // what the plan computes: the simulator runs it
	Overflow float64         // probability that an inference leaves its formats, estimated from the calibration
	Warnings []string
	X        *XReport // what X-operators stand in for
}

// Compile takes a network from the front end to a plan. The graph is not changed.
func Compile(g *ir.Graph, o Options) (*Result, error) {
	f, err := Prepare(g, o)
	if err != nil {
		return nil, err
	}
	return f.Plan(f.options.Profile)
}

// Prepared is a network with formats and protocols, before the profile decides
// how its messages are packed.
type Prepared struct {
	source  *ir.Graph
	options Options
	fixed   *ir.Graph
	cfg     *Config
	X       *XReport // what X-operators stand in for
}

// Warnings are what the user should know of.
func (p *Prepared) Warnings() []string { return p.cfg.Warnings }

// Prepare is the part of Compile that takes long and makes one or several plans.
func Prepare(g *ir.Graph, o Options) (*Prepared, error) {
	if o.Profile.Bandwidth == 0 {
		o.Profile, _ = choose.ParseProfile("lan")
	}
	real, x, err := XOperators(g, o)
	if err != nil {
		return nil, err
	}
	fixed, cfg, err := formatted(real, o)
	if err != nil {
		return nil, err
	}
	if err := revealWinners(fixed, cfg); err != nil {
		return nil, err
	}
	return &Prepared{g, o, fixed, cfg, x}, nil
}

// Until is the same network with another Stop.
func (p *Prepared) Until(stop func() error) *Prepared {
	q := *p
	q.options.Stop = stop
	return &q
}

// Plan gives the plan for a profile: what Compile would give for it. Only where
// the profile had a say in the graph is that made again.
func (p *Prepared) Plan(profile choose.Profile) (*Result, error) {
	if profile != p.options.Profile && !p.anyProfile() {
		o := p.options
		o.Profile = profile
		return Compile(p.source, o)
	}
	p.options.say("packing", 0, 0)
	o := p.options
	fixed, _ := p.fixed.Clone() // each result may be changed on its own
	made, w, err := backend.Lower(fixed, backend.Options{Profile: profile, OverOT: o.Linear == LinearOT, Lines: p.cfg.lines, Stop: o.Stop, Reveal: o.Reveal, Outputs: p.source.OutputNames, Labels: o.Labels, Preprocess: o.Preprocess, Head: o.Head})
	if err != nil {
		return nil, fmt.Errorf("compile: %w", tooWide(o, err))
	}
	note, err := json.Marshal(p.cfg.findings)
	if err != nil {
		return nil, err
	}
	w = backend.AttachNote(backend.AttachGraph(w, fixed), findingsNote, string(note))
	return &Result{made, w, fixed, p.cfg.overflow, p.cfg.Warnings, p.X}, nil
}

// anyProfile says that the graph would be the same for every profile: neither
// operators over OT nor X-operators were chosen by their predicted seconds.
func (p *Prepared) anyProfile() bool {
	return p.cfg.Linear == LinearRLWE && p.options.keepsOperators()
}

// findingsNote is the name under which weights keep the compiler's findings.
const findingsNote = "findings"

// ReadFindings gives what the compiler of some weights found in the calibration
// inputs; nil if they do not say.
func ReadFindings(w *plan.Weights) (Findings, error) {
	text, ok, err := backend.ReadNote(w, findingsNote)
	if err != nil || !ok {
		return nil, err
	}
	var f Findings
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return nil, fmt.Errorf("weights: %s: %w", findingsNote, err)
	}
	return f, nil
}

// Rewritten is a real graph as it is when formats are chosen: what every value of
// the fixed graph would be without rounding.
type Rewritten struct {
	Graph   *ir.Graph
	factors map[int][]float32
}

// Rewrite makes the real graph that formats were chosen for, by what the compiler
// found; without findings it measures again, on the options' calibration inputs.
func Rewrite(g *ir.Graph, o Options, found Findings) (*Rewritten, error) {
	real, _ := g.Clone()
	var rewriting []Pass
	for _, p := range Pipeline() {
		if p.Makes == ir.Real {
			rewriting = append(rewriting, p)
		}
	}
	cfg := NewConfig(o)
	cfg.replay = found
	err := Run(real, rewriting, cfg)
	return &Rewritten{real, cfg.factors}, err
}

// Undo takes the factors out that the compiler gave the channels of value v of the
// rewritten graph: x are its elements, which become those of the network as it was trained.
func (r *Rewritten) Undo(v *ir.Value, x []float32) {
	factor := r.factors[v.ID]
	if factor == nil {
		return
	}
	inner := 1
	if len(v.Type.Shape) > 2 {
		inner = ir.Numel(v.Type.Shape[2:])
	}
	for i := range x {
		x[i] /= factor[i/inner%len(factor)]
	}
}
