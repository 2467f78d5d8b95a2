package evaluate

import (
	"context"
	"math"

	"secc.example/secc"
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// ComparisonSchema names the form of a Comparison in JSON.
const ComparisonSchema = "secc.compare/1"

// Comparison is what secc compare prints.
type Comparison struct {
	Schema    string  `json:"schema"`
	Model     string  `json:"model"`
	Threshold float64 `json:"snr_threshold_db"`
	Rows      []Row   `json:"operators"`
	First     string  `json:"first_divergence,omitempty"` // name of the first operator below the threshold
}

// Row sets the three forms of one value side by side. Errors are in real
// units, against the cleartext value; the signal-to-noise ratio is in dB.
type Row struct {
	Name      string   `json:"name"`
	Op        string   `json:"op"`
	Format    string   `json:"format"`
	MaxAbs    *float64 `json:"max_abs_float,omitempty"`
	SimError  *float64 `json:"max_error_simulator,omitempty"`
	SimSNR    *float64 `json:"snr_simulator_db,omitempty"`
	RunError  *float64 `json:"max_error_secure,omitempty"`
	RunSNR    *float64 `json:"snr_secure_db,omitempty"`
	Apart     *float64 `json:"max_ulp_secure_from_simulator,omitempty"`
	Wrapped   int      `json:"wrapped"` // simulated elements that left their ring
	OverRange int      `json:"over_range"`
}

// Operator names a value in every form: passes and lowering keep the model's
// node name and the operator.
type Operator struct{ Op, Name string }

// CompareOptions says what is compared.
type CompareOptions struct {
	Threshold float64 // dB, below which an operator has diverged
	Secure    bool    // the real protocol runs, too
}

// Compare runs the forms and pairs their values.
func Compare(ctx context.Context, s *Subject, in []*num.Tensor, o CompareOptions) (*Comparison, error) {
	real, undo, err := realValues(s, in)
	if err != nil {
		return nil, err
	}
	sim := map[Operator][]float32{}
	var order []*ir.Value
	_, result, err := s.Simulate(in, 1, func(v *ir.Value, t *ir.FixedTensor) {
		k := Operator{string(v.Op), v.Name}
		if _, twice := sim[k]; v.Op == ir.OpConst || twice {
			return
		}
		sim[k], order = append([]float32{}, t.Floats()...), append(order, v)
	})
	if err != nil {
		return nil, err
	}
	var run map[Operator][]float32
	if o.Secure {
		if run, err = secureValues(ctx, s, in); err != nil {
			return nil, err
		}
	}
	r := &Comparison{Schema: ComparisonSchema, Model: s.Plan.Model, Threshold: o.Threshold}
	for _, v := range order {
		k := Operator{string(v.Op), v.Name}
		row := Row{Name: v.Name, Op: string(v.Op), Format: v.Type.Elem.String(), Wrapped: result.Ranges[v].Wrapped, OverRange: result.Ranges[v].Over}
		row.apart(sim[k], run[k], v.Type.Elem.Frac)
		if un := undo[k]; un != nil {
			un(sim[k])
			un(run[k])
		}
		row.fill(real[k], sim[k], run[k])
		if row.MaxAbs == nil {
			continue // an extension or another value that exists in fixed point only
		}
		r.Rows = append(r.Rows, row)
		if r.First == "" && (below(row.SimSNR, o.Threshold) || below(row.RunSNR, o.Threshold)) {
			r.First = v.Name
		}
	}
	return r, nil
}

func below(x *float64, limit float64) bool { return x != nil && *x < limit }

// realValues evaluates the rewritten cleartext graph, and says of values whose
// channels the compiler multiplied how to undo that.
func realValues(s *Subject, in []*num.Tensor) (vals map[Operator][]float32, undo map[Operator]func([]float32), err error) {
	r, err := s.Rewritten()
	if err != nil {
		return nil, nil, err
	}
	vals, undo = map[Operator][]float32{}, map[Operator]func([]float32){}
	if in, err = secc.Headed(s.Plan, elementsOf(in)); err != nil {
		return nil, nil, err
	}
	_, err = ir.Eval(r.Graph, in, ir.EvalOptions{Stop: s.Stop, Observe: func(v *ir.Value, t *num.Tensor) {
		k := Operator{string(v.Op), v.Name}
		if _, twice := vals[k]; v.Op != ir.OpConst && !twice {
			vals[k] = append([]float32{}, ir.Floats(t)...)
			r.Undo(v, vals[k])
			undo[k] = func(x []float32) {
				if len(x) == v.Type.N() {
					r.Undo(v, x)
				}
			}
		}
	}})
	return vals, undo, err
}

// secureValues runs the protocol and gives what every step computed.
func secureValues(ctx context.Context, s *Subject, in []*num.Tensor) (map[Operator][]float32, error) {
	slots, _, err := s.SecureSlots(ctx, in)
	if err != nil {
		return nil, err
	}
	vals := map[Operator][]float32{}
	for _, step := range s.Plan.Steps() {
		slot := step.Out[0]
		ints, ok := slots[slot]
		if !ok || step.Proto == plan.ProtoReveal {
			continue
		}
		x := make([]float32, len(ints))
		for i, y := range ints {
			x[i] = float32(math.Ldexp(float64(y), -s.Plan.Slots[slot].Frac))
		}
		vals[Operator{step.Op, step.Name}] = x
	}
	return vals, nil
}

// fill computes the row's figures from what there is of the three forms.
func (r *Row) fill(real, sim, run []float32) {
	if real != nil && len(real) == len(sim) {
		top := 0.0
		for _, x := range real {
			top = max(top, math.Abs(float64(x)))
		}
		r.MaxAbs = &top
		r.SimError, r.SimSNR = distance(real, sim)
		if len(run) == len(real) {
			r.RunError, r.RunSNR = distance(real, run)
		}
	}
}

// apart is how far the secure run is from the simulation, in ulp of the format.
func (r *Row) apart(sim, run []float32, frac int) {
	if len(run) == len(sim) && run != nil {
		d, _ := distance(sim, run)
		ulp := math.Ldexp(*d, frac)
		r.Apart = &ulp
	}
}

// distance gives the largest error of got and its signal-to-noise ratio, at most 200 dB.
func distance(want, got []float32) (worst, snr *float64) {
	w, signal, noise := 0.0, 0.0, 0.0
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		w, signal, noise = max(w, math.Abs(d)), signal+float64(want[i])*float64(want[i]), noise+d*d
	}
	db := 200.0
	if noise > 0 {
		db = min(max(10*math.Log10(signal/noise), -200), 200)
	}
	return &w, &db
}
