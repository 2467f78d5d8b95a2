package passes

import (
	"fmt"
	"math"
	"slices"

	"secc.example/secc/backend"
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
	before.named, before.seen = o.Bits, new(calibration)
	if err := Run(real, pipeline[:split], before); err != nil {
		return nil, nil, err
	}
	var tried attempts
	for bits := before.Bits; ; bits = wider(bits) {
		f, err := before.format(real, pipeline[split:], bits)
		if err != nil && tried.best != nil { // there is no room for more bits
			return tried.chosen().judged()
		}
		if err != nil {
			return nil, nil, tooWide(o, err)
		}
		switch {
		case len(before.Calibration) == 0 || f.cfg.satisfied(f.answer) || o.Bits != 0:
			return f.judged()
		}
		tried.add(f)
		if bits >= widestBits {
			return tried.chosen().judged()
		}
	}
}

// attempts are the formats that are worth keeping of those that were tried, from the
// narrowest ring on.
type attempts struct {
	cheap *formatting // the narrowest whose deviation may be given up
	best  *formatting // the most faithful of those with bits to spare
}

func (t *attempts) add(f *formatting) {
	if !f.cfg.outgrown && f.answer.error <= f.cfg.MaxDrop && !f.failing() && (t.cheap == nil || f.calmer(t.cheap)) {
		t.cheap = f
	}
	if f.cfg.Bits >= accurateBits && (t.best == nil || f.betters(t.best)) {
		t.best = f
	}
}

// chosen is what to take where no formats keep every best class: near ties flip in any
// ring, and one more bit costs bytes everywhere. Wider ones must keep more of them.
func (t *attempts) chosen() *formatting {
	if t.cheap != nil && t.cheap.answer.agree >= t.best.answer.agree {
		return t.cheap
	}
	return t.best
}

// betters reports whether f, with more bits than g, is worth them: g fails, or f
// keeps best classes that g loses, or g deviates by more than may be given up and f by
// less than half of that.
func (f *formatting) betters(g *formatting) bool {
	switch {
	case g.failing():
		return f.answer.error < g.answer.error
	case f.answer.agree != g.answer.agree:
		return f.answer.agree > g.answer.agree
	}
	return g.answer.error > g.cfg.MaxDrop && f.answer.error < g.answer.error/2
}

// calmer reports whether f, with more bits than g, is worth them because outputs stray
// less than half as far: g's stray by more than may be given up.
func (f *formatting) calmer(g *formatting) bool {
	return g.answer.strays > g.cfg.MaxDrop && f.answer.strays < g.answer.strays/2
}

// widestBits is the widest ring that is tried where the user named none: there are
// no tables for functions, and no room for filters, far beyond.
const widestBits = 24

// wider is the ring that is tried next. Networks that fail well beyond what --target
// accuracy takes want several bits more.
func wider(bits int) int {
	if bits < accurateBits+2 {
		return bits + 1
	}
	return bits + 2
}

// formatting is a network in formats of some width, and how it answers.
type formatting struct {
	real, fixed *ir.Graph
	cfg         *Config
	answer      answer
}

// format runs the passes that read how wide the ring is, and the rehearsal.
func (c *Config) format(real *ir.Graph, pipeline []Pass, bits int) (*formatting, error) {
	cfg := *c
	cfg.Bits, cfg.grown, cfg.Warnings = bits, bits-c.Bits, slices.Clone(c.Warnings)
	cfg.grows = c.named == 0 && bits < accurateBits && len(cfg.Calibration) > 0
	f := &formatting{real: real, cfg: &cfg}
	f.fixed, _ = real.Clone()
	if err := Run(f.fixed, pipeline, &cfg); err != nil {
		return nil, err
	}
	defer func() { cfg.trials = nil }() // it holds much memory
	if len(cfg.Calibration) == 0 {
		return f, nil
	}
	var err error
	f.answer, err = cfg.rehearse(f.fixed)
	if err == nil && c.named == 0 {
		err = cfg.again(&f.answer)
	}
	if err != nil {
		return nil, fmt.Errorf("rehearsal: %w", err)
	}
	if bits > accurateBits && c.named == 0 {
		trial, _ := f.fixed.Clone()
		_, _, err = backend.Lower(trial, backend.Options{Profile: cfg.Profile, OverOT: cfg.Linear == LinearOT, Lines: cfg.lines})
	}
	return f, err
}

// tooWide says what to do where a ring that the user named has no room.
func tooWide(o Options, err error) error {
	if err != nil && o.Bits > accurateBits {
		return fmt.Errorf("formats of %d bits have no room here: leave --bits out, or ask for fewer: %w", o.Bits, err)
	}
	return err
}

// failing reports answers that are not the network's.
func (f *formatting) failing() bool {
	return f.answer.lost > 0 || f.answer.error > math.Max(poorDeviation, f.cfg.MaxDrop)
}

// judged gives the network, or the error that it does not answer like the real one.
func (f *formatting) judged() (*ir.Graph, *Config, error) {
	f.cfg.review(f.answer)
	if len(f.cfg.Calibration) == 0 || !f.failing() {
		return f.fixed, f.cfg, nil
	}
	poor, err := f.poor()
	switch {
	case err != nil:
		return nil, nil, err
	case !f.cfg.Force:
		return nil, nil, poor
	}
	f.cfg.warn(poor.Error())
	return f.fixed, f.cfg, nil
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
	if c.grows && c.rounding == 0 {
		limit.error = c.MaxDrop // beyond, nothing more need be known of them
	}
	return c.trials.compare(limit, 0, nil, c.count("rehearsal", len(c.trials.inputs)))
}

// again has a network with few outputs answer several times, if once was good enough.
// Where comparisons drop bits a deviation within --max-drop is what was asked for.
func (c *Config) again(a *answer) (err error) {
	if c.rounding != 0 || !c.satisfied(*a) {
		return nil
	}
	n, _ := c.trials.draws()
	a.strays, err = c.trials.scatter(c.count("rehearsal", n*len(c.trials.inputs)))
	return err
}

// satisfied tells whether the answers are good enough. Where comparisons drop
// bits, formats are judged by what they did before: wider ones would not help
// against the rest.
func (c *Config) satisfied(a answer) bool {
	if c.rounding == 0 {
		c.rounding = a.error
	}
	return !c.outgrown && a.agree == a.answers && c.rounding <= formatDeviation*c.MaxDrop && a.strays <= formatDeviation*c.MaxDrop
}

// review warns of formats that spoil the answers.
func (c *Config) review(a answer) {
	if a.lost == 0 && a.error <= math.Max(poorDeviation, c.MaxDrop) && (a.agree < a.answers || a.error > poorDeviation) {
		c.warn(fmt.Sprintf("in %d-bit formats %d of %d calibration answers keep their best class, and outputs deviate by %.2g %% of their spread: more bits would help",
			c.Bits, a.agree, a.answers, 100*a.error))
	}
}
