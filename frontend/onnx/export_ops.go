package onnx

import (
	"fmt"
	"math"
	"slices"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
	"secc.example/secc/ir/fn"
)

// plainOps are the operators that ONNX has under another name and nothing more.
var plainOps = map[ir.Op]string{
	ir.OpAdd: "Add", ir.OpSub: "Sub", ir.OpNeg: "Neg", ir.OpMul: "Mul", ir.OpDiv: "Div", ir.OpMax: "Max", ir.OpMin: "Min", ir.OpAbs: "Abs",
}

// operator writes one value.
func (x *exporter) operator(v *ir.Value, in []string, out string) error {
	if op := plainOps[v.Op]; op != "" {
		x.node(op, v.Name, in, out)
		return nil
	}
	switch a := v.Attrs.(type) {
	case *ir.ConvAttrs:
		return x.conv(v, a, in, out)
	case *ir.PoolAttrs:
		return x.pool(v, a, in, out)
	case *ir.ReduceAttrs:
		return x.reduce(v, a, in, out)
	case *ir.FuncAttrs:
		return x.function(v, a, in[0], out)
	case *ir.PReluAttrs:
		x.node("PRelu", v.Name, in, out)
		return nil
	case *ir.ClipAttrs:
		x.clip(v, a, in[0], out)
		return nil
	}
	switch v.Op {
	case ir.OpRelu:
		if len(in) > 1 {
			return fmt.Errorf("a secret sign has no operator")
		}
		x.node("Relu", v.Name, in, out)
		return nil
	case ir.OpMatMul:
		if len(in) == 3 {
			x.node("Add", v.Name+"/bias", []string{x.step("MatMul", v, in[:2]), in[2]}, out)
			return nil
		}
		x.node("MatMul", v.Name, in, out)
		return nil
	case ir.OpBatchNorm:
		return x.batchNorm(v, in[0], out)
	}
	return x.structural(v, in, out)
}

func (x *exporter) structural(v *ir.Value, in []string, out string) error {
	switch a := v.Attrs.(type) {
	case *ir.ReshapeAttrs:
		x.node("Reshape", v.Name, []string{in[0], x.ints(out+".shape", a.Shape)}, out)
	case *ir.ExpandAttrs:
		x.node("Expand", v.Name, []string{in[0], x.ints(out+".shape", a.Shape)}, out)
	case *ir.TransposeAttrs:
		x.node("Transpose", v.Name, in, out, intsAttr("perm", a.Perm))
	case *ir.AxisAttrs:
		op, ok := map[ir.Op]string{ir.OpConcat: "Concat", ir.OpSoftmax: "Softmax", ir.OpLogSoftmax: "LogSoftmax"}[v.Op]
		if !ok {
			return fmt.Errorf("has no operator")
		}
		x.node(op, v.Name, in, out, intAttr("axis", a.Axis))
	case *ir.SliceAttrs:
		x.slice(v, a, in[0], out)
	case *ir.GatherAttrs:
		x.node("Gather", v.Name, []string{in[0], x.ints(out+".indices", a.Index)}, out, intAttr("axis", a.Axis))
	case *ir.PadAttrs:
		mode := string(a.Mode)
		if a.Mode == ir.PadConstant {
			mode = "constant"
		}
		if a.Mode == ir.PadWrap {
			return fmt.Errorf("padding that wraps around needs a newer opset than %d", exportOpset)
		}
		pads := x.ints(out+".pads", append(slices.Clone(a.Before), a.After...))
		x.node("Pad", v.Name, []string{in[0], pads, x.scalar(out+".value", a.Value)}, out, stringAttr("mode", mode))
	default:
		return fmt.Errorf("has no operator")
	}
	return nil
}

