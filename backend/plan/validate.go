package plan

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"unicode/utf8"

	"secc.example/secc/backend/plan/wire"
)

// Limits that a plan must keep, so that nothing read from a file can make a
// party allocate or loop beyond reason.
const (
	MaxElems   = 1 << 28 // elements of one slot
	MaxSlots   = 1 << 18
	MaxSteps   = 1 << 18
	MaxRank    = 8
	MaxRegions = 1 << 20 // copy regions in a whole plan
	maxName    = 1 << 12
	maxFrac    = 256
)

// Validate checks everything the runtime relies on: every slot is written once,
// before it is read; every step has the attributes its protocol needs and legal
// shapes and formats; inputs and outputs are wired to input and reveal steps.
func (p *Plan) Validate() error {
	if p.Version != Version {
		return fmt.Errorf("plan: version %d, this secc reads %d", p.Version, Version)
	}
	if len(p.Slots) > MaxSlots {
		return fmt.Errorf("plan: %d slots, limit %d", len(p.Slots), MaxSlots)
	}
	for i, t := range p.Slots {
		if err := t.check(); err != nil {
			return fmt.Errorf("plan: slot %d: %w", i, err)
		}
	}
	if err := p.checkSteps(); err != nil {
		return err
	}
	if err := p.checkInputs(); err != nil {
		return err
	}
	if err := p.checkOutputs(); err != nil {
		return err
	}
	if err := p.checkReveals(); err != nil {
		return err
	}
	if err := p.checkText(); err != nil {
		return err
	}
	return p.checkSetup()
}

// checkSetup checks that what the session makes before it starts can be made.
func (p *Plan) checkSetup() error {
	keys, err := p.LinearKeys()
	if err != nil {
		return err
	}
	if err := checkModulus(keys); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	if err := p.OT.Validate(p.COTs()); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return nil
}

// modulusGap is how far below 2^wire.QBits a modulus may lie: noise is counted and
// messages are scaled as if it were that power.
const modulusGap = 1 << 30

// checkModulus checks that there is a modulus if there are keys, and that it is
// what they need: a prime just below 2^wire.QBits that is 1 modulo twice the degree.
func checkModulus(k wire.LinearKeys) error {
	q := k.Modulus
	switch {
	case k.N == 0 && q == 0:
		return nil
	case k.N == 0:
		return fmt.Errorf("modulus %d without an encrypted linear step", q)
	case q >= 1<<wire.QBits || q < 1<<wire.QBits-modulusGap || q%uint64(2*k.N) != 1 || !new(big.Int).SetUint64(q).ProbablyPrime(0): // exact below 2^64
		return fmt.Errorf("modulus %d is not a prime just below 2^%d that is 1 modulo %d", q, wire.QBits, 2*k.N)
	}
	return nil
}

func checkShape(shape []int) (int, error) {
	if len(shape) > MaxRank {
		return 0, fmt.Errorf("rank %d, limit %d", len(shape), MaxRank)
	}
	n := 1
	for _, d := range shape {
		if d < 1 || d > MaxElems || n > MaxElems/d {
			return 0, fmt.Errorf("shape %v has no or too many elements", shape)
		}
		n *= d
	}
	return n, nil
}

func (t SlotType) check() error {
	if t.Bits < 1 || t.Bits > 64 || t.Frac < -maxFrac || t.Frac > maxFrac {
		return fmt.Errorf("format (%d, %d)", t.Bits, t.Frac)
	}
	_, err := checkShape(t.Shape)
	return err
}

// checkSteps follows the steps in order and keeps track of which slots are written.
func (p *Plan) checkSteps() error {
	written, owned := make([]bool, len(p.Slots)), make([]bool, len(p.Slots))
	steps, regions := 0, 0
	for at, s := range p.Steps() {
		if steps++; steps > MaxSteps {
			return fmt.Errorf("plan: more than %d steps", MaxSteps)
		}
		if c, ok := s.Attrs.(*Copy); ok && c != nil {
			regions += len(c.Regions)
		}
		if regions > MaxRegions {
			return fmt.Errorf("plan: more than %d copy regions", MaxRegions)
		}
		err := p.checkStep(s, written)
		if err == nil {
			owned[s.Out[0]] = s.OwnedByClient(func(x Slot) bool { return owned[x] })
			if l := s.Linear(); l != nil && l.ClientInput && !owned[s.In[0]] {
				err = errors.New("takes for the client's own what the server has a share of")
			}
		}
		if err != nil {
			return fmt.Errorf("plan: round %d step %d (%.40q, %.40q): %w", at.Round, at.Position, string(s.Proto), s.Name, err)
		}
	}
	return nil
}

func (p *Plan) checkStep(s *Step, written []bool) error {
	if len(s.Name) > maxName || len(s.Op) > maxName || len(s.W) > maxName {
		return errors.New("name too long")
	}
	for _, x := range s.In {
		if x < 0 || int(x) >= len(written) || !written[x] {
			return fmt.Errorf("reads slot %d, which nothing has written", x)
		}
	}
	for _, x := range s.Out {
		if x < 0 || int(x) >= len(written) || written[x] {
			return fmt.Errorf("writes slot %d, which does not exist or is written already", x)
		}
		written[x] = true
	}
	attrs, err := s.attrs()
	if err != nil {
		return err
	}
	return attrs.Legal(p, s)
}

