package passes

import (
	"math"

	"secc.example/secc/ir"
)

// tileKernel is one of Winograd's algorithms, nested for two dimensions: the
// convolution of a tile d with a kernel g is A [(G g G^T) * (B d B^T)] A^T, all
// matrices row by row. B (side x side) and A (step x side) hold integers, for they
// are applied to shares; G (side x kernel) is applied to real weights.
type tileKernel struct {
	side, step, kernel int
	in, out            []int
	weights            []float64
}

// tileKernels lists the algorithms. Of all sets of interpolation points of small
// height, 0, 1, -1, 2, -1/2 and infinity want the fewest weight bits.
func tileKernels() []tileKernel {
	in6 := []int{
		2, 3, -4, -3, 2, 0,
		0, 2, 5, 1, -2, 0,
		0, 2, 1, -5, 2, 0,
		0, -1, -2, 1, 2, 0,
		0, -2, 1, 2, -1, 0,
		0, 2, 3, -4, -3, 2,
	}
	return []tileKernel{
		{side: 4, step: 2, kernel: 3,
			in:      []int{1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, -1, 0, 1},
			out:     []int{1, 1, 1, 0, 0, 1, -1, 1},
			weights: []float64{1, 0, 0, 1. / 2, 1. / 2, 1. / 2, 1. / 2, -1. / 2, 1. / 2, 0, 0, 1}},
		{side: 6, step: 4, kernel: 3, in: in6,
			out: []int{1, 1, 1, 1, 8, 0, 0, 1, -1, 2, -4, 0, 0, 1, 1, 4, 2, 0, 0, 1, -1, 8, -1, 1},
			weights: []float64{
				1. / 2, 0, 0, 1. / 6, 1. / 6, 1. / 6, 1. / 6, -1. / 6, 1. / 6,
				1. / 30, 1. / 15, 2. / 15, 2. / 15, -1. / 15, 1. / 30, 0, 0, 1. / 2,
			}},
		{side: 6, step: 2, kernel: 5, in: in6,
			out: []int{1, 1, 1, 1, 2, 0, 0, 1, -1, 2, -1, 1},
			weights: []float64{
				1. / 2, 0, 0, 0, 0, 1. / 6, 1. / 6, 1. / 6, 1. / 6, 1. / 6, 1. / 6, -1. / 6, 1. / 6, -1. / 6, 1. / 6,
				1. / 30, 1. / 15, 2. / 15, 4. / 15, 8. / 15, 8. / 15, -4. / 15, 2. / 15, -1. / 15, 1. / 30, 0, 0, 0, 0, 1. / 2,
			}},
	}
}

// tileFor finds the algorithm that gives step results a tile.
func tileFor(kernel, step int) *tileKernel {
	for _, k := range tileKernels() {
		if k.kernel == kernel && k.step == step {
			return &k
		}
	}
	return nil
}

// places is the number of elements of a tile.
func (k *tileKernel) places() int { return k.side * k.side }

// transform is G g G^T.
func (k *tileKernel) transform(g []float32) []float64 {
	half, u := make([]float64, k.side*k.kernel), make([]float64, k.places())
	for i := range k.side {
		for j := range k.kernel {
			for a := range k.kernel {
				half[i*k.kernel+j] += k.weights[i*k.kernel+a] * float64(g[a*k.kernel+j])
			}
		}
	}
	for i := range k.side {
		for j := range k.side {
			for b := range k.kernel {
				u[i*k.side+j] += half[i*k.kernel+b] * k.weights[j*k.kernel+b]
			}
		}
	}
	return u
}

// transformed gives every kernel of a convolution's weights, transformed.
func (k *tileKernel) transformed(w []float32) [][]float64 {
	size := k.kernel * k.kernel
	all := make([][]float64, len(w)/size)
	for i := range all {
		all[i] = k.transform(w[i*size : (i+1)*size])
	}
	return all
}

