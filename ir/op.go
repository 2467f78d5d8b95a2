package ir

// Operators of the real phase. A front end builds graphs from these only;
// whatever is not here it decomposes (one ONNX operator may become several).
// Attribute structs stand in ops_*.go. All spatial attributes are per spatial
// dimension (1, 2 or 3 of them) in NC... layout.
const (
	// leaves
	OpInput Op = "input" // *InputAttrs{Min, Shift, Inner}; made with Graph.Input or FixedInput
	OpConst Op = "const" // *ConstAttrs; made with Graph.Const, PublicConst or FixedConst

	// structural: pure index maps, free on shares
	OpReshape   Op = "reshape"   // *ReshapeAttrs{Shape}
	OpTranspose Op = "transpose" // *TransposeAttrs{Perm}
	OpConcat    Op = "concat"    // *AxisAttrs{Axis}
	OpSlice     Op = "slice"     // *SliceAttrs{Start, Step, Size []int} per dimension
	OpPad       Op = "pad"       // *PadAttrs{Before, After []int; Value float64; Mode: constant|reflect|edge|wrap}
	OpGather    Op = "gather"    // *GatherAttrs{Axis, Index []int}: out[..i..] = in[..Index[i]..]
	OpExpand    Op = "expand"    // *ExpandAttrs{Shape}: broadcast to it

	// linear
	OpConv          Op = "conv"           // x, w[, b]; *ConvAttrs{Group; Strides, Dilations, PadsBegin, PadsEnd; Shift, Exact}
	OpConvTranspose Op = "conv_transpose" // x, w[, b]; *ConvAttrs with OutputPad
	OpMatMul        Op = "matmul"         // a, b[, bias]: *LinearAttrs{Shift, Exact}; batched, numpy semantics; either may be const
	OpAdd           Op = "add"            // a, b: numpy broadcasting
	OpSub           Op = "sub"
	OpNeg           Op = "neg"
	OpMul           Op = "mul"      // a, b: *LinearAttrs; broadcasting; const or secret
	OpSum           Op = "sum"      // *ReduceAttrs{Axes, Keep}: reduce-sum
	OpSumPool       Op = "sum_pool" // *PoolAttrs: windowed sum, zero padding
	OpAvgPool       Op = "avg_pool" // *PoolAttrs with CountIncludePad

	// affine with server constants, one scale and shift a channel (axis 1)
	OpBatchNorm Op = "batch_norm" // x, scale, shift: *LinearAttrs (already folded to two consts of length C)

	// non-linear
	OpRelu       Op = "relu"  // x[, flip]: *CompareAttrs{Lo, Hi}; flip: one constant a channel, x*[x < 0] where it is not 0
	OpPRelu      Op = "prelu" // *PReluAttrs: x, slope (const, broadcastable); LeakyRelu is a PRelu with a scalar slope
	OpClip       Op = "clip"  // *ClipAttrs{Min, Max} (may be infinite)
	OpMax        Op = "max"   // *CompareAttrs: a, b elementwise
	OpMin        Op = "min"
	OpAbs        Op = "abs"
	OpMaxPool    Op = "max_pool"   // *PoolAttrs
	OpReduceMax  Op = "reduce_max" // *ReduceAttrs
	OpArgMax     Op = "argmax"     // *ReduceAttrs
	OpFunc       Op = "func"       // *FuncAttrs{Name, Alpha, Beta; Out}: elementwise; see package fn
	OpDiv        Op = "div"        // a, b; real phase only
	OpSoftmax    Op = "softmax"    // *AxisAttrs (opset 13 semantics, one axis)
	OpLogSoftmax Op = "log_softmax"
	OpOneHot     Op = "one_hot" // *OneHotAttrs{Depth, FromEnd, Strict}: a last dimension that is 1 at the element's number; real phase only
	OpLookup     Op = "lookup"  // index, table (const): rows of the table by index; real phase only
)

// Operators that only the fixed phase has; passes insert them.
const (
	OpExtend   Op = "extend"   // Z_2^k -> Z_2^l (l > k), same value; *ExtendAttrs{Bits, NonNeg}
	OpReduce   Op = "reduce"   // Z_2^k -> Z_2^j (j < k): *BitsAttrs{Bits}; drop high bits, local
	OpTruncate Op = "truncate" // (k, f) -> (k', f'): *TruncateAttrs{Shift, Bits, Exact}; divide by 2^Shift and round, keeping or narrowing the ring
	OpRescale  Op = "rescale"  // (k, f) -> (k, Frac): *RescaleAttrs{Frac}; same integers, free: multiplies by a power of two
	OpReveal   Op = "reveal"   // shared -> client, same format
	OpToReal   Op = "to_real"  // client's fixed-point value -> real: what follows the client computes in the clear
)
