package passes

import (
	"fmt"
	"math"

	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// PoorError is a network whose answers in fixed point are not those of the real
// one, on its own calibration inputs and with as many bits as there is room for.
type PoorError struct {
	Bits           int     // ring of activations
	Agree, Answers int     // how many answers keep their best class
	Deviation      float64 // of the outputs, relative to their spread
	Node           string  // the operator at which precision is lost
	Op             ir.Op
	Format         ir.Elem
	Largest        float64 // magnitude that it computes
	SNR            float64 // its signal-to-noise ratio in dB
}

func (e *PoorError) Error() string {
	return fmt.Sprintf("in %d-bit formats %d of %d calibration answers keep their best class, and outputs deviate by %.2g %% of their spread; precision is lost first at node %q (%s: values up to %.3g in format %v, %.0f dB)",
		e.Bits, e.Agree, e.Answers, 100*e.Deviation, e.Node, e.Op, e.Largest, e.Format, e.SNR)
}

// Remedy says what to do about it.
func (e *PoorError) Remedy() string {
	more := "leave --bits out; "
	if e.Bits >= accurateBits {
		more = ""
	}
	return fmt.Sprintf("%srescale what node %q computes so that its values have similar sizes (normalise its input, take logarithms before export), check that the calibration inputs are like real ones, or write the plan all the same with --force", more, e.Node)
}

// lostPrecision is the signal-to-noise ratio in dB below which an operator has lost its precision.
const lostPrecision = 20

// poor finds the operator at which precision is lost: the first below
// lostPrecision, else the worst.
func (f *formatting) poor() (*PoorError, error) {
	e := &PoorError{Bits: f.cfg.Bits, Agree: f.answer.agree, Answers: f.answer.answers, Deviation: f.answer.error, SNR: math.Inf(1)}
	type key struct {
		op    ir.Op
		name  string
		again int // how many of that name stand before it
	}
	count := func(seen map[key]int, v *ir.Value) key {
		k := key{v.Op, v.Name, 0}
		seen[k]++
		return key{v.Op, v.Name, seen[k]}
	}
	in, reals, sims := f.cfg.Calibration[0], map[key]int{}, map[key]int{}
	want := map[key][]float32{}
	_, err := ir.Eval(f.real, in, ir.EvalOptions{Observe: func(v *ir.Value, t *num.Tensor) {
		if !ir.IsConst(v) {
			want[count(reals, v)] = append([]float32{}, ir.Floats(t)...)
		}
	}})
	if err != nil {
		return nil, err
	}
	_, err = ir.Simulate(f.fixed, in, ir.SimOptions{Rounding: ir.Stochastic, Seed: 1, Observe: func(v *ir.Value, t *ir.FixedTensor) {
		if ir.IsConst(v) {
			return
		}
		real := want[count(sims, v)]
		if e.SNR < lostPrecision || v.Type.Elem.IsReal() || len(real) != v.Type.N() {
			return
		}
		if snr := decibels(real, t.Floats()); snr < e.SNR {
			s := spanOf(real)
			e.Node, e.Op, e.Format, e.Largest, e.SNR = v.Name, v.Op, v.Type.Elem, s.abs(), snr
		}
	}})
	return e, err
}

// decibels is the signal-to-noise ratio of got, at most 200.
func decibels(want, got []float32) float64 {
	signal, noise := 0.0, 0.0
	for i, x := range want {
		d := float64(got[i]) - float64(x)
		signal, noise = signal+float64(x)*float64(x), noise+d*d
	}
	if noise == 0 {
		return 200
	}
	return math.Min(math.Max(10*math.Log10(signal/noise), -200), 200)
}