func (p *Plan) checkInputs() error {
	for _, in := range p.Inputs {
		if _, err := checkShape(in.Shape); err != nil || len(in.Name) > maxName {
			return fmt.Errorf("plan: input %.40q: shape %v, or a name too long", in.Name, in.Shape)
		}
		if err := in.Seen.check(); err != nil {
			return fmt.Errorf("plan: input %.40q: %w", in.Name, err)
		}
		if err := in.Preprocess.check(in.Shape); err != nil {
			return fmt.Errorf("plan: input %.40q: preprocessing: %w", in.Name, err)
		}
	}
	if err := p.checkHead(); err != nil {
		return err
	}
	return p.checkFed()
}

// checkFed checks that what the client encodes and what input steps fill are the same.
func (p *Plan) checkFed() error {
	fed := map[Slot]bool{}
	for _, f := range p.Fed() {
		name, shape := p.ValueName(f.Value), p.valueShape(f.Value)
		if f.Slot < 0 || int(f.Slot) >= len(p.Slots) || fed[f.Slot] {
			return fmt.Errorf("plan: input %.40q: bad slot %d", name, f.Slot)
		}
		fed[f.Slot] = true
		if !slices.Equal(shape, p.Slots[f.Slot].Shape) {
			return fmt.Errorf("plan: input %.40q: shape %v, slot has %v", name, shape, p.Slots[f.Slot].Shape)
		}
		if err := f.checkScaling(p.Slots[f.Slot].N()); err != nil {
			return fmt.Errorf("plan: input %.40q: %w", name, err)
		}
	}
	n := 0
	for _, s := range p.Steps() {
		if s.Proto != ProtoInput {
			continue
		}
		n++
		if !fed[s.Out[0]] {
			return fmt.Errorf("plan: input step fills slot %d, which no input names", s.Out[0])
		}
	}
	if n != len(fed) {
		return fmt.Errorf("plan: %d inputs, %d input steps", len(fed), n)
	}
	return nil
}

// maxInputShift bounds the exponents of an input's factors.
const maxInputShift = 64

func (in *Scaling) checkScaling(n int) error {
	if notFinite(in.Min) || len(in.Shift) == 0 && in.Inner != 0 {
		return errors.New("bad bound or factors")
	}
	if len(in.Shift) > 0 && (in.Inner < 1 || in.Inner > n || n%in.Inner != 0 || n/in.Inner%len(in.Shift) != 0) {
		return fmt.Errorf("%d factors over %d elements each for %d elements", len(in.Shift), in.Inner, n)
	}
	if slices.ContainsFunc(in.Shift, func(s int) bool { return s < -maxInputShift || s > maxInputShift }) {
		return errors.New("factor out of range")
	}
	return nil
}

// maxImageSide bounds the sides that an image is resized to.
const maxImageSide = 1 << 14

func (c Preprocess) check(shape []int) error {
	if c.Preset == "" {
		return nil
	}
	if err := c.checkWords(); err != nil {
		return err
	}
	for _, side := range [2]int{c.Via, c.Resize} {
		if side < 0 || side > maxImageSide {
			return fmt.Errorf("resize to %d", side)
		}
	}
	if c.Range < 0 || c.Range > 1<<16-1 {
		return fmt.Errorf("a range of %d", c.Range)
	}
	if len(shape) != 4 && len(shape) != 3 {
		return fmt.Errorf("an image needs 3 or 4 dimensions, the input has shape %v", shape)
	}
	for _, v := range [][]float64{c.Scale, c.Shift} {
		if len(v) > 4 || slices.ContainsFunc(v, notFinite) {
			return errors.New("scale and shift: at most 4 finite numbers")
		}
	}
	return nil
}

func (c Preprocess) checkWords() error {
	if len(c.Preset) > maxName || !slices.Contains([]string{"", "nchw", "nhwc"}, c.Layout) || !slices.Contains([]string{"", "rgb", "bgr", "grey"}, c.Colour) {
		return errors.New("unknown layout or colour order")
	}
	if c.Crop != "" && c.Crop != "square" {
		return errors.New("unknown crop")
	}
	return nil
}

func (s *Seen) check() error {
	if s == nil {
		return nil
	}
	if s.Inputs < 1 || len(s.Mean) > 4 || len(s.Mean) != len(s.Deviation) || slices.ContainsFunc(slices.Concat(s.Mean, s.Deviation, []float64{s.Min, s.Max}), notFinite) ||
		!slices.Contains([]string{"", "grey", "colour"}, s.Colour) {
		return errors.New("figures of calibration that are none")
	}
	return nil
}

