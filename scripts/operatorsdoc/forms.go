package main

// secure says how operators are computed on secret values. Every operator of
// the importer stands here exactly once, and nothing else does.
var secure = []struct{ form, ops string }{
	{"copy: each party moves its own shares", "CastLike Concat DepthToSpace Dropout Expand Flatten Gather GatherElements GatherND Identity Pad Reshape Slice SpaceToDepth Split Squeeze Tile Transpose Trilu Unsqueeze"},
	{"copy; to an integer or boolean type as far as values stay what they are", "Cast"},
	{"constants only: computed by the importer", "Constant ConstantOfShape NonZero Range Shape Size"},
	{"affine: each party adds its own shares (a product where factors are not one)", "Add Mean Neg ReduceSum Sub Sum"},
	{"linear_rlwe or linear_ot", "Conv ConvTranspose BatchNormalization FusedConv"},
	{"linear_rlwe or linear_ot by constants, mul between secrets", "Gemm MatMul Mul"},
	{"a product by the reciprocal: of a constant, or a function of the secret", "Div"},
	{"sum_pool, its factor folded into a neighbouring linear operator", "AveragePool GlobalAveragePool ReduceMean"},
	{"interpolation by constants: copy, or a linear operator", "Resize Upsample"},
	{"relu", "Relu"},
	{"prelu", "LeakyRelu PRelu"},
	{"relu: max(a,b) = relu(a-b)+b and its like", "Abs Max Min ReduceL1"},
	{"clip", "Clip"},
	{"max_pool", "GlobalMaxPool MaxPool ReduceMax ReduceMin"},
	{"argmax", "ArgMax ArgMin"},
	{"func: a spline", "Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish Log Mish Reciprocal Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu BiasGelu FastGelu QuickGelu"},
	{"mul for small integers, a spline otherwise; the exponent a constant", "Pow"},
	{"max_pool, func exp, sum, func reciprocal (logarithm), mul", "Softmax LogSoftmax ReduceLogSumExp"},
	{"sum of functions of elements, then a function", "LpNormalization ReduceL2 ReduceLogSum ReduceSumSquare"},
	{"mul, factor after factor", "ReduceProd"},
	{"sum_pool, mul, func rsqrt, mul", "GroupNormalization InstanceNormalization LayerNormalization MeanVarianceNormalization RMSNormalization"},
	{"square, a local sum, func pow, mul", "LRN"},
	{"func of the difference: a step", "Equal Greater GreaterOrEqual Less LessOrEqual"},
	{"affine and mul on zeros and ones", "And Not Or Xor"},
	{"selection by a constant condition; by a secret one, mul", "Where"},
	{"constants only, or a spline by a constant divisor", "Mod"},
	{"always false: numbers in fixed point are finite", "IsNaN"},
	{"copy at the scale given, clipped to the type", "QuantizeLinear DequantizeLinear"},
}
