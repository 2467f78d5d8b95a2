package runtime

import (
	"fmt"
	"math"

	"secc.example/secc/backend/plan"
)

// Encode turns the client's real numbers into ring elements, one vector for each of
// the plan's Fed: it computes the plan's head, then round(x * 2^frac) to nearest. What
// lies outside the ring's signed range is clipped to it.
func Encode(p *plan.Plan, inputs [][]float32) ([]Vec, error) {
	values, err := Headed(p, inputs)
	if err != nil {
		return nil, err
	}
	var out []Vec
	for i, f := range p.Fed() {
		t, v := p.Slots[f.Slot], make(Vec, len(values[i]))
		for j, x := range values[i] {
			y := float64(f.Scaled(j, x))
			if math.IsNaN(y) || math.IsInf(y, 0) {
				return nil, fmt.Errorf("%s: element %d is %g, for which the network has no use", origin(p, f.Value), j, x)
			}
			v[j] = encode(y, t)
		}
		out = append(out, v)
	}
	return out, nil
}

// origin names a value that the client encodes.
func origin(p *plan.Plan, value int) string {
	if value < len(p.Inputs) {
		return fmt.Sprintf("input %q", p.ValueName(value))
	}
	return fmt.Sprintf("what the client computes of its inputs, node %q", p.ValueName(value))
}

// Headed gives what the client encodes before it is scaled: inputs as they are, and
// what the plan's head makes of them, in the order of the plan's Fed.
func Headed(p *plan.Plan, inputs [][]float32) ([][]float32, error) {
	if len(inputs) != len(p.Inputs) {
		return nil, fmt.Errorf("%d inputs, the plan has %d", len(inputs), len(p.Inputs))
	}
	for i, in := range p.Inputs {
		if len(inputs[i]) != in.N() {
			return nil, fmt.Errorf("input %q has %d elements, the plan wants %v", in.Name, len(inputs[i]), in.Shape)
		}
	}
	return p.EvalHead(inputs)
}

func encode(x float64, t plan.SlotType) uint64 {
	half := math.Ldexp(1, t.Bits-1)
	v := math.Round(math.Ldexp(x, t.Frac))
	v = max(-half, min(v, math.Nextafter(half, 0)))
	return uint64(int64(math.Floor(v))) & mask(t.Bits)
}

// Clipped says of each value that the client encodes how many elements its format
// cannot hold: Encode cuts them.
func Clipped(p *plan.Plan, inputs [][]float32) (warnings []string) {
	values, err := Headed(p, inputs)
	if err != nil { // Encode says so
		return nil
	}
	for i, f := range p.Fed() {
		t, n := p.Slots[f.Slot], 0
		half := math.Ldexp(1, t.Bits-1)
		for j, x := range values[i] {
			if v := math.Round(math.Ldexp(float64(f.Scaled(j, x)), t.Frac)); v < -half || v >= half {
				n++
			}
		}
		if n > 0 {
			warnings = append(warnings, fmt.Sprintf("%s: %d values too large for the plan's number format were cut: expect a wrong answer", origin(p, f.Value), n))
		}
	}
	return warnings
}

// Decode turns revealed ring elements into the plan's outputs, with what the
// client computes itself at the end.
func Decode(p *plan.Plan, values []Vec) ([]plan.OutputValues, error) {
	var out []plan.OutputValues
	for i, o := range p.Outputs {
		t := p.Slots[o.Slot]
		x := make([]float64, len(values[i]))
		for j, v := range values[i] {
			x[j] = math.Ldexp(float64(Signed(v, t.Bits)), -t.Frac)
		}
		x, err := post(o, x, t.Shape)
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", o.Name, err)
		}
		f := make([]float32, len(x))
		for j := range x {
			f[j] = float32(x[j])
		}
		out = append(out, plan.OutputValues{Name: o.Name, Shape: o.Shape, Values: f})
	}
	return out, nil
}

// post applies the client's own functions.
func post(o plan.Output, x []float64, shape []int) ([]float64, error) {
	for _, f := range o.Post {
		switch f.Op {
		case "reshape":
			shape = f.Shape
		case "transpose":
			x, shape = transpose(x, shape, f.Perm), f.Shape
		case "softmax":
			plan.Softmax(x, shape, f.Axis)
		case "log_softmax":
			plan.LogSoftmax(x, shape, f.Axis)
		case "func":
			g, ok := f.Scalar()
			if !ok {
				return nil, fmt.Errorf("unknown function %q", f.Name)
			}
			for i := range x {
				x[i] = g(x[i])
			}
		default:
			return nil, fmt.Errorf("unknown function %q", f.Op)
		}
	}
	return x, nil
}

func transpose(x []float64, shape, perm []int) []float64 {
	stride := make([]int, len(shape))
	for d, s := len(shape)-1, 1; d >= 0; d-- {
		stride[d], s = s, s*shape[d]
	}
	out := make([]float64, 0, len(x))
	var walk func(d, at int)
	walk = func(d, at int) {
		if d == len(perm) {
			out = append(out, x[at])
			return
		}
		for i := range shape[perm[d]] {
			walk(d+1, at+i*stride[perm[d]])
		}
	}
	walk(0, 0)
	return out
}
