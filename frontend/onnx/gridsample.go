package onnx

import "math"

// gridSample interpolates at places that are known: a product with a constant matrix,
// which stays the server's, as what the grid holds is.
func gridSample(c *ctx) []*operand {
	x, grid := c.in[0], c.in[1]
	c.rankOf(x, 4, 4)
	if grid.con == nil {
		c.fail(&refusal{reason: "places (\"" + grid.name + "\") that depend on data", bind: grid.graphInput,
			hint: "export with a constant grid, or warp the picture before the network: the client has it in the clear"})
	}
	s := gridSampling{c: c, mode: c.str("mode", "linear"), padding: c.str("padding_mode", "zeros"), align: c.flag("align_corners", false)}
	n, ch, h, w := x.shape[0], x.shape[1], x.shape[2], x.shape[3]
	if len(grid.shape) != 4 || grid.shape[0] != n || grid.shape[3] != 2 {
		c.failf("a grid of shape %v for shape %v", grid.shape, x.shape)
	}
	oh, ow := grid.shape[1], grid.shape[2]
	if h*w > maxIntElems/(oh*ow) {
		c.fail(refuseHint("sample a smaller picture, or warp it before the network: the client has it in the clear", "a grid of %d places in %d pixels", oh*ow, h*w))
	}
	var parts []*operand
	at := grid.con.Floats()
	for i := range n {
		m := s.matrix(at[i*oh*ow*2:][:oh*ow*2], h, w)
		one := c.reshape(c.part(x, 0, i, 1), ch, h*w)
		y := c.matmul(one, c.floatConst(c.name+"/interpolation", []int{h * w, oh * ow}, m), nil)
		parts = append(parts, c.reshape(y, 1, ch, oh, ow))
	}
	return one(c.concat(0, parts...))
}

// gridSampling is how one GridSample reads pixels.
type gridSampling struct {
	c             *ctx
	mode, padding string
	align         bool
}

// matrix holds in column j the weights of the h*w pixels at place j.
func (s gridSampling) matrix(places []float32, h, w int) []float32 {
	n := len(places) / 2
	m := make([]float32, h*w*n)
	for j := range n {
		rows, cols := s.taps(places[2*j+1], h), s.taps(places[2*j], w)
		for _, r := range rows {
			for _, k := range cols {
				m[(r.at*w+k.at)*n+j] += float32(r.weight * k.weight)
			}
		}
	}
	return m
}

// tap is a pixel along one axis and what it counts for.
type tap struct {
	at     int
	weight float64
}

// taps gives the pixels of n that count for a place from -1 to 1. Coordinates are
// float32, as onnxruntime has them.
func (s gridSampling) taps(place float32, n int) (all []tap) {
	at := float64(((place+1)*float32(n) - 1) / 2)
	low, high := -0.5, float64(n)-0.5
	if s.align {
		at, low, high = float64((place+1)/2*float32(n-1)), 0, float64(n-1)
	}
	if s.mode == "nearest" {
		at = math.RoundToEven(at)
	}
	if at < low || at > high {
		switch _, cubic := s.cubic(); {
		case s.padding == "border" && !cubic: // there every pixel is the border's own
			at = min(max(at, 0), float64(n-1))
		case s.padding == "reflection":
			at = reflected(at, low, high)
		}
	}
	if at-at != 0 {
		s.c.failf("the grid holds %g", place)
	}
	for _, t := range s.points(at) {
		switch inside := t.at >= 0 && t.at < n; {
		case inside:
		case s.padding == "border":
			t.at = min(max(t.at, 0), n-1)
		case s.padding == "reflection":
			t.at = min(max(int(reflected(float64(t.at), low, high)), 0), n-1)
		case s.padding == "zeros":
			continue
		default:
			s.c.failf("padding_mode %q", s.padding)
		}
		all = append(all, t)
	}
	return all
}

// points are the neighbours of a coordinate.
func (s gridSampling) points(at float64) []tap {
	first := math.Floor(at)
	f := at - first
	switch s.mode {
	case "nearest":
		return []tap{{int(at), 1}}
	case "linear", "bilinear":
		return []tap{{int(first), 1 - f}, {int(first) + 1, f}}
	}
	if kernel, is := s.cubic(); is {
		var all []tap
		for i := -1; i <= 2; i++ {
			all = append(all, tap{int(first) + i, kernel(float64(i) - f)})
		}
		return all
	}
	s.c.refuse("mode %q", s.mode)
	return nil
}

// cubic gives the kernel of the mode of that name.
func (s gridSampling) cubic() (kernel func(float64) float64, is bool) {
	if s.mode != "cubic" && s.mode != "bicubic" {
		return nil, false
	}
	_, kernel = s.c.kernel(resampling{mode: "cubic", cubicA: -0.75})
	return kernel, true
}

// reflected folds a coordinate back into [low, high].
func reflected(x, low, high float64) float64 {
	span := high - low
	if span <= 0 {
		return low
	}
	t := math.Mod(math.Abs(x-low), 2*span)
	return low + min(t, 2*span-t)
}
