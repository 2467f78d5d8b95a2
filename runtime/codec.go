package runtime

import (
	"fmt"
	"math"
	"slices"

	"secc.example/secc/backend/plan"
)

// Encode turns the client's real numbers into ring elements: round(x * 2^frac)
// to nearest. What lies outside the ring's signed range is clipped to it.
func Encode(p *plan.Plan, inputs [][]float32) ([]Vec, error) {
	if len(inputs) != len(p.Inputs) {
		return nil, fmt.Errorf("%d inputs, the plan has %d", len(inputs), len(p.Inputs))
	}
	out := make([]Vec, len(inputs))
	for i, in := range p.Inputs {
		t := p.Slots[in.Slot]
		if len(inputs[i]) != t.N() {
			return nil, fmt.Errorf("input %q has %d elements, the plan wants %v", in.Name, len(inputs[i]), in.Shape)
		}
		out[i] = make(Vec, len(inputs[i]))
		for j, x := range inputs[i] {
			y := float64(in.Scaled(j, x))
			if math.IsNaN(y) || math.IsInf(y, 0) {
				return nil, fmt.Errorf("input %q: element %d is not a finite number", in.Name, j)
			}
			out[i][j] = encode(y, t)
		}
	}
	return out, nil
}

func encode(x float64, t plan.SlotType) uint64 {
	half := math.Ldexp(1, t.Bits-1)
	v := math.Round(math.Ldexp(x, t.Frac))
	v = max(-half, min(v, math.Nextafter(half, 0)))
	return uint64(int64(math.Floor(v))) & mask(t.Bits)
}

// Clipped counts the values that a format cannot hold: Encode cuts them.
func Clipped(values []float32, t plan.SlotType) (n int) {
	half := math.Ldexp(1, t.Bits-1)
	for _, x := range values {
		if v := math.Round(math.Ldexp(float64(x), t.Frac)); v < -half || v >= half {
			n++
		}
	}
	return n
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
		case "softmax", "log_softmax":
			softmax(x, shape, f.Axis, f.Op == "log_softmax")
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

// softmax works in place along one axis.
func softmax(x []float64, shape []int, axis int, log bool) {
	inner := 1
	for _, d := range shape[axis+1:] {
		inner *= d
	}
	n := shape[axis]
	lane := make([]float64, n)
	for base := 0; base < len(x); base += n * inner {
		for k := range inner {
			for i := range lane {
				lane[i] = x[base+i*inner+k]
			}
			top, sum := slices.Max(lane), 0.0
			for _, v := range lane {
				sum += math.Exp(v - top)
			}
			for i, v := range lane {
				if v -= top + math.Log(sum); !log {
					v = math.Exp(v)
				}
				x[base+i*inner+k] = v
			}
		}
	}
}
