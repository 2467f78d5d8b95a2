package gemm

import "fmt"

// Window is the geometry of a convolution, public, each slice with a number a
// spatial dimension.
type Window struct {
	In, Out, Kernel  []int
	Stride, Dilation []int
	// Input element i stands at Origin + i*Spread of what the windows slide over, zeros
	// elsewhere: the padding before it, and the stride of a transposed convolution.
	Origin, Spread []int
}

// layout is how an input is laid out for a window: planes, one for every used
// remainder of positions by the stride, and where outputs and taps stand.
type layout struct {
	w      Window
	phases [][]int // a dimension: the remainders that taps have
	plane  []int   // its shape
	size   int     // elements of a channel
}

func newLayout(w Window) layout {
	l := layout{w: w, size: 1}
	for d := range w.In {
		var used []int
		for k := range w.Kernel[d] {
			used = appendNew(used, k*w.Dilation[d]%w.Stride[d])
		}
		l.phases = append(l.phases, used)
		l.plane = append(l.plane, w.Out[d]+(w.Kernel[d]-1)*w.Dilation[d]/w.Stride[d])
		l.size *= len(used) * l.plane[d]
	}
	return l
}

func appendNew(s []int, x int) []int {
	if index(s, x) < 0 {
		s = append(s, x)
	}
	return s
}

func index(s []int, x int) int {
	for i, v := range s {
		if v == x {
			return i
		}
	}
	return -1
}

// columns lists where the outputs stand in a plane of the given shape.
func (l layout) columns(plane []int) columns {
	last := len(plane) - 1
	c := columns{n: numel(l.w.Out)}
	outer := grid(l.w.Out[:last], plane)
	for _, at := range outer {
		c.runs = append(c.runs, run{at, int32(l.w.Out[last])})
	}
	return c.joined()
}

// joined makes one run of those that follow each other.
func (c columns) joined() columns {
	var runs []run
	for _, r := range c.runs {
		if n := len(runs); n > 0 && runs[n-1].at+runs[n-1].n == r.at {
			runs[n-1].n += r.n
			continue
		}
		runs = append(runs, r)
	}
	c.runs = runs
	return c
}

// grid lists the offsets of the first counts of every dimension but the last of an array.
func grid(counts, shape []int) []int32 {
	offs := []int32{0}
	stride := numel(shape)
	for d, n := range counts {
		stride /= shape[d]
		next := make([]int32, 0, len(offs)*n)
		for _, o := range offs {
			for i := range n {
				next = append(next, o+int32(i*stride))
			}
		}
		offs = next
	}
	return offs
}

// taps lists the offsets of the kernel's elements of all channels, each of size
// elements, in planes of the given shape.
func (l layout) taps(channels, size int, plane []int) []int32 {
	offs := []int32{0}
	for d, inner := 0, size; d < len(plane); d++ {
		inner /= len(l.phases[d]) // phases stand outside of positions, dimension by dimension
		next := make([]int32, 0, len(offs)*l.w.Kernel[d])
		for _, o := range offs {
			for k := range l.w.Kernel[d] {
				p := k * l.w.Dilation[d]
				phase := index(l.phases[d], p%l.w.Stride[d])
				next = append(next, o+int32(phase*inner+p/l.w.Stride[d]*numel(plane[d+1:])))
			}
		}
		offs = next
	}
	all := make([]int32, 0, channels*len(offs))
	for c := range channels {
		for _, o := range offs {
			all = append(all, int32(c*size)+o)
		}
	}
	return all
}

// fill lays channels of an input out, zeros around them; what no window reaches is dropped.
func fill[T, S Number](l layout, out []T, x []S, channels int) {
	ni := numel(l.w.In)
	for c := range channels {
		fillPhases(l, out[c*l.size:][:l.size], x[c*ni:][:ni], make([]int, 0, len(l.w.In)))
	}
}

// fillPhases fills the planes of all choices of remainders that begin with chosen.
func fillPhases[T, S Number](l layout, out []T, x []S, chosen []int) {
	d := len(chosen)
	if d == len(l.phases) {
		fillPlane(l, out, x, chosen, 0)
		return
	}
	n := len(out) / len(l.phases[d])
	for i, phase := range l.phases[d] {
		fillPhases(l, out[i*n:][:n], x, append(chosen, phase))
	}
}

// fillPlane fills dimension d and those within of a plane.
func fillPlane[T, S Number](l layout, out []T, x []S, phases []int, d int) {
	if d == len(phases)-1 {
		fillRow(out, x, phases[d]-l.w.Origin[d], l.w.Stride[d], l.w.Spread[d])
		return
	}
	no, ni := len(out)/l.plane[d], len(x)/l.w.In[d]
	for q := range l.plane[d] {
		row := out[q*no:][:no]
		at := phases[d] + q*l.w.Stride[d] - l.w.Origin[d]
		if i := at / l.w.Spread[d]; at < 0 || at%l.w.Spread[d] != 0 || i >= l.w.In[d] {
			clear(row)
		} else {
			fillPlane(l, row, x[i*ni:][:ni], phases, d+1)
		}
	}
}

// fillRow sets out[q] to the input at position from + q*stride, where there is one.
func fillRow[T, S Number](out []T, x []S, from, stride, spread int) {
	if spread != 1 {
		for q := range out {
			at := from + q*stride
			out[q] = 0
			if at >= 0 && at%spread == 0 && at/spread < len(x) {
				out[q] = T(x[at/spread])
			}
		}
		return
	}
	first := min(len(out), max(0, (-from+stride-1)/stride))
	clear(out[:first])
	end := max(first, min(len(out), (len(x)-from+stride-1)/stride))
	clear(out[end:])
	part, at := out[first:end], from+first*stride
	if stride == 1 && len(part) > 0 {
		for q, v := range x[at:][:len(part)] {
			part[q] = T(v)
		}
		return
	}
	for q := range part {
		part[q] = T(x[at+q*stride])
	}
}

func numel(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Validate reports geometry that no convolution has, or that offsets of 32 bits do not hold.
func (w Window) Validate() error {
	for _, s := range [][]int{w.Out, w.Kernel, w.Stride, w.Dilation, w.Origin, w.Spread} {
		if len(s) != len(w.In) {
			return fmt.Errorf("gemm: window of %d dimensions: %+v", len(w.In), w)
		}
	}
	if len(w.In) == 0 {
		return fmt.Errorf("gemm: window without dimensions")
	}
	for d := range w.In {
		if min(w.In[d], w.Out[d], w.Kernel[d], w.Stride[d], w.Dilation[d], w.Spread[d]) < 1 {
			return fmt.Errorf("gemm: dimension %d of window %+v", d, w)
		}
	}
	return nil
}
