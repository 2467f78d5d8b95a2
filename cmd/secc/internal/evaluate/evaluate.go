package evaluate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/frontend/input"
	"secc.example/secc/ir/num"
	"secc.example/secc/runtime"
)

// ReportSchema names the form of a Report in JSON.
const ReportSchema = "secc.eval/1"

// Report is what secc eval prints. The figures at the top are those of the
// strongest form that was run: secure if asked for, else the simulation.
type Report struct {
	Schema string `json:"schema"`
	Model  string `json:"model"`
	N      int    `json:"n"`
	Score
	Against   string `json:"against,omitempty"` // what answers are compared with: "float", or the file of --reference
	Float     *Score `json:"float,omitempty"`
	Simulator *Score `json:"simulator"`
	Secure    *Score `json:"secure,omitempty"`

	Outputs  []OutputScore `json:"outputs,omitempty"` // each by itself, where there are several; the figures above are those of the first
	Formats  Formats       `json:"formats"`
	Overflow *float64      `json:"overflow_probability,omitempty"` // estimated when the formats were chosen; not kept in plans
	Bytes    int64         `json:"bytes"`                          // predicted, of one run
	Wrapped  int           `json:"wrapped"`                        // elements that left their ring in the simulation: these are wrong
	Over     int           `json:"over_range"`                     // elements outside the promised range, these among them
	Elements int           `json:"elements"`                       // simulated elements in all
}

// OutputScore compares one output with the cleartext network's.
type OutputScore struct {
	Name      string `json:"name"`
	Simulator *Score `json:"simulator"`
	Secure    *Score `json:"secure,omitempty"`
}

// Examples are what a network is evaluated on.
type Examples struct {
	Cases     [][]*num.Tensor
	Truth     *Truth
	Reference [][]float32 // answers of another engine; may be nil
	Against   string      // their file
	Secure    int         // how many cases run securely
}

// Rows is how many examples an output of one run answers: all of a batch, where each
// has its classes.
func Rows(p *plan.Plan, output int) int {
	if _, classes := p.KindOf(output); classes > 0 && p.Reveal == plan.RevealValues {
		return p.Batch()
	}
	return 1
}

// perExample cuts the answers of runs into those of their examples.
func perExample(values [][]float32, rows int) (all [][]float32) {
	if rows == 1 {
		return values
	}
	for _, v := range values {
		for each := range slices.Chunk(v, len(v)/rows) {
			all = append(all, each)
		}
	}
	return all
}

// Reference reads the first n answers of another engine.
func Reference(path string, p *plan.Plan, n int) ([][]float32, error) {
	out := p.Outputs[0]
	w := input.Spec{Name: out.Name, Shape: out.Shape}
	if p.Reveal != plan.RevealValues { // the plan gives indices, the reference scores
		w.Shape = []int{classes(p)}
	}
	a, err := input.Read(path, w)
	if err != nil {
		return nil, exit.Usagef("--reference %s: output %q: %w", path, out.Name, err)
	}
	answers, err := a.Cases(w)
	if err != nil {
		return nil, exit.Usagef("--reference %s: output %q: %w", path, out.Name, err)
	}
	if len(answers) < n {
		return nil, exit.Usagef("--reference %s: %d answers for %d examples", path, len(answers), n)
	}
	return answers[:n], nil
}

// Evaluate runs every example through every form.
func (e *Examples) Evaluate(ctx context.Context, s *Subject, step func(example int)) (*Report, error) {
	r := &Report{Schema: ReportSchema, Model: s.Plan.Model, N: len(e.Cases) * Rows(s.Plan, 0), Formats: FormatsOf(s.Fixed), Overflow: s.Overflow}
	cost, err := s.Plan.Cost()
	if err != nil {
		return nil, err
	}
	r.Bytes = cost.Total.Bytes
	var float, sim, real answers
	for i, in := range e.Cases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		step(i)
		err := sim.add(true, func() ([][]float32, error) { return r.simulate(s, in, uint64(i)) })
		if err == nil {
			err = float.add(s.Real != nil, func() ([][]float32, error) { return s.Float(in) })
		}
		if err == nil {
			err = real.add(i < e.Secure, func() ([][]float32, error) { return s.Secure(ctx, in, [2]func(plan.Slot, runtime.Vec){}) })
		}
		if err != nil {
			return nil, fmt.Errorf("example %d: %w", i+1, err)
		}
	}
	r.conclude(e, Rows(s.Plan, 0), float, sim, real)
	r.each(s.Plan, float, sim, real)
	return r, nil
}

func (r *Report) simulate(s *Subject, in []*num.Tensor, seed uint64) ([][]float32, error) {
	out, result, err := s.Simulate(in, seed, nil)
	if err != nil {
		return nil, err
	}
	for _, g := range result.Ranges {
		r.Wrapped, r.Over, r.Elements = r.Wrapped+g.Wrapped, r.Over+g.Over, r.Elements+g.N
	}
	return out, nil
}

// answers are one form's outputs and the time they took.
type answers struct {
	values  [][]float32 // the first output of every case
	seconds float64
	all     [][][]float32 // every output of every case
}

// output is one output of every case.
func (a *answers) output(k int) (values [][]float32) {
	for _, out := range a.all {
		values = append(values, out[k])
	}
	return values
}

func (a *answers) add(wanted bool, run func() ([][]float32, error)) error {
	if !wanted {
		return nil
	}
	start := time.Now()
	out, err := run()
	a.seconds += time.Since(start).Seconds()
	if err != nil {
		return err
	}
	a.values, a.all = append(a.values, out[0]), append(a.all, out)
	return nil
}

// each scores every output of a network that has several.
func (r *Report) each(p *plan.Plan, float, sim, real answers) {
	if len(p.Outputs) < 2 || float.all == nil {
		return
	}
	for k, o := range p.Outputs {
		rows := Rows(p, k)
		ref := perExample(float.output(k), rows)
		s := OutputScore{Name: o.Name, Simulator: rate(answers{values: perExample(sim.output(k), rows)}, ref, nil)}
		if real.all != nil {
			s.Secure = rate(answers{values: perExample(real.output(k), rows)}, ref, nil)
		}
		r.Outputs = append(r.Outputs, s)
	}
}

func (r *Report) conclude(e *Examples, rows int, float, sim, real answers) {
	for _, a := range []*answers{&float, &sim, &real} {
		a.values = perExample(a.values, rows)
	}
	reference := perExample(e.Reference, rows)
	ref := reference
	switch {
	case ref != nil:
		r.Against = e.Against
	case float.values != nil:
		ref, r.Against = float.values, "float"
	}
	r.Simulator = rate(sim, ref, e.Truth)
	r.Score = *r.Simulator
	if float.values != nil {
		r.Float = rate(float, reference, e.Truth)
	}
	if real.values != nil {
		r.Secure = rate(real, ref, e.Truth)
		r.Score = *r.Secure
	}
}
