package passes

import (
	"fmt"
	"slices"

	"secc.example/secc/ir"
)

// A rehearsal is the last check of all: the compiled network answers its
// calibration inputs in simulation, and is compared with the real one. Where
// the user named no width, the ring grows until the answers are good enough.

// poorDeviation is the deviation of outputs, relative to their spread, that is
// worth a warning.
const poorDeviation = 0.05

// firstOfRing is the first pass that reads how wide the ring is: those before it
// run once, whatever widths are tried.
const firstOfRing = "winograd"

// formatted runs the pipeline, in the narrowest ring that does.
func formatted(g *ir.Graph, o Options) (*ir.Graph, *Config, error) {
	pipeline := Pipeline()
	split := slices.IndexFunc(pipeline, func(p Pass) bool { return p.Name == firstOfRing })
	real, _ := g.Clone()
	before := NewConfig(o)
	before.seen = new(calibration)
	if err := Run(real, pipeline[:split], before); err != nil {
		return nil, nil, err
	}
	for bits := before.Bits; ; bits++ {
		cfg := *before
		cfg.Bits, cfg.Warnings = bits, slices.Clone(before.Warnings)
		cfg.grows = o.Bits == 0 && bits < accurateBits && len(cfg.Calibration) > 0
		fixed, _ := real.Clone()
		if err := Run(fixed, pipeline[split:], &cfg); err != nil {
			return nil, nil, err
		}
		if len(cfg.Calibration) == 0 {
			cfg.trials = nil // it holds much memory
			return fixed, &cfg, nil
		}
		a, err := cfg.rehearse(fixed)
		cfg.trials = nil
		if err != nil {
			return nil, nil, fmt.Errorf("rehearsal: %w", err)
		}
		if !cfg.grows || cfg.satisfied(a) {
			cfg.review(a)
			return fixed, &cfg, nil
		}
	}
}

// rehearse compares the compiled network's answers with the real one's. Where
// formats may still grow it may find out early that they must.
func (c *Config) rehearse(g *ir.Graph) (a answer, err error) {
	if c.outgrown {
		return a, nil
	}
	if c.trials == nil {
		if c.trials, err = newTrials(g, c); err != nil {
			return a, err
		}
	}
	limit := anything
	if c.grows {
		limit.agree = c.trials.answers
		if c.rounding == 0 {
			limit.error = formatDeviation * c.MaxDrop
		}
	}
	return c.trials.compare(limit, 0, nil, c.count("rehearsal", len(c.trials.inputs)))
}

// satisfied tells whether the answers are good enough. Where comparisons drop
// bits, formats are judged by what they did before: wider ones would not help
// against the rest.
func (c *Config) satisfied(a answer) bool {
	if c.rounding == 0 {
		c.rounding = a.error
	}
	return !c.outgrown && a.agree == a.answers && c.rounding <= formatDeviation*c.MaxDrop
}

// review warns of formats that spoil the answers.
func (c *Config) review(a answer) {
	if a.agree < a.answers || a.error > poorDeviation {
		c.warn(fmt.Sprintf("in %d-bit formats %d of %d calibration answers keep their best class, and outputs deviate by %.2g %% of their spread: more bits would help",
			c.Bits, a.agree, a.answers, 100*a.error))
	}
}
