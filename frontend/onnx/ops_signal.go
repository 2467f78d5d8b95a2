package onnx

import (
	"math"
	"math/cmplx"
	"slices"

	"secc.example/secc/ir"
)

// signalOps are what audio networks begin with: windows and filter banks, which are
// known, and Fourier transforms, which are products by known matrices.
var signalOps = map[string]opRow{
	"HannWindow":      {min: 1, max: 1, build: cosineWindow(0.5, 0.5, 0)},
	"HammingWindow":   {min: 1, max: 1, build: cosineWindow(25./46, 21./46, 0)},
	"BlackmanWindow":  {min: 1, max: 1, build: cosineWindow(0.42, 0.5, 0.08)},
	"MelWeightMatrix": {min: 5, max: 5, build: melWeights},
	"DFT":             {min: 1, max: 3, build: dft},
	"STFT":            {min: 2, max: 4, build: stft, gaps: true},
}

// known sizes must not make a small file a large one.
func (c *ctx) size(i int, what string) int {
	n := int(c.scalar(i, what, 0))
	if n < 1 || n > maxIntElems {
		c.failf("%s %d", what, n)
	}
	return n
}

// cosineWindow is a - b cos t + e cos 2t over a period, or up to its last point.
func cosineWindow(a, b, e float64) func(*ctx) []*operand {
	return func(c *ctx) []*operand {
		n := c.size(0, "the size")
		period := n
		if !c.flag("periodic", true) {
			period = max(n-1, 1)
		}
		out := c.fresh(Float, []int{n})
		for i := range out.F {
			t := 2 * math.Pi * float64(i) / float64(period)
			out.F[i] = float32(a - b*math.Cos(t) + e*math.Cos(2*t))
		}
		return one(c.cast(c.known(out), DType(c.int("output_datatype", int(Float)))))
	}
}

// melWeights adds the bins of a spectrum up to bands of equal width for the ear,
// triangles that overlap.
func melWeights(c *ctx) []*operand {
	bands, length, rate := c.size(0, "num_mel_bins"), c.size(1, "dft_length"), c.size(2, "sample_rate")
	mel := func(hertz float64) float64 { return 2595 * math.Log10(1+hertz/700) }
	low, high := mel(c.scalar(3, "lower_edge_hertz", 0)), mel(c.scalar(4, "upper_edge_hertz", 0))
	bins := length/2 + 1
	corner := make([]int, bands+2)
	for i := range corner {
		hertz := 700 * (math.Pow(10, (low+float64(i)*(high-low)/float64(bands+2))/2595) - 1)
		corner[i] = int(math.Floor(float64(length+1) * hertz / float64(rate)))
		if corner[i] < 0 || corner[i] >= bins || i > 0 && corner[i] < corner[i-1] {
			c.failf("edges at %g and %g Hz of a rate of %d", c.scalar(3, "", 0), c.scalar(4, "", 0), rate)
		}
	}
	out := c.fresh(Float, []int{bins, bands})
	for i := range bands {
		from, top, to := corner[i], corner[i+1], corner[i+2]
		out.F[top*bands+i] = 1
		for j := from; j < top; j++ {
			out.F[j*bands+i] = float32(j-from) / float32(top-from)
		}
		for j := top; j < to; j++ {
			out.F[j*bands+i] = float32(to-j) / float32(to-top)
		}
	}
	return one(c.cast(c.known(out), DType(c.int("output_datatype", int(Float)))))
}

// fourier is the matrix that a row of n numbers, or of n pairs, is multiplied by: bins
// pairs come out, of a transform of n points.
func (c *ctx) fourier(n, parts, bins int, inverse bool) *operand {
	sign, share := -1.0, 1.0
	if inverse {
		sign, share = 1, 1/float64(n)
	}
	out := c.fresh(Float, []int{n * parts, 2 * bins})
	for i := range n {
		for k := range bins {
			w := cmplx.Rect(share, sign*2*math.Pi*float64(i*k%n)/float64(n))
			for p, v := range []complex128{w, w * 1i}[:parts] {
				at := ((i*parts+p)*bins + k) * 2
				out.F[at], out.F[at+1] = float32(real(v)), float32(imag(v))
			}
		}
	}
	return c.known(out)
}