// gains says how much an error in each place of a transformed kernel adds to
// the variance of a result, the input's elements being independent of variance
// one: the mean over the tile's results.
func (k *tileKernel) gains() []float64 {
	line := make([]float64, k.side)
	for i := range line {
		in, out := 0.0, 0.0
		for j := range k.side {
			in += float64(k.in[i*k.side+j] * k.in[i*k.side+j])
		}
		for u := range k.step {
			out += float64(k.out[u*k.side+i] * k.out[u*k.side+i])
		}
		line[i] = in * out / float64(k.step)
	}
	all := make([]float64, k.places())
	for p := range all {
		all[p] = line[p/k.side] * line[p%k.side]
	}
	return all
}

// variance is what an error in a transformed kernel really adds: the mean over
// the tile's results of the squared norm of the kernel that each sees wrong.
func (k *tileKernel) variance(e []float64) float64 {
	sum, n := 0.0, k.side
	x, half := make([]float64, n*n), make([]float64, n*n)
	for u := range k.step {
		for v := range k.step {
			for p := range x {
				x[p] = e[p] * float64(k.out[u*n+p/n]*k.out[v*n+p%n])
			}
			clear(half)
			for i := range n {
				for j := range n {
					for a := range n {
						half[a*n+j] += float64(k.in[i*n+a]) * x[i*n+j]
					}
				}
			}
			for a := range n {
				for b := range n {
					y := 0.0
					for j := range n {
						y += half[a*n+j] * float64(k.in[j*n+b])
					}
					sum += y * y
				}
			}
		}
	}
	return sum / float64(k.step*k.step)
}

// tileOf is the algorithm a convolution is marked for, or nil.
func tileOf(v *ir.Value) *tileKernel {
	a, ok := v.Attrs.(*ir.ConvAttrs)
	if !ok || a.Tile == 0 {
		return nil
	}
	return tileFor(v.Args[1].Type.Shape[2], a.Tile)
}

// tileBits is how transformed weights become integers: place p is rounded to
// multiples of 2^-frac[p].
type tileBits struct{ frac []int }

// finest is the fraction bits that the integers of all places share.
func (t tileBits) finest() int {
	f := t.frac[0]
	for _, x := range t.frac {
		f = max(f, x)
	}
	return f
}

// round is x at place p, to the nearest that the place can hold.
func (t tileBits) round(x float64, p int) float64 {
	return math.Ldexp(math.Round(math.Ldexp(x, t.frac[p])), -t.frac[p])
}

// chooseBits finds how finely each place must be rounded for the variance of
// the error to stay within budget, with as few bits on the wire as it can: one
// more bit at place p is one more message of base + frac[p] bits. What the rounding
// really does to the weights decides; the estimate only leads the way.
func (k *tileKernel) chooseBits(u [][]float64, fan int, budget float64, base, finest int) tileBits {
	gain, t := k.gains(), tileBits{make([]int, k.places())}
	for p := range t.frac {
		share := budget / float64(k.places()*fan)
		t.frac[p] = min(int(math.Floor(math.Log2(gain[p]/(12*share))/2))-2, finest)
	}
	noise := func(p int) float64 { return float64(fan) * gain[p] * math.Ldexp(1, -2*t.frac[p]) / 12 }
	scale := 1.0
	for range 8 {
		total := 0.0
		for p := range t.frac {
			total += noise(p) * scale
		}
		for total > budget {
			best, worth := -1, 0.0
			for p := range t.frac {
				if w := noise(p) / float64(max(base+t.frac[p]+1, 1)); t.frac[p] < finest && w > worth {
					best, worth = p, w
				}
			}
			if best < 0 {
				return t
			}
			before := noise(best)
			t.frac[best]++
			total -= (before - noise(best)) * scale
		}
		real := k.measured(u, t) * float64(fan)
		if real <= budget {
			return t
		}
		scale *= 1.02 * real / total
	}
	return t
}

// sampledKernels is how many kernels measured looks at, at most.
const sampledKernels = 2048

// measured is the mean error a kernel that rounding makes.
func (k *tileKernel) measured(u [][]float64, t tileBits) float64 {
	step := max(1, len(u)/sampledKernels)
	e, sum, n := make([]float64, k.places()), 0.0, 0
	for i := 0; i < len(u); i += step {
		for p, x := range u[i] {
			e[p] = t.round(x, p) - x
		}
		sum += k.variance(e)
		n++
	}
	return sum / float64(n)
}
