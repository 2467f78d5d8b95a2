package ir

// Operators of the real phase. A front end builds graphs from these only;
// whatever is not here it decomposes (one ONNX operator may become several).
// Attribute structs stand in ops_*.go. All spatial attributes are per spatial
// dimension (1, 2 or 3 of them) in NC... layout.
const (
	// leaves
	OpInput Op = "input" // attrs *InputAttrs
	OpConst Op = "const" // attrs *ConstAttrs

	// structural: pure index maps, free on shares
	OpReshape   Op = "reshape"   // target shape is the type
	OpTranspose Op = "transpose" // *TransposeAttrs{Perm}
	OpConcat    Op = "concat"    // *AxisAttrs{Axis}
	OpSlice     Op = "slice"     // *SliceAttrs{Start, Step []int} (per dim; the output shape is the type)
	OpPad       Op = "pad"       // *PadAttrs{Before, After []int; Value float64; Mode: constant|reflect|edge|wrap}
	OpGather    Op = "gather"    // *GatherAttrs{Axis, Index []int}: out[..i..] = in[..Index[i]..]
	OpExpand    Op = "expand"    // broadcast to the type's shape

	// linear
	OpConv          Op = "conv"           // x, w[, b]; *ConvAttrs{Group; Strides, Dilations, PadsBegin, PadsEnd}
	OpConvTranspose Op = "conv_transpose" // x, w[, b]; *ConvAttrs + OutputPads
	OpMatMul        Op = "matmul"         // a, b: batched, numpy semantics; either may be const
	OpAdd           Op = "add"            // a, b: numpy broadcasting
	OpSub           Op = "sub"
	OpNeg           Op = "neg"
	OpMul           Op = "mul"      // a, b: broadcasting; const or secret
	OpSum           Op = "sum"      // *ReduceAttrs{Axes, Keep}: reduce-sum
	OpSumPool       Op = "sum_pool" // *PoolAttrs: windowed sum, zero padding
	OpAvgPool       Op = "avg_pool" // *PoolAttrs with CountIncludePad

	// affine with server constants, one scale and shift a channel (axis 1)
	OpBatchNorm Op = "batch_norm" // x, scale, shift (already folded to two consts of length C)

	// non-linear
	OpRelu       Op = "relu"
	OpPRelu      Op = "prelu" // x, slope (const, broadcastable); LeakyRelu is a PRelu with a scalar slope
	OpClip       Op = "clip"  // *ClipAttrs{Min, Max} (may be infinite)
	OpMax        Op = "max"   // a, b elementwise
	OpMin        Op = "min"
	OpAbs        Op = "abs"
	OpMaxPool    Op = "max_pool"   // *PoolAttrs
	OpReduceMax  Op = "reduce_max" // *ReduceAttrs
	OpArgMax     Op = "argmax"     // *ReduceAttrs
	OpFunc       Op = "func"       // *FuncAttrs{Name, Alpha, Beta}: sigmoid tanh exp log erf gelu sqrt reciprocal ... elementwise
	OpDiv        Op = "div"        // a, b
	OpSoftmax    Op = "softmax"    // *AxisAttrs (opset 13 semantics, one axis)
	OpLogSoftmax Op = "log_softmax"
)

// Operators that only the fixed phase has; passes insert them.
const (
	OpExtend   Op = "extend"   // Z_2^k -> Z_2^l (l > k), same value; *ExtendAttrs{NonNeg}
	OpReduce   Op = "reduce"   // Z_2^k -> Z_2^j (j < k): drop high bits, local
	OpTruncate Op = "truncate" // (k, f) -> (k', f'): divide by 2^Shift and round, keeping or narrowing the ring
	OpReveal   Op = "reveal"   // shared -> client
)
