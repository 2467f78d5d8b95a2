package input

import (
	"image"
	"math"
)

// picture is an image as its pixels are computed with: rows of red, green and
// blue from 0 to 255. A deep one keeps fractions; others are rounded to whole
// levels after each pass of a scaling, as Pillow does, so that networks see what
// they were trained on.
type picture struct {
	width, height int
	deep          bool
	row           func(y int, to []float32) // fills 3 numbers a pixel
}

// pictureOf sees an image as a picture.
func pictureOf(img image.Image) *picture {
	b := img.Bounds()
	p := &picture{width: b.Dx(), height: b.Dy(), deep: isDeep(img)}
	at, ok := img.(image.RGBA64Image)
	if !ok { // all of the standard library's are
		at = &turned{img, 1}
	}
	p.row = func(y int, to []float32) {
		for x := range p.width {
			c := at.RGBA64At(b.Min.X+x, b.Min.Y+y)
			set(to, x, uint32(c.R), uint32(c.G), uint32(c.B), p.deep)
		}
	}
	return p
}

func set(to []float32, x int, r, g, b uint32, deep bool) {
	if deep {
		to[3*x], to[3*x+1], to[3*x+2] = float32(r)/257, float32(g)/257, float32(b)/257
		return
	}
	to[3*x], to[3*x+1], to[3*x+2] = float32(r>>8), float32(g>>8), float32(b>>8)
}

func isDeep(img image.Image) bool {
	switch m := img.(type) {
	case *image.Gray16, *image.RGBA64, *image.NRGBA64:
		return true
	case *turned:
		return isDeep(m.Image)
	}
	return false
}

// cut is the part of a picture in a rectangle.
func (p *picture) cut(r image.Rectangle) *picture {
	if r == image.Rect(0, 0, p.width, p.height) {
		return p
	}
	line := make([]float32, 3*p.width)
	return &picture{r.Dx(), r.Dy(), p.deep, func(y int, to []float32) {
		p.row(r.Min.Y+y, line)
		copy(to[:3*r.Dx()], line[3*r.Min.X:])
	}}
}

// scaled is the part `see` of the picture scaled to width x height: bilinear,
// averaged over all the pixels that become one. Only what is seen is computed
// and held, whatever the size it is a part of.
func (p *picture) scaled(width, height int, see image.Rectangle) *picture {
	across := weights(p.width, width, see.Min.X, see.Max.X)
	down := weights(p.height, height, see.Min.Y, see.Max.Y)
	first, last := down[0].from, down[len(down)-1].from+len(down[len(down)-1].weight)
	out := &picture{width: see.Dx(), height: see.Dy(), deep: p.deep}
	rows, line := make([][]float32, last-first), make([]float32, 3*p.width)
	narrow := func(y int) []float32 {
		if rows[y-first] == nil {
			p.row(y, line)
			rows[y-first] = p.across(line, across)
		}
		return rows[y-first]
	}
	pixels, sum := make([]float32, 3*out.width*out.height), make([]float64, 3*out.width)
	for y, w := range down {
		clear(sum)
		for k, weight := range w.weight {
			for i, v := range narrow(w.from + k) {
				sum[i] += weight * float64(v)
			}
		}
		for i, v := range sum {
			pixels[3*out.width*y+i] = p.level(v)
		}
		if y+1 < len(down) { // what lies above the next is not needed any more
			for k := w.from; k < down[y+1].from; k++ {
				rows[k-first] = nil
			}
		}
	}
	out.row = func(y int, to []float32) { copy(to, pixels[3*out.width*y:3*out.width*(y+1)]) }
	return out
}

// across scales one row.
func (p *picture) across(line []float32, columns []window) []float32 {
	out := make([]float32, 3*len(columns))
	for x, w := range columns {
		var r, g, b float64
		for k, weight := range w.weight {
			px := line[3*(w.from+k):]
			r, g, b = r+weight*float64(px[0]), g+weight*float64(px[1]), b+weight*float64(px[2])
		}
		out[3*x], out[3*x+1], out[3*x+2] = p.level(r), p.level(g), p.level(b)
	}
	return out
}

// level rounds to a whole level, if that is how deep the picture is.
func (p *picture) level(x float64) float32 {
	if p.deep {
		return float32(x)
	}
	return float32(math.Floor(x + 0.5))
}

// window is what one pixel is made of: weighted neighbours, from the first on.
type window struct {
	from   int
	weight []float64
}

// precision is what Pillow keeps of a weight.
const precision = 1 << 22

// weights gives the windows of the pixels lo to hi of `to` that `from` pixels become.
func weights(from, to, lo, hi int) []window {
	step := float64(from) / float64(to)
	reach := max(step, 1) // of the triangle, either side
	all := make([]window, hi-lo)
	for i := range all {
		middle := (float64(lo+i) + 0.5) * step
		first := max(int(middle-reach+0.5), 0)
		last := max(min(int(middle+reach+0.5), from), first+1)
		w, sum := make([]float64, last-first), 0.0
		for k := range w {
			x := max(1-math.Abs((float64(first+k)-middle+0.5)/reach), 0)
			w[k], sum = x, sum+x
		}
		for k := range w {
			w[k] = math.Floor(w[k]/sum*precision+0.5) / precision
		}
		all[i] = window{first, w}
	}
	return all
}