func notFinite(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

func (p *Plan) checkOutputs() error {
	revealed := map[Slot]bool{}
	for _, s := range p.Steps() {
		if s.Proto == ProtoReveal {
			revealed[s.Out[0]] = true
		}
	}
	for _, o := range p.Outputs {
		if !revealed[o.Slot] {
			return fmt.Errorf("plan: output %.40q: slot %d is not revealed", o.Name, o.Slot)
		}
		if err := o.checkPost(p.Slots[o.Slot].Shape); err != nil {
			return fmt.Errorf("plan: output %.40q: %w", o.Name, err)
		}
	}
	for _, s := range p.Steps() { // the client's own tensors never go back into a protocol
		for _, x := range s.In {
			if revealed[x] {
				return fmt.Errorf("plan: revealed slot %d is read again", x)
			}
		}
	}
	return nil
}

// checkReveals checks that the client learns what the plan says and no more:
// every revealed slot is an output, and where the plan promises indices alone,
// only what an argmax gives is revealed.
func (p *Plan) checkReveals() error {
	if len(p.Outputs) == 0 {
		return errors.New("plan: no outputs")
	}
	shown := map[Slot]bool{}
	for _, o := range p.Outputs {
		shown[o.Slot] = true
	}
	most, ok := map[Reveal]int{RevealValues: 0, RevealArgMax: 1, RevealTopK: MaxElems}[p.Reveal]
	if !ok {
		return fmt.Errorf("plan: reveal mode %.40q", string(p.Reveal))
	}
	winners := map[Slot]int{} // by slot: how many indices of each row it holds
	for at, s := range p.Steps() {
		switch {
		case s.Proto == ProtoArgMax:
			winners[s.Out[0]] = s.Attrs.(*ArgMax).K
		case s.Proto != ProtoReveal:
		case !shown[s.Out[0]]:
			return fmt.Errorf("plan: round %d step %d (%.40q) reveals slot %d, which is no output", at.Round, at.Position, s.Name, s.In[0])
		case p.Reveal != RevealValues && (winners[s.In[0]] == 0 || winners[s.In[0]] > most):
			return fmt.Errorf("plan: reveal %s: round %d step %d (%.40q) reveals something else", p.Reveal, at.Round, at.Position, s.Name)
		}
	}
	return nil
}

// maxLabels bounds the labels of a plan.
const maxLabels = 1 << 20

// checkText checks that every string is text, which is all that a plan file holds.
func (p *Plan) checkText() error {
	if len(p.Labels) > maxLabels || len(p.Model) > maxName || len(p.Profile) > maxName || len(p.Maker) > maxName {
		return errors.New("plan: too many labels, or the network's, the profile's or the compiler's name is too long")
	}
	texts := append([]string{p.Model, p.Profile, p.Maker}, p.Labels...)
	for _, in := range p.Inputs {
		texts = append(texts, in.Name, in.Preprocess.Preset)
	}
	for _, op := range p.Head {
		texts = append(texts, op.Op, op.Node, op.Name)
	}
	for _, o := range p.Outputs {
		texts = append(texts, o.Name)
	}
	for _, s := range p.Steps() {
		texts = append(texts, s.Op, s.Name, s.W)
		if f, ok := s.Attrs.(*Func); ok {
			texts = append(texts, f.Name)
		}
	}
	if i := slices.IndexFunc(texts, func(s string) bool { return !utf8.ValidString(s) }); i >= 0 {
		return fmt.Errorf("plan: %.40q is not UTF-8", texts[i])
	}
	return nil
}

func (o Output) checkPost(shape []int) error {
	if len(o.Name) > maxName || len(o.Post) > 64 {
		return errors.New("name or list of functions too long")
	}
	for i := range o.Post {
		var err error
		if shape, err = o.Post[i].check(shape); err != nil {
			return err
		}
	}
	if !slices.Equal(shape, o.Shape) {
		return fmt.Errorf("shape %v, declared %v", shape, o.Shape)
	}
	return nil
}

// check checks a function of a tensor and gives the shape of what it makes.
func (f *PostOp) check(shape []int) ([]int, error) {
	switch f.Op {
	case "reshape", "transpose":
		n, _ := checkShape(shape)
		m, err := checkShape(f.Shape)
		if err != nil || m != n || f.Op == "transpose" && !permutes(f.Perm, shape, f.Shape) {
			return nil, fmt.Errorf("%s of %v to %v", f.Op, shape, f.Shape)
		}
		return f.Shape, nil
	case "softmax", "log_softmax":
		if f.Axis < 0 || f.Axis >= len(shape) {
			return nil, fmt.Errorf("%s: axis %d of %v", f.Op, f.Axis, shape)
		}
	case "func":
		if _, ok := f.Scalar(); !ok || notFinite(f.Alpha) || notFinite(f.Beta) {
			return nil, fmt.Errorf("func: no function %.40q, or bad parameters", f.Name)
		}
	default:
		return nil, fmt.Errorf("unknown function %.40q", f.Op)
	}
	return shape, nil
}

func permutes(perm, from, to []int) bool {
	if len(perm) != len(from) || len(to) != len(from) {
		return false
	}
	seen := make([]bool, len(perm))
	for i, d := range perm {
		if d < 0 || d >= len(perm) || seen[d] || to[i] != from[d] {
			return false
		}
		seen[d] = true
	}
	return true
}