// transformed multiplies rows [.., n, parts] by a matrix of fourier.
func (c *ctx) transformed(x, matrix *operand) *operand {
	lead := x.shape[:len(x.shape)-2]
	y := c.matmul(c.reshape(x, slices.Concat(lead, []int{matrix.shape[0]})...), matrix, nil)
	return c.reshape(y, slices.Concat(lead, []int{matrix.shape[1] / 2, 2})...)
}

// parts is whether a signal holds real numbers or pairs.
func (c *ctx) parts(x *operand) int {
	c.realOnly(x)
	c.rankOf(x, 2, maxRank-1)
	p := x.shape[len(x.shape)-1]
	if p != 1 && p != 2 {
		c.failf("a signal of shape %v: real numbers (1) or pairs (2) are wanted last", x.shape)
	}
	return p
}

func dft(c *ctx) []*operand {
	x := c.in[0]
	parts, rank := c.parts(x), len(x.shape)
	axis := c.int("axis", 1)
	if c.opset >= 20 {
		axis = int(c.scalar(2, "axis", -2))
	}
	if axis = c.axis(axis, rank); axis == rank-1 {
		c.failf("axis %d is that of pairs", axis)
	}
	x = c.moved(x, axis, rank-2)
	n := x.shape[rank-2]
	if c.arg(1) != nil {
		n = c.size(1, "dft_length")
		x = c.centred(x, rank-2, n, 0)
	}
	inverse, bins := c.flag("inverse", false), n
	if c.flag("onesided", false) {
		if inverse {
			c.refuse("the inverse of half a spectrum")
		}
		bins = n/2 + 1
	}
	return one(c.moved(c.transformed(x, c.fourier(n, parts, bins, inverse)), rank-2, axis))
}

// stft transforms pieces of a signal that overlap, each weighed by a window.
func stft(c *ctx) []*operand {
	x := c.in[0]
	parts := c.parts(x)
	c.rankOf(x, 3, 3)
	step, window := c.size(1, "frame_step"), c.arg(2)
	n := 0
	switch {
	case c.arg(3) != nil:
		n = c.size(3, "frame_length")
	case window != nil:
		n = window.N()
	}
	if n < 1 || n > x.shape[1] || window != nil && window.N() != n {
		c.failf("frames of %d in a signal of shape %v", n, x.shape)
	}
	bins := n
	if c.flag("onesided", true) {
		bins = n/2 + 1
	}
	index := c.windowIndex(x.shape[1], n, step, 1)
	frames := c.gather(x, 1, index, []int{len(index) / n, n})
	matrix := c.fourier(n, parts, bins, false)
	if window != nil {
		window = c.reshape(window, n, 1)
	}
	switch {
	case window == nil:
	case window.con != nil: // it goes into the matrix
		rows := c.reshape(matrix, n, parts*2*bins)
		matrix = c.reshape(c.mul(window, rows), n*parts, 2*bins)
	default:
		frames = c.mul(frames, window)
	}
	return one(c.transformed(frames, matrix))
}

// centred crops or pads an axis to a size: of what there is too much or too little, so
// many halves go in front.
func (c *ctx) centred(x *operand, axis, size, halves int) *operand {
	have := x.shape[axis]
	if have >= size {
		return c.part(x, axis, (have-size)/2*halves, size)
	}
	before, after := make([]int, len(x.shape)), make([]int, len(x.shape))
	before[axis] = (size - have) / 2 * halves
	after[axis] = size - have - before[axis]
	return c.emit(ir.OpPad, &ir.PadAttrs{Before: before, After: after}, x.dtype, x)
}
