package main

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"secc.example/secc"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/runtime"
)

const compareSchema = "secc.compare/1"

// compareReport is what secc compare prints.
type compareReport struct {
	Schema    string       `json:"schema"`
	Model     string       `json:"model"`
	Threshold float64      `json:"snr_threshold_db"`
	Rows      []compareRow `json:"operators"`
	First     string       `json:"first_divergence,omitempty"` // name of the first operator below the threshold
}

// compareRow sets the three forms of one value side by side. Errors are in real
// units, against the cleartext value; the signal-to-noise ratio is in dB.
type compareRow struct {
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

type compareFlags struct {
	compileFlags
	inputs    []string
	model     string
	threshold float64
	noSecure  bool
}

func newCompareCmd() *cobra.Command {
	f := new(compareFlags)
	c := &cobra.Command{
		Use:   "compare MODEL.plan|MODEL.onnx --input FILE",
		Short: "Show operator by operator where a secure run leaves the cleartext network",
		Long: `Run one input through the cleartext network, the fixed-point simulation and the
real protocol (both parties in this process) and set every operator's values side
by side: largest error, signal-to-noise ratio, and the first operator that falls
below the threshold. A plan needs its weights file and the ONNX file beside it:
this is for the owner of the model.`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	f.register(c)
	fl := c.Flags()
	fl.StringArrayVar(&f.inputs, "input", nil, "the input: PNG, JPEG, DICOM, .npy, .pb, .u8 or raw float32; one for each input of the network")
	fl.StringVar(&f.model, "model", "", "the ONNX file a plan was made of (default: the one beside it)")
	fl.Float64Var(&f.threshold, "threshold", 20, "signal-to-noise ratio in dB below which an operator counts as diverged")
	fl.BoolVar(&f.noSecure, "no-secure", false, "leave out the real protocol")
	fl.BoolVar(&f.json, "json", false, "print JSON ("+compareSchema+")")
	return c
}

func (f *compareFlags) run(c *cobra.Command, path string) error {
	s, err := f.subject(c, path, f.model)
	if err != nil {
		return err
	}
	defer s.close()
	if s.real == nil {
		return hint(usage("no cleartext model beside the plan"), "name the ONNX file with --model")
	}
	want := input.Specs(s.plan)
	floats, warnings, err := loadInputs(f.inputs, want)
	if err != nil {
		return err
	}
	warn(c.ErrOrStderr(), warnings)
	r, err := compare(c.Context(), s, dense(floats, want), f.threshold, !f.noSecure)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(c.OutOrStdout(), r)
	}
	r.print(c.OutOrStdout())
	return nil
}

// operatorKey names a value in every form: passes and lowering keep the model's
// node name and the operator.
type operatorKey struct{ op, name string }

// compare runs the three forms and pairs their values.
func compare(ctx context.Context, s *subject, in []*num.Tensor, threshold float64, secure bool) (*compareReport, error) {
	real, undo, err := realValues(s, in)
	if err != nil {
		return nil, err
	}
	sim := map[operatorKey][]float32{}
	var order []*ir.Value
	_, result, err := s.simulate(in, 1, func(v *ir.Value, t *ir.FixedTensor) {
		k := operatorKey{string(v.Op), v.Name}
		if _, twice := sim[k]; v.Op == ir.OpConst || twice {
			return
		}
		sim[k], order = append([]float32{}, t.Floats()...), append(order, v)
	})
	if err != nil {
		return nil, err
	}
	run, err := secureValues(ctx, s, in, secure)
	if err != nil {
		return nil, err
	}
	r := &compareReport{Schema: compareSchema, Model: s.plan.Model, Threshold: threshold}
	for _, v := range order {
		k := operatorKey{string(v.Op), v.Name}
		row := compareRow{Name: v.Name, Op: string(v.Op), Format: v.Type.Elem.String(), Wrapped: result.Ranges[v].Wrapped, OverRange: result.Ranges[v].Over}
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
		if r.First == "" && (below(row.SimSNR, threshold) || below(row.RunSNR, threshold)) {
			r.First = v.Name
		}
	}
	return r, nil
}

func below(x *float64, limit float64) bool { return x != nil && *x < limit }

// realValues evaluates the rewritten cleartext graph, and says of values whose
// channels the compiler multiplied how to undo that.
func realValues(s *subject, in []*num.Tensor) (vals map[operatorKey][]float32, undo map[operatorKey]func([]float32), err error) {
	r, err := s.rewritten()
	if err != nil {
		return nil, nil, err
	}
	vals, undo = map[operatorKey][]float32{}, map[operatorKey]func([]float32){}
	if in, err = secc.Headed(s.plan, elementsOf(in)); err != nil {
		return nil, nil, err
	}
	_, err = ir.Eval(r.Graph, in, ir.EvalOptions{Stop: s.stop, Observe: func(v *ir.Value, t *num.Tensor) {
		k := operatorKey{string(v.Op), v.Name}
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
func secureValues(ctx context.Context, s *subject, in []*num.Tensor, secure bool) (map[operatorKey][]float32, error) {
	if !secure {
		return nil, nil
	}
	slots, _, err := secureSlots(ctx, s, in)
	if err != nil {
		return nil, err
	}
	vals := map[operatorKey][]float32{}
	for _, step := range s.plan.Steps() {
		slot := step.Out[0]
		ints, ok := slots[slot]
		if !ok || step.Proto == plan.ProtoReveal {
			continue
		}
		x := make([]float32, len(ints))
		for i, y := range ints {
			x[i] = float32(math.Ldexp(float64(y), -s.plan.Slots[slot].Frac))
		}
		vals[operatorKey{step.Op, step.Name}] = x
	}
	return vals, nil
}

// secureSlots runs the protocol and adds up both parties' shares of every slot;
// out is the first output.
func secureSlots(ctx context.Context, s *subject, in []*num.Tensor) (sums map[plan.Slot][]int64, out []float32, err error) {
	var shares [2]map[plan.Slot]runtime.Vec
	var see [2]func(plan.Slot, runtime.Vec)
	for i := range see {
		shares[i] = map[plan.Slot]runtime.Vec{}
		see[i] = func(slot plan.Slot, v runtime.Vec) { shares[i][slot] = append(runtime.Vec{}, v...) }
	}
	all, err := s.secure(ctx, in, see)
	if err != nil {
		return nil, nil, err
	}
	out = all[0]
	sums = map[plan.Slot][]int64{}
	for slot, a := range shares[0] {
		b := shares[1][slot]
		if len(a) != len(b) || len(a) == 0 {
			continue // what one party alone holds
		}
		x := make([]int64, len(a))
		for i := range a {
			x[i] = runtime.Signed(a[i]+b[i], s.plan.Slots[slot].Bits)
		}
		sums[slot] = x
	}
	return sums, out, nil
}

// fill computes the row's figures from what there is of the three forms.
func (r *compareRow) fill(real, sim, run []float32) {
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
func (r *compareRow) apart(sim, run []float32, frac int) {
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

func (r *compareReport) print(w io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"operator", "op", "format", "max |float|", "sim error", "sim dB", "secure error", "secure dB", "secure-sim ulp", "wrapped"})
	for _, x := range r.Rows {
		t.AppendRow(table.Row{shorten(x.Name, 36), x.Op, x.Format, figure(x.MaxAbs), figure(x.SimError), figure(x.SimSNR), figure(x.RunError), figure(x.RunSNR), figure(x.Apart), x.Wrapped})
	}
	t.Render()
	if r.First == "" {
		fmt.Fprintf(w, "no operator falls below %.4g dB\n", r.Threshold)
		return
	}
	fmt.Fprintf(w, "first below %.4g dB: %s\n", r.Threshold, r.First)
}