// slice writes starts and ends of the axes that it cuts, so that the others may
// have another size where the file is used (a batch, above all). An end before
// the first element is written as one that any dimension is clamped to.
func (x *exporter) slice(v *ir.Value, a *ir.SliceAttrs, in, out string) {
	var starts, ends, axes, steps []int
	for d, n := range a.Size {
		if a.Step[d] == 1 && n == v.Args[0].Type.Shape[d] {
			continue
		}
		end := a.Start[d] + (n-1)*a.Step[d]
		switch {
		case a.Step[d] > 0:
			end++
		case end == 0:
			end = math.MinInt64 + 1
		default:
			end--
		}
		starts, ends, axes, steps = append(starts, a.Start[d]), append(ends, end), append(axes, d), append(steps, a.Step[d])
	}
	if axes == nil {
		x.node("Identity", v.Name, []string{in}, out)
		return
	}
	x.node("Slice", v.Name, []string{in, x.ints(out+".starts", starts), x.ints(out+".ends", ends), x.ints(out+".axes", axes), x.ints(out+".steps", steps)}, out)
}

func (x *exporter) conv(v *ir.Value, a *ir.ConvAttrs, in []string, out string) error {
	attrs := []*onnxpb.Attribute{
		intAttr("group", max(a.Group, 1)), intsAttr("kernel_shape", v.Args[1].Type.Shape[2:]), intsAttr("strides", a.Strides),
		intsAttr("dilations", a.Dilations), intsAttr("pads", append(slices.Clone(a.PadsBegin), a.PadsEnd...)),
	}
	op := "Conv"
	if v.Op == ir.OpConvTranspose {
		op = "ConvTranspose"
		attrs = append(attrs, intsAttr("output_padding", a.OutputPad))
	}
	x.node(op, v.Name, in, out, attrs...)
	return nil
}

func (x *exporter) pool(v *ir.Value, a *ir.PoolAttrs, in []string, out string) error {
	attrs := []*onnxpb.Attribute{
		intsAttr("kernel_shape", a.Kernel), intsAttr("strides", a.Strides),
		intsAttr("pads", append(slices.Clone(a.PadsBegin), a.PadsEnd...)), boolAttr("ceil_mode", a.Ceil),
	}
	switch {
	case v.Op == ir.OpMaxPool:
		x.node("MaxPool", v.Name, in, out, append(attrs, intsAttr("dilations", a.Dilations))...)
	case v.Op == ir.OpAvgPool && slices.Max(a.Dilations) == 1:
		x.node("AveragePool", v.Name, in, out, append(attrs, boolAttr("count_include_pad", a.CountIncludePad))...)
	case v.Op == ir.OpSumPool && slices.Max(a.Dilations) == 1 && !a.Ceil:
		mean := x.step("AveragePool", v, in, append(attrs, boolAttr("count_include_pad", true))...)
		x.node("Mul", v.Name, []string{mean, x.scalar(out+".count", float64(ir.Numel(a.Kernel)))}, out)
	default:
		return fmt.Errorf("has no operator in opset %d", exportOpset)
	}
	return nil
}

func (x *exporter) reduce(v *ir.Value, a *ir.ReduceAttrs, in []string, out string) error {
	keep := boolAttr("keepdims", a.Keep)
	switch {
	case v.Op == ir.OpSum:
		x.node("ReduceSum", v.Name, []string{in[0], x.ints(out+".axes", a.Axes)}, out, keep)
	case v.Op == ir.OpReduceMax:
		x.node("ReduceMax", v.Name, in, out, keep, intsAttr("axes", a.Axes))
	case v.Op == ir.OpArgMax && a.K <= 1:
		index := x.step("ArgMax", v, in, keep, intAttr("axis", a.Axes[0]), boolAttr("select_last_index", a.Last))
		x.node("Cast", v.Name, []string{index}, out, intAttr("to", int(Float)))
	default:
		return fmt.Errorf("has no operator")
	}
	return nil
}

func (x *exporter) clip(v *ir.Value, a *ir.ClipAttrs, in, out string) {
	args := []string{in, "", ""}
	if !math.IsInf(a.Min, 0) {
		args[1] = x.scalar(out+".min", a.Min)
	}
	if !math.IsInf(a.Max, 0) {
		args[2] = x.scalar(out+".max", a.Max)
	}
	for len(args) > 1 && args[len(args)-1] == "" {
		args = args[:len(args)-1]
	}
	x.node("Clip", v.Name, args, out)
}

