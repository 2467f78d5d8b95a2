package passes

import (
	"fmt"

	"secc/ir"
)

// A rehearsal is the last check of all: the compiled network answers its
// calibration inputs in simulation, and is compared with the real one. Where
// the user named no width, the ring grows until the answers are good enough.

// poorDeviation is the deviation of outputs, relative to their spread, that is
// worth a warning.
const poorDeviation = 0.05

// formatted runs the pipeline, in the narrowest ring that does.
func formatted(g *ir.Graph, o Options) (*ir.Graph, *Config, error) {
	grow := o.Bits == 0
	for {
		cfg := NewConfig(o)
		fixed, _ := g.Clone()
		if err := Run(fixed, Pipeline(), cfg); err != nil {
			return nil, nil, err
		}
		if len(cfg.Calibration) == 0 {
			return fixed, cfg, nil
		}
		a, err := cfg.deviation(fixed)
		if err != nil {
			return nil, nil, fmt.Errorf("rehearsal: %w", err)
		}
		if !grow || cfg.Bits >= accurateBits || cfg.satisfied(a) {
			cfg.review(a)
			return fixed, cfg, nil
		}
		o.Bits = cfg.Bits + 1
	}
}

// satisfied tells whether the answers are good enough. Where comparisons drop
// bits, formats are judged by what they did before: wider ones would not help
// against the rest.
func (c *Config) satisfied(a answer) bool {
	if c.rounding == 0 {
		c.rounding = a.error
	}
	return a.agree == a.answers && c.rounding <= formatDeviation*c.MaxDrop
}

// review warns of formats that spoil the answers.
func (c *Config) review(a answer) {
	if a.agree < a.answers || a.error > poorDeviation {
		c.warn(fmt.Sprintf("in %d-bit formats %d of %d calibration answers keep their best class, and outputs deviate by %.2g %% of their spread: more bits would help",
			c.Bits, a.agree, a.answers, 100*a.error))
	}
}
