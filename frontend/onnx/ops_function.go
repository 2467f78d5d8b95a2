package onnx

import "secc.example/secc/ir/fn"

// functionOps are elementwise functions the ir has by name: those of package fn, but for
// the ones that stand in written.
func functionOps(written ...map[string]opRow) map[string]opRow {
	ops := map[string]opRow{
		"Reciprocal": {min: 1, max: 1, build: reciprocal},
		"Gelu":       {min: 1, max: 1, build: gelu},
		"IsNaN":      {min: 1, max: 1, build: func(c *ctx) []*operand { return one(c.typed(c.fn(c.in[0], "is_nan"), Bool)) }},
	}
	own := join(append(written, ops)...)
	for _, name := range fn.Names() {
		f, _ := fn.Lookup(name)
		if _, known := own[f.ONNX]; !known && f.ONNX != "" && !f.WriteOnly {
			ops[f.ONNX] = unaryRow(name, f.Params...)
		}
	}
	return ops
}

// unaryRow is an elementwise function whose parameters are float attributes.
func unaryRow(name string, params ...fn.Param) opRow {
	return opRow{min: 1, max: 1, build: func(c *ctx) []*operand {
		var values []float64
		for _, p := range params {
			values = append(values, c.float(p.Name, p.Missing))
		}
		if x := c.in[0]; x.con == nil {
			c.realOnly(x)
		}
		return one(c.fn(c.in[0], name, values...))
	}}
}

func reciprocal(c *ctx) []*operand {
	if x := c.in[0]; x.con == nil {
		c.realOnly(x)
		return one(c.inverse(x))
	}
	return one(c.fn(c.in[0], "reciprocal"))
}

func gelu(c *ctx) []*operand {
	c.realOnly(c.in[0])
	switch how := c.str("approximate", "none"); how {
	case "none":
		return one(c.fn(c.in[0], "gelu"))
	case "tanh":
		return one(c.fn(c.in[0], "gelu_tanh"))
	default:
		c.failf("approximate %q", how)
		return nil
	}
}

// microsoftOps are contributed operators that onnxruntime's optimiser writes.
var microsoftOps = map[string]opRow{
	"Gelu":     unaryRow("gelu"),
	"BiasGelu": {min: 2, max: 2, build: func(c *ctx) []*operand { return one(c.fn(c.add(c.in[0], c.in[1]), "gelu")) }},
	"FastGelu": {min: 1, max: 2, build: func(c *ctx) []*operand {
		x := c.in[0]
		if b := c.arg(1); b != nil {
			x = c.add(x, b)
		}
		return one(c.fn(x, "gelu_tanh"))
	}},
	"QuickGelu":        unaryRow("swish", fn.Param{Name: "alpha", Missing: 1.702}),
	"FusedConv":        {min: 2, max: 4, build: fusedConv},
	"QuantizeLinear":   {min: 2, max: 3, build: quantize},
	"DequantizeLinear": {min: 2, max: 3, build: dequantize},
}

// fusedConv is a convolution with an activation attached.
func fusedConv(c *ctx) []*operand {
	y := conv(c.with(nil, c.in[:min(3, len(c.in))]...))[0]
	if z := c.arg(3); z != nil {
		y = c.add(y, z)
	}
	p := attr(c, "activation_params", []float32(nil))
	return one(c.activated(y, func(i int, missing float64) float64 {
		if i < len(p) {
			return float64(p[i])
		}
		return missing
	}))
}

// fusedGemm is a Gemm with an activation attached.
func fusedGemm(c *ctx) []*operand {
	names := []string{"activation_alpha", "activation_beta"}
	return one(c.activated(gemm(c)[0], func(i int, missing float64) float64 { return c.float(names[i], missing) }))
}

// activated applies the activation that an attribute names; at gives its parameters.
func (c *ctx) activated(y *operand, at func(i int, missing float64) float64) *operand {
	switch name := c.str("activation", ""); name {
	case "":
		return y
	case "Relu":
		return c.clip(y, 0, 3.5e38)
	case "Clip":
		return c.clip(y, at(0, -3.5e38), at(1, 3.5e38))
	case "LeakyRelu":
		return c.prelu(y, c.number(at(0, 0.01), Float))
	case "Sigmoid", "Tanh":
		return c.fn(y, lower(name))
	case "HardSigmoid":
		return c.fn(y, "hard_sigmoid", at(0, 0.2), at(1, 0.5))
	default:
		c.refuse("activation %q", name)
		return nil
	}
}