// function writes the operator that means a function, or others that make it.
func (x *exporter) function(v *ir.Value, a *ir.FuncAttrs, in, out string) error {
	f, _ := fn.Lookup(a.Name)
	if f.Scaled != "" {
		of, _ := fn.Lookup(f.Scaled)
		y := x.step(of.ONNX, v, []string{x.scaled(v, in, out, a.Beta)})
		x.node("Mul", v.Name, []string{y, x.scalar(out+".scale", a.Alpha)}, out)
		return nil
	}
	if f.ONNX != "" && f.Since <= fn.Written {
		var attrs []*onnxpb.Attribute
		for i, p := range f.Params {
			attrs = append(attrs, realAttr(p.Name, [2]float64{a.Alpha, a.Beta}[i]))
		}
		x.node(f.ONNX, v.Name, []string{in}, out, attrs...)
		return nil
	}
	if x.sigmoidal(v, a, in, out) {
		return nil
	}
	switch a.Name {
	case "square":
		x.node("Mul", v.Name, []string{in, in}, out)
	case "rsqrt":
		x.node("Reciprocal", v.Name, []string{x.step("Sqrt", v, []string{in})}, out)
	case "pow":
		x.node("Pow", v.Name, []string{in, x.scalar(out+".exponent", a.Alpha)}, out)
	case "affine":
		x.node("Add", v.Name, []string{x.scaled(v, in, out, a.Alpha), x.scalar(out+".shift", a.Beta)}, out)
	case "step":
		above := x.step("GreaterOrEqual", v, []string{in, x.scalar(out+".zero", 0)})
		x.node("Cast", v.Name, []string{above}, out, intAttr("to", int(Float)))
	case "is_zero":
		zero := x.step("Equal", v, []string{in, x.scalar(out+".zero", 0)})
		x.node("Cast", v.Name, []string{zero}, out, intAttr("to", int(Float)))
	case "is_nan":
		x.node("Cast", v.Name, []string{x.step("IsNaN", v, []string{in})}, out, intAttr("to", int(Float)))
	case "trunc":
		whole := x.step("Cast", v, []string{in}, intAttr("to", int(Int64)))
		x.node("Cast", v.Name, []string{whole}, out, intAttr("to", int(Float)))
	default:
		return fmt.Errorf("function %q has no operator", a.Name)
	}
	return nil
}

func (x *exporter) scaled(v *ir.Value, y, out string, by float64) string {
	return x.step("Mul", v, []string{y, x.scalar(out+".factor", by)})
}

// sigmoidal writes functions that are products with a sigmoid of some kind.
func (x *exporter) sigmoidal(v *ir.Value, a *ir.FuncAttrs, in, out string) bool {
	product := func(a, b string) { x.node("Mul", v.Name, []string{a, b}, out) }
	scaled := func(y string, by float64) string { return x.scaled(v, y, out, by) }
	switch a.Name {
	case "silu":
		product(in, x.step("Sigmoid", v, []string{in}))
	case "swish":
		product(in, x.step("Sigmoid", v, []string{scaled(in, a.Alpha)}))
	case "hard_swish":
		product(in, x.step("HardSigmoid", v, []string{in}, realAttr("alpha", 1./6), realAttr("beta", 0.5)))
	case "mish":
		product(in, x.step("Tanh", v, []string{x.step("Softplus", v, []string{in})}))
	case "gelu":
		erf := x.step("Erf", v, []string{scaled(in, 1/math.Sqrt2)})
		product(scaled(in, 0.5), x.step("Add", v, []string{erf, x.scalar(out+".one", 1)}))
	case "gelu_tanh":
		cube := x.step("Pow", v, []string{in, x.scalar(out+".three", 3)})
		arg := scaled(x.step("Add", v, []string{in, scaled(cube, 0.044715)}), math.Sqrt(2/math.Pi))
		product(scaled(in, 0.5), x.step("Add", v, []string{x.step("Tanh", v, []string{arg}), x.scalar(out+".one", 1)}))
	default:
		return false
	}
	return true
}
