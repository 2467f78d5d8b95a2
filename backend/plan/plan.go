// Package plan is the contract between compiler and runtime: a Plan says, step
// by step, what the two parties do, in which formats, with which protocol and
// how many bytes that takes. A plan is public; it holds no weight and no input.
//
// It knows nothing of ONNX, of the IR, or of how a protocol is computed.
package plan

// Slot names one vector that lives during execution. Elements are row-major
// tensors in Z_2^Bits, held as additive shares (or by the client, before it
// shares its input and after Reveal).
type Slot int

// SlotType is the public description of a slot.
type SlotType struct {
	Shape []int
	Bits  int // ring Z_2^Bits, 1..64
	Frac  int // fraction bits: real value = signed(x) / 2^Frac
}

// N is the number of elements.
func (t SlotType) N() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Step is one protocol call. Which of the attribute pointers is set follows
// from Proto (see protocols.go); the others are nil.
type Step struct {
	Proto Proto
	Op    string // the IR operator it serves
	Name  string // the model's node name: the row of the cost table
	In    []Slot
	Out   []Slot

	Copy     *Copy     `cbor:",omitempty"`
	Affine   *Affine   `cbor:",omitempty"`
	Pool     *Pool     `cbor:",omitempty"`
	Linear   *Linear   `cbor:",omitempty"`
	Extend   *Extend   `cbor:",omitempty"`
	Truncate *Truncate `cbor:",omitempty"`
	Compare  *Compare  `cbor:",omitempty"`
	Mul      *Mul      `cbor:",omitempty"`
	Func     *Func     `cbor:",omitempty"`
}

// Proto names a protocol.
type Proto string

// The protocols. Local ones send nothing.
const (
	ProtoCopy    Proto = "copy"     // local: strided regions of the inputs onto a constant background
	ProtoAffine  Proto = "affine"   // local: sum_i Coef[i]*In[i] + public or server constant
	ProtoReduce  Proto = "reduce"   // local: Z_2^k -> Z_2^j, j < k
	ProtoSumPool Proto = "sum_pool" // local: windowed sums

	ProtoInput      Proto = "input"       // the client's tensor enters as the sharing (0, x)
	ProtoReveal     Proto = "reveal"      // server sends its share; Out is the client's
	ProtoLinearRLWE Proto = "linear_rlwe" // section 1: conv / matmul by server weights
	ProtoLinearOT   Proto = "linear_ot"   // section 4
	ProtoExtend     Proto = "extend"      // Z_2^k -> Z_2^l
	ProtoTruncate   Proto = "truncate"    // divide by 2^shift
	ProtoRelu       Proto = "relu"        // DReLU + MUX (+ extension)
	ProtoPRelu      Proto = "prelu"       // two slopes, known to the server
	ProtoClip       Proto = "clip"        // two comparisons
	ProtoMaxPool    Proto = "max_pool"    // tournament, separable windows
	ProtoArgMax     Proto = "argmax"      // argmax / top-k
	ProtoMul        Proto = "mul"         // secret x secret
	ProtoFunc       Proto = "func"        // table or spline
)

// Copy is a set of strided regions. The output starts as Fill everywhere.
type Copy struct {
	Fill    int64 `cbor:",omitempty"` // public constant, in units of the output's ulp (the server's share carries it)
	Regions []Region
}

// Region copies Dims elements from input In: source index
// SrcOff + sum i_d*SrcStride[d], destination DstOff + sum i_d*DstStride[d].
type Region struct {
	In                         int // index into Step.In
	SrcOff, DstOff             int
	Dims, SrcStride, DstStride []int
}

// Affine is a public-integer linear combination of equally shaped inputs.
type Affine struct {
	Coef   []int64
	Public int64 `cbor:",omitempty"` // added to every element
	Server bool  `cbor:",omitempty"` // the server adds a vector from its weights (one value an element of the output)
}

// Pool is a 2-D window over NCHW (C is every leading dimension flattened).
type Pool struct {
	C, H, W, OH, OW        int
	KH, KW, SH, SW, DH, DW int
	PT, PL                 int // padding before; what lies outside is absent (max) or zero (sum)
}

// Extend widens a ring. NonNeg promises 0 <= x < 2^(k-1); otherwise |x| < 2^(k-2)
// and the offset form is used.
type Extend struct {
	From, To int
	NonNeg   bool `cbor:",omitempty"`
}

// Truncate divides by 2^Shift with rounding; Bits in, Bits-Shift (or more) out.
type Truncate struct {
	From, Shift, To int
	Exact           bool `cbor:",omitempty"`
}

// Compare says how a sign is computed: on bits [Lo, Hi) of an element of
// Z_2^Bits. Hi < Bits drops high bits (the value is known to fit), Lo > 0 drops
// low bits (the sign may be wrong for 0 <= x < 2^Lo only).
type Compare struct {
	Bits, Lo, Hi int
	Leaf         int  // leaf radix in bits: 1, 2 or 4
	Ripple       bool `cbor:",omitempty"` // one AND a bit instead of a log-depth tree

	ExtendTo   int   `cbor:",omitempty"` // relu: also give the result in Z_2^ExtendTo as Out[1] (or as the only output)
	ServerFlip bool  `cbor:",omitempty"` // the server holds one sign a channel and flips its share of the bit
	Min, Max   int64 `cbor:",omitempty"` // clip bounds in ulp
	K          int   `cbor:",omitempty"` // argmax: top-k
	Pool       *Pool `cbor:",omitempty"` // max_pool
}

// Mul is an elementwise (M == 0) or matrix product of two shared tensors.
type Mul struct {
	Batch, M, K, N int
	Shift          int
}

// Func evaluates a table or spline; the parameters are public.
type Func struct {
	Name        string
	Alpha, Beta float64 `cbor:",omitempty"`
}
