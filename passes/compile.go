package passes

import (
	"fmt"

	"secc.example/secc/backend"
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
		o.Profile, _ = backend.ParseProfile("lan")
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
func (p *Prepared) Plan(profile backend.Profile) (*Result, error) {
	if profile != p.options.Profile && !p.anyProfile() {
		o := p.options
		o.Profile = profile
		return Compile(p.source, o)
	}
	p.options.say("packing", 0, 0)
	o := p.options
	fixed, _ := p.fixed.Clone() // each result may be changed on its own
	made, w, err := backend.Lower(fixed, backend.Options{Profile: profile, Stop: o.Stop, Reveal: o.Reveal, Outputs: p.source.OutputNames, Labels: o.Labels, Preprocess: o.Preprocess})
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	return &Result{made, backend.AttachGraph(w, fixed), fixed, p.cfg.overflow, p.cfg.Warnings, p.X}, nil
}

// anyProfile says that the graph would be the same for every profile: neither
// operators over OT nor X-operators were chosen by their predicted seconds.
func (p *Prepared) anyProfile() bool {
	return p.cfg.Linear == LinearRLWE && p.options.keepsOperators()
}

// Rewrite gives the real graph as it is when formats are chosen: what every
// value of the fixed graph would be without rounding.
func Rewrite(g *ir.Graph, o Options) (*ir.Graph, error) {
	real, _ := g.Clone()
	var rewriting []Pass
	for _, p := range Pipeline() {
		if p.Makes == ir.Real {
			rewriting = append(rewriting, p)
		}
	}
	return real, Run(real, rewriting, NewConfig(o))
}
