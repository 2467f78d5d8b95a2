package onnx

import (
	"slices"

	"secc.example/secc/ir"
)

// centerCropPad cuts the middle out of dimensions that are too long, and surrounds
// others with zeros.
func centerCropPad(c *ctx) []*operand {
	x := c.in[0]
	sizes, axes := c.indices(1, "shape"), c.ints("axes")
	if axes == nil {
		for d := range x.shape {
			axes = append(axes, d)
		}
	}
	axes = c.axes(axes, len(x.shape))
	if len(sizes) != len(axes) {
		c.failf("sizes %v for axes %v", sizes, axes)
	}
	for i, d := range axes {
		if sizes[i] < 1 || sizes[i] > maxElements {
			c.failf("sizes %v", sizes)
		}
		x = c.centred(x, d, sizes[i], 1)
	}
	return one(x)
}

// col2im adds overlapping blocks up to an image: sums of elements that are moved, which
// is free on shares.
func col2im(c *ctx) []*operand {
	x := c.in[0]
	c.realOnly(x)
	c.rankOf(x, 3, 3)
	image, block := c.indices(1, "image_shape"), c.indices(2, "block_shape")
	dims := len(image)
	if dims < 1 || dims > 3 || len(block) != dims || slices.Min(image) < 1 || slices.Min(block) < 1 {
		c.failf("blocks of %v in an image of %v", block, image)
	}
	w := c.window(&operand{name: x.name, shape: slices.Concat([]int{1, 1}, image)}, block)
	size, err := numel(image)
	if err != nil {
		c.fail(err)
	}
	steps, kernel, each := make([]int, dims), 1, 1
	for d := range dims {
		room := image[d] + w.begin[d] + w.end[d] - (block[d]-1)*w.dilations[d] - 1
		if w.begin[d] < 0 || w.end[d] < 0 || room < 0 {
			c.failf("blocks of %v in an image of %v", block, image)
		}
		steps[d] = room/w.strides[d] + 1
		kernel, each = kernel*block[d], each*steps[d]
	}
	n, ch := x.shape[0], x.shape[1]/kernel
	if x.shape[1] != ch*kernel || x.shape[2] != each || n*ch == 0 {
		c.failf("shape %v for %d blocks of %v", x.shape, each, block)
	}
	rows := make([]int, 0, kernel*each)
	offsets(slices.Concat(block, steps), rowMajor(slices.Concat(block, steps)), 0, func(at int) {
		rows = append(rows, placed(at, image, block, steps, w))
	})
	moved := c.transpose(c.reshape(x, n*ch, kernel*each), 1, 0)
	return one(c.reshape(c.transpose(c.summed(moved, rows, size), 1, 0), slices.Concat([]int{n, ch}, image)...))
}

// placed is the element of an image that an element of a block lies on, -1 outside. at
// counts blocks' elements, then the places of blocks.
func placed(at int, image, block, steps []int, w window) int {
	dims := len(image)
	all := slices.Concat(block, steps)
	place := make([]int, 2*dims)
	for d := 2*dims - 1; d >= 0; d-- {
		place[d], at = at%all[d], at/all[d]
	}
	to := 0
	for d := range dims {
		x := place[dims+d]*w.strides[d] + place[d]*w.dilations[d] - w.begin[d]
		if x < 0 || x >= image[d] {
			return -1
		}
		to = to*image[d] + x
	}
	return to
}

// summed adds rows up at n places; those of -1 are left out.
func (c *ctx) summed(x *operand, rows []int, n int) *operand {
	width := x.shape[1]
	with := c.concat(0, x, c.expand(c.number(0, x.dtype), 1, width))
	var sum *operand
	for left := rows; left != nil; {
		var index []int
		index, left = c.round(left, n)
		part := c.gather(with, 0, index, []int{n})
		if sum == nil {
			sum = part
		} else {
			sum = c.add(sum, part)
		}
	}
	return sum
}

// lpPool is a norm over every window.
func lpPool(c *ctx) []*operand {
	x, a := c.pool()
	p := c.normPower()
	return one(c.rooted(c.poolWindows(ir.OpSumPool, c.powered(x, p), a), p))
}

func globalLpPool(c *ctx) []*operand {
	x := c.in[0]
	c.realOnly(x)
	c.rankOf(x, 3, maxRank)
	p := c.normPower()
	return one(c.rooted(c.sum(c.powered(x, p), spatialAxes(x), keepDims), p))
}

// normPower is p, which was a real number in opset 1.
func (c *ctx) normPower() float64 {
	p := 2.0
	if _, old := c.attrs["p"].(float32); old {
		p = c.float("p", 2)
	} else {
		p = float64(c.int("p", 2))
	}
	if !(p >= 1 && p <= maxPower) {
		c.failf("p = %g", p)
	}
	return p
}

func (c *ctx) powered(x *operand, p float64) *operand {
	if p == 2 {
		return c.mul(x, x)
	}
	return c.power(c.abs(x), p)
}

func (c *ctx) rooted(x *operand, p float64) *operand {
	switch p {
	case 1:
		return x
	case 2:
		return c.fn(x, "sqrt")
	}
	return c.fn(x, "pow", 1/p)
}

// affineGrid says where each place of a picture comes from: a product of its places
// from -1 to 1 by a matrix.
func affineGrid(c *ctx) []*operand {
	theta, size := c.in[0], c.indices(1, "size")
	dims := len(size) - 2
	if dims != 2 && dims != 3 || len(theta.shape) != 3 || theta.shape[1] != dims || theta.shape[2] != dims+1 || theta.shape[0] != size[0] {
		c.failf("size %v for a matrix of shape %v", size, theta.shape)
	}
	for _, d := range size {
		if d < 1 || d > maxElements {
			c.failf("size %v", size)
		}
	}
	n, err := numel(size[2:])
	if err != nil {
		c.fail(err)
	}
	base, i := c.fresh(Float, []int{n, dims + 1}), 0
	spatial := size[2:]
	offsets(spatial, rowMajor(spatial), 0, func(at int) {
		for d := dims - 1; d >= 0; d-- { // the last dimension is the first coordinate
			base.F[i*(dims+1)+dims-1-d] = c.between(at%spatial[d], spatial[d])
			at /= spatial[d]
		}
		base.F[i*(dims+1)+dims] = 1
		i++
	})
	y := c.matmul(c.known(base), c.transpose(theta, 0, 2, 1), nil)
	return one(c.reshape(y, slices.Concat([]int{size[0]}, spatial, []int{dims})...))
}

// between is where the i-th of n pixels lies from -1 to 1: the outermost at the ends, or
// half a pixel inside.
func (c *ctx) between(i, n int) float32 {
	if c.flag("align_corners", false) {
		return -1 + 2*float32(i)/float32(max(n-1, 1))
	}
	return (2*float32(i)+1)/float32(n) - 1
}
