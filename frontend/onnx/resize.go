package onnx

import (
	"math"
	"slices"
)

// resampling describes how one Resize finds its samples.
type resampling struct {
	mode, coordinates, nearest string
	cubicA, outside            float64
	excludeOutside, antialias  bool
}

// axisResize is what happens along one axis.
type axisResize struct {
	in, out    int
	scale      float64
	start, end float64 // region of interest, for tf_crop_and_resize
}

func upsample(c *ctx) []*operand {
	x := c.in[0]
	var scales []float64
	if c.opset < 9 {
		for _, s := range attr(c, "scales", []float32(nil)) {
			scales = append(scales, float64(s))
		}
	} else if t := c.constant(1, "scales"); t != nil {
		scales = doubles(t)
	}
	r := resampling{mode: c.str("mode", "nearest"), coordinates: "asymmetric", nearest: "simple"}
	if r.mode == "bilinear" {
		r.mode = "linear"
	}
	return one(c.resample(x, r, c.scaledAxes(x, scales, allAxes(x))))
}

func resize(c *ctx) []*operand {
	x := c.in[0]
	r := resampling{
		mode: c.str("mode", "nearest"), coordinates: c.str("coordinate_transformation_mode", "half_pixel"),
		nearest: c.str("nearest_mode", "round_prefer_floor"), cubicA: c.float("cubic_coeff_a", -0.75),
		outside: c.float("extrapolation_value", 0), excludeOutside: c.flag("exclude_outside", false), antialias: c.flag("antialias", false),
	}
	if c.opset < 11 {
		r.coordinates, r.nearest = "asymmetric", "simple"
		return one(c.resample(x, r, c.scaledAxes(x, doubles(c.constant(1, "scales")), allAxes(x))))
	}
	axes := allAxes(x)
	if given := c.ints("axes"); given != nil {
		axes = c.axes(given, len(x.shape))
	}
	var plan []axisResize
	if sizes := c.indices(3, "sizes"); len(sizes) > 0 {
		plan = c.sizedAxes(x, sizes, axes)
	} else if t := c.constant(2, "scales"); t != nil {
		plan = c.scaledAxes(x, doubles(t), axes)
	} else {
		c.failf("it has neither scales nor sizes")
	}
	if r.coordinates == "tf_crop_and_resize" {
		c.regions(plan, axes)
	}
	return one(c.resample(x, r, plan))
}

func doubles(t *Tensor) []float64 {
	if t == nil {
		return nil
	}
	out := make([]float64, t.N())
	for i := range out {
		out[i] = t.at(i)
	}
	return out
}

func allAxes(x *operand) []int {
	axes := make([]int, len(x.shape))
	for d := range axes {
		axes[d] = d
	}
	return axes
}

// unchanged has every axis as it is.
func unchanged(x *operand) []axisResize {
	plan := make([]axisResize, len(x.shape))
	for d, n := range x.shape {
		plan[d] = axisResize{in: n, out: n, scale: 1, end: 1}
	}
	return plan
}

func (c *ctx) scaledAxes(x *operand, scales []float64, axes []int) []axisResize {
	if len(scales) != len(axes) {
		c.failf("scales %v for %d axes", scales, len(axes))
	}
	plan := unchanged(x)
	for i, d := range axes {
		n := math.Floor(float64(float32(scales[i]) * float32(x.shape[d]))) // in float32, as onnxruntime has it
		if !(scales[i] > 0) || n < 1 || n > maxElements {
			c.failf("scale %g for a dimension of %d", scales[i], x.shape[d])
		}
		plan[d].scale, plan[d].out = scales[i], int(n)
	}
	return plan
}

func (c *ctx) sizedAxes(x *operand, sizes, axes []int) []axisResize {
	if len(sizes) != len(axes) {
		c.failf("sizes %v for %d axes", sizes, len(axes))
	}
	plan := unchanged(x)
	var scales []float64
	for i, d := range axes {
		if sizes[i] < 1 || sizes[i] > maxElements || x.shape[d] < 1 {
			c.failf("sizes %v for shape %v", sizes, x.shape)
		}
		plan[d].out = sizes[i]
		plan[d].scale = float64(float32(sizes[i]) / float32(x.shape[d]))
		scales = append(scales, plan[d].scale)
	}
	var common float64
	switch policy := c.str("keep_aspect_ratio_policy", "stretch"); policy {
	case "stretch":
		return plan
	case "not_larger":
		common = slices.Min(scales)
	case "not_smaller":
		common = slices.Max(scales)
	default:
		c.failf("keep_aspect_ratio_policy %q", policy)
	}
	for _, d := range axes {
		plan[d].scale = common
		plan[d].out = max(1, int(math.Floor(common*float64(x.shape[d])+0.5)))
	}
	return plan
}

// regions reads roi: all starts, then all ends, normalised to the input.
func (c *ctx) regions(plan []axisResize, axes []int) {
	roi := doubles(c.constant(1, "roi"))
	if len(roi) != 2*len(axes) {
		c.failf("roi %v for %d axes", roi, len(axes))
	}
	for i, d := range axes {
		if size := math.Abs(roi[i]) + math.Abs(roi[i+len(axes)]); !(size < maxElements) {
			c.failf("roi %v", roi)
		}
		plan[d].start, plan[d].end = roi[i], roi[i+len(axes)]
	}
}

