package onnx

import (
	"slices"
)

// normOps normalise by moments of the data itself.
var normOps = map[string]opRow{
	"InstanceNormalization":        {min: 3, max: 3, build: instanceNorm},
	"GroupNormalization":           {min: 3, max: 3, build: groupNorm, since: 18},
	"LayerNormalization":           {min: 2, max: 3, build: layerNorm},
	"RMSNormalization":             {min: 2, max: 2, build: rmsNorm},
	"SimplifiedLayerNormalization": {min: 2, max: 2, build: rmsNorm}, // onnxruntime's, before there was a standard one
	"MeanVarianceNormalization":    {min: 1, max: 1, build: meanVarianceNorm, since: 9},
	"LpNormalization":              {min: 1, max: 1, build: lpNorm},
	"Resize":                       {min: 1, max: 4, build: resize, since: 10},
	"Upsample":                     {min: 1, max: 2, build: upsample, since: 7},
}

// standardise gives (x - mean) / sqrt(variance + eps) along axes, with the mean
// and the inverse deviation (both keeping the axes).
func (c *ctx) standardise(x *operand, axes []int, eps float64) (y, mean, inverse *operand) {
	c.realOnly(x)
	mean = c.mean(x, axes, keepDims)
	centred := c.sub(x, mean)
	variance := c.mean(c.mul(centred, centred), axes, keepDims)
	inverse = c.fn(c.shifted(variance, eps), "rsqrt")
	return c.mul(centred, inverse), mean, inverse
}

func instanceNorm(c *ctx) []*operand {
	x := c.in[0]
	c.rankOf(x, 3, maxRank)
	y, _, _ := c.standardise(x, spatialAxes(x), c.float("epsilon", 1e-5))
	return one(c.add(c.mul(y, c.perChannel(c.in[1], x)), c.perChannel(c.in[2], x)))
}

// groupNorm took one scale a group in opset 18 and one a channel since 21.
func groupNorm(c *ctx) []*operand {
	x := c.in[0]
	c.rankOf(x, 3, maxRank)
	groups := c.int("num_groups", 0)
	if groups < 1 || x.shape[1]%groups != 0 || x.N() == 0 {
		c.failf("%d groups in data of shape %v", groups, x.shape)
	}
	grouped := c.reshape(x, x.shape[0], groups, x.N()/x.shape[0]/groups)
	y, _, _ := c.standardise(grouped, []int{2}, c.float("epsilon", 1e-5))
	if c.opset < 21 {
		y = c.add(c.mul(y, c.perChannel(c.in[1], y)), c.perChannel(c.in[2], y))
		return one(c.reshape(y, x.shape...))
	}
	y = c.reshape(y, x.shape...)
	return one(c.add(c.mul(y, c.perChannel(c.in[1], x)), c.perChannel(c.in[2], x)))
}

// trailing are the axes from a given one to the last.
func (c *ctx) trailing(x *operand) []int {
	var axes []int
	for d := c.axis(c.int("axis", -1), len(x.shape)); d < len(x.shape); d++ {
		axes = append(axes, d)
	}
	return axes
}

func layerNorm(c *ctx) []*operand {
	x := c.in[0]
	y, mean, inverse := c.standardise(x, c.trailing(x), c.float("epsilon", 1e-5))
	y = c.mul(y, c.in[1])
	if b := c.arg(2); b != nil {
		y = c.add(y, b)
	}
	return []*operand{y, mean, inverse}
}

func rmsNorm(c *ctx) []*operand {
	x := c.in[0]
	c.realOnly(x)
	square := c.mean(c.mul(x, x), c.trailing(x), keepDims)
	inverse := c.fn(c.shifted(square, c.float("epsilon", 1e-5)), "rsqrt")
	return one(c.mul(c.mul(x, inverse), c.in[1]))
}

func meanVarianceNorm(c *ctx) []*operand {
	x := c.in[0]
	axes := c.ints("axes")
	if axes == nil {
		axes = []int{0, 2, 3}
	}
	axes = c.axes(axes, len(x.shape))
	slices.Sort(axes)
	y, _, _ := c.standardise(x, axes, 1e-9)
	return one(y)
}

// lpNorm divides by the norm along one axis.
func lpNorm(c *ctx) []*operand {
	x := c.in[0]
	c.realOnly(x)
	axes := []int{c.axis(c.int("axis", -1), len(x.shape))}
	switch p := c.int("p", 2); p {
	case 1:
		return one(c.div(x, c.sum(c.abs(x), axes, keepDims)))
	case 2:
		return one(c.mul(x, c.fn(c.sum(c.mul(x, x), axes, keepDims), "rsqrt")))
	default:
		c.failf("p = %d", p)
		return nil
	}
}
