package onnx

// functionOps are elementwise functions the ir has by name.
var functionOps = map[string]opRow{
	"Sigmoid": unaryRow("sigmoid"), "Tanh": unaryRow("tanh"), "Exp": unaryRow("exp"), "Log": unaryRow("log"),
	"Erf": unaryRow("erf"), "Softplus": unaryRow("softplus"), "Softsign": unaryRow("softsign"), "Mish": unaryRow("mish"),
	"HardSwish": unaryRow("hard_swish"), "Sign": unaryRow("sign"), "Floor": unaryRow("floor"), "Ceil": unaryRow("ceil"),
	"Round": unaryRow("round"), "Sin": unaryRow("sin"), "Cos": unaryRow("cos"), "Tan": unaryRow("tan"),
	"Asin": unaryRow("asin"), "Acos": unaryRow("acos"), "Atan": unaryRow("atan"), "Sinh": unaryRow("sinh"),
	"Cosh": unaryRow("cosh"), "Asinh": unaryRow("asinh"), "Acosh": unaryRow("acosh"), "Atanh": unaryRow("atanh"),
	"Sqrt":            unaryRow("sqrt"),
	"Reciprocal":      {min: 1, max: 1, build: reciprocal},
	"Elu":             unaryRow("elu", param{"alpha", 1}),
	"Celu":            unaryRow("celu", param{"alpha", 1}),
	"Selu":            unaryRow("selu", param{"alpha", 1.67326319217681884765625}, param{"gamma", 1.05070102214813232421875}),
	"HardSigmoid":     unaryRow("hard_sigmoid", param{"alpha", 0.2}, param{"beta", 0.5}),
	"ThresholdedRelu": unaryRow("thresholded_relu", param{"alpha", 1}),
	"Shrink":          unaryRow("shrink", param{"lambd", 0.5}, param{"bias", 0}),
	"Swish":           unaryRow("swish", param{"alpha", 1}),
	"Gelu":            {min: 1, max: 1, build: gelu},
	"IsNaN":           {min: 1, max: 1, build: func(c *ctx) []*operand { return one(c.typed(c.fn(c.in[0], "is_nan"), Bool)) }},
}

type param struct {
	name    string
	missing float64
}

// unaryRow is an elementwise function whose parameters are float attributes.
func unaryRow(name string, params ...param) opRow {
	return opRow{min: 1, max: 1, build: func(c *ctx) []*operand {
		var values []float64
		for _, p := range params {
			values = append(values, c.float(p.name, p.missing))
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
	"QuickGelu":        unaryRow("swish", param{"alpha", 1.702}),
	"FusedConv":        {min: 2, max: 3, build: fusedConv},
	"QuantizeLinear":   {min: 2, max: 3, build: quantize},
	"DequantizeLinear": {min: 2, max: 3, build: dequantize},
}

// fusedConv is a convolution with an activation attached.
func fusedConv(c *ctx) []*operand {
	y := conv(c)[0]
	p := attr(c, "activation_params", []float32(nil))
	at := func(i int, missing float64) float64 {
		if i < len(p) {
			return float64(p[i])
		}
		return missing
	}
	switch name := c.str("activation", ""); name {
	case "":
		return one(y)
	case "Relu":
		return one(c.clip(y, 0, 3.5e38))
	case "Clip":
		return one(c.clip(y, at(0, -3.5e38), at(1, 3.5e38)))
	case "LeakyRelu":
		return one(c.prelu(y, c.number(at(0, 0.01), Float)))
	case "Sigmoid", "Tanh":
		return one(c.fn(y, lower(name)))
	case "HardSigmoid":
		return one(c.fn(y, "hard_sigmoid", at(0, 0.2), at(1, 0.5)))
	default:
		c.refuse("activation %q", name)
		return nil
	}
}