// resample works one axis after the other: a gather for nearest neighbours, a
// product with a constant matrix for the rest.
func (c *ctx) resample(x *operand, r resampling, plan []axisResize) *operand {
	shape := make([]int, len(plan))
	for d, p := range plan {
		if shape[d] = p.out; p.in < 1 {
			c.refuse("tensor %q of shape %v is empty", x.name, x.shape)
		}
	}
	if n, err := numel(shape); err != nil || n > maxIntElems {
		c.failf("the result's shape %v is too large", shape)
	}
	for d, p := range plan {
		identity := p.in == p.out && p.scale == 1 && p.start == 0 && p.end == 1
		if identity {
			continue
		}
		if r.mode == "nearest" && r.coordinates != "tf_crop_and_resize" {
			x = c.gather(x, d, c.nearestIndex(r, p), []int{p.out})
			continue
		}
		x = c.alongAxis(x, d, p, r)
	}
	return x
}

func (c *ctx) nearestIndex(r resampling, p axisResize) []int {
	index := make([]int, p.out)
	for i := range index {
		x := c.coordinate(r, p, i)
		index[i] = min(max(int(c.nearest(r, p, x)), 0), p.in-1)
	}
	return index
}

func (c *ctx) nearest(r resampling, p axisResize, x float64) float64 {
	switch r.nearest {
	case "round_prefer_floor":
		return math.Ceil(x - 0.5)
	case "round_prefer_ceil":
		return math.Floor(x + 0.5)
	case "simple": // before opset 11, where nothing was said, onnxruntime shrinks upwards
		if p.scale < 1 {
			return math.Ceil(x)
		}
		return math.Floor(x)
	case "floor":
		return math.Floor(x)
	case "ceil":
		return math.Ceil(x)
	}
	c.failf("nearest_mode %q", r.nearest)
	return 0
}

// coordinate is where output element i lies in the input: computed in float32, as
// onnxruntime and the exporters' frameworks do, so that a sample on the border
// between two pixels falls to the same one.
func (c *ctx) coordinate(r resampling, p axisResize, i int) float64 {
	at, in, out, scale := float32(i), float32(p.in), float32(p.out), float32(p.scale)
	switch r.coordinates {
	case "half_pixel":
		return float64((at+0.5)/scale - 0.5)
	case "half_pixel_symmetric":
		centre := in / 2 * (1 - out/(scale*in))
		return float64(centre + (at+0.5)/scale - 0.5)
	case "pytorch_half_pixel":
		if p.out == 1 {
			return 0
		}
		return float64((at+0.5)/scale - 0.5)
	case "tf_half_pixel_for_nn":
		return float64((at + 0.5) / scale)
	case "align_corners":
		if p.out == 1 {
			return 0
		}
		return float64(at * (in - 1) / (out - 1)) // the corners that there are, not those of a width before rounding down
	case "asymmetric":
		return float64(at / scale)
	case "tf_crop_and_resize":
		in, out, at := float64(in), float64(out), float64(at)
		if p.out == 1 {
			return (p.start + p.end) / 2 * (in - 1)
		}
		return p.start*(in-1) + at*(p.end-p.start)*(in-1)/(out-1)
	}
	c.failf("coordinate_transformation_mode %q", r.coordinates)
	return 0
}

// alongAxis multiplies by the interpolation matrix [in, out] along axis d.
func (c *ctx) alongAxis(x *operand, d int, p axisResize, r resampling) *operand {
	if p.in > maxIntElems/p.out {
		c.refuse("interpolation from %d to %d elements", p.in, p.out)
	}
	m := make([]float32, p.in*p.out)
	var fill []float32
	for i := range p.out {
		at := c.coordinate(r, p, i)
		if r.coordinates == "tf_crop_and_resize" && (at < 0 || at > float64(p.in-1)) {
			if fill == nil {
				fill = make([]float32, p.out)
			}
			fill[i] = float32(r.outside)
			continue
		}
		for j, w := range c.taps(r, p, at) {
			m[j*p.out+i] += float32(w)
		}
	}
	perm := swap(len(x.shape), d, len(x.shape)-1)
	y := c.matmul(c.transpose(x, perm...), c.floatConst(c.name+"/interpolation", []int{p.in, p.out}, m), nil)
	if fill != nil && r.outside != 0 {
		y = c.add(y, c.floatConst(c.name+"/outside", []int{p.out}, fill))
	}
	return c.transpose(y, perm...)
}

// taps gives the weight of every input element that counts for a sample at x.
// What lies beyond the ends is the end's value, or with excludeOutside nothing.
func (c *ctx) taps(r resampling, p axisResize, x float64) map[int]float64 {
	support, kernel := c.kernel(r)
	if r.mode == "nearest" {
		return map[int]float64{min(max(int(c.nearest(r, p, x)), 0), p.in-1): 1}
	}
	stretch := 1.0
	if r.antialias {
		stretch = min(p.scale, 1)
	}
	weights, sum := map[int]float64{}, 0.0
	for i := math.Floor(x - support/stretch); i <= math.Ceil(x+support/stretch); i++ {
		w := kernel((i - x) * stretch)
		if r.excludeOutside && (i < 0 || i >= float64(p.in)) {
			continue
		}
		sum += w
		weights[min(max(int(i), 0), p.in-1)] += w
	}
	for i := range weights {
		weights[i] /= sum
	}
	if sum == 0 || sum-sum != 0 {
		c.failf("no sample near %g of %d", x, p.in)
	}
	return weights
}

// kernel is the interpolation kernel and how far it reaches.
func (c *ctx) kernel(r resampling) (support float64, f func(float64) float64) {
	switch r.mode {
	case "nearest":
		return 0, nil
	case "linear":
		return 1, func(t float64) float64 { return max(0, 1-math.Abs(t)) }
	case "cubic":
		a := r.cubicA
		return 2, func(t float64) float64 {
			switch t = math.Abs(t); {
			case t <= 1:
				return ((a+2)*t-(a+3))*t*t + 1
			case t < 2:
				return ((a*t-5*a)*t+8*a)*t - 4*a
			}
			return 0
		}
	}
	c.refuse("mode %q", r.mode)
	return 0, nil
}
