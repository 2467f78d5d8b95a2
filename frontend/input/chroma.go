package input

import "image"

// Most JPEG files hold colour at half the resolution of brightness. The standard library
// repeats each colour for all the pixels it stands for; libjpeg, and so Pillow, whose
// pictures networks are trained on, goes from one to the next in steps of a quarter. At
// the edges of coloured things that is tens of levels.

// interpolated are the pixels of a JPEG file as libjpeg computes them, from the planes
// up to red, green and blue.
func interpolated(m *image.YCbCr) *image.RGBA {
	b := m.Bounds()
	out := image.NewRGBA(b)
	cb, cr := make([]uint8, b.Dx()), make([]uint8, b.Dx())
	for y := range b.Dy() {
		chromaRow(m, m.Cb, y, cb)
		chromaRow(m, m.Cr, y, cr)
		light, pix := m.Y[y*m.YStride:], out.Pix[y*out.Stride:]
		for x := range cb {
			l, u, v := int32(light[x]), int32(cb[x])-128, int32(cr[x])-128
			px := pix[4*x : 4*x+4]
			px[0] = level8(l + (91881*v+1<<15)>>16)
			px[1] = level8(l + (-22554*u-46802*v+1<<15)>>16)
			px[2] = level8(l + (116130*u+1<<15)>>16)
			px[3] = 0xff
		}
	}
	return out
}

func level8(v int32) uint8 { return uint8(min(max(v, 0), 255)) }

// chromaRow fills a row of one colour.
func chromaRow(m *image.YCbCr, plane []uint8, y int, out []uint8) {
	b := m.Bounds()
	width, height := (b.Dx()+1)/2, (b.Dy()+1)/2 // of a halved plane
	row := func(i int) []uint8 { return plane[i*m.CStride:] }
	beside := func(i int) int { return min(max(i+y%2*2-1, 0), height-1) } // the row that is nearest after i
	switch ratio := m.SubsampleRatio; {
	case ratio == image.YCbCrSubsampleRatio440:
		near, far, round := row(y/2), row(beside(y/2)), 1+y%2
		for x := range out {
			out[x] = uint8((3*int(near[x]) + int(far[x]) + round) >> 2)
		}
	case ratio == image.YCbCrSubsampleRatio422 && width > 2:
		line := row(y)
		widened(out, width, func(i int) int { return int(line[i]) }, [2]int{1, 2}, 2)
	case ratio == image.YCbCrSubsampleRatio420 && width > 2:
		near, far := row(y/2), row(beside(y/2))
		widened(out, width, func(i int) int { return 3*int(near[i]) + int(far[i]) }, [2]int{8, 7}, 4)
	default: // of each pixel, or too few to go from one to the next
		for x := range out {
			out[x] = plane[m.COffset(b.Min.X+x, b.Min.Y+y)]
		}
	}
}

// widened makes two of each of n numbers: three parts its own, one of the number beside
// it. What is added before the last bits go alternates, so that errors cancel.
func widened(out []uint8, n int, at func(i int) int, round [2]int, shift int) {
	for x := range out {
		i, side := x/2, x%2
		next := min(max(i+2*side-1, 0), n-1)
		out[x] = uint8((3*at(i) + at(next) + round[side]) >> shift)
	}
}
