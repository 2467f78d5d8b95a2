// Package plan is the contract between compiler and runtime: a Plan says, step
// by step, what the two parties do, in which formats, with which protocol and
// how many bytes that takes. A plan is public; it holds no weight and no input.
//
// It knows nothing of ONNX, of the IR, or of how a protocol is computed.
package plan

import (
	"iter"
	"math"

	"secc.example/secc/backend/plan/wire"
)

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

// Version is the plan format this package writes and reads.
const Version = 2

// Plan is everything both parties agree on before they start. Its digest
// (codec.go) is the first thing they compare.
//
// Rounds run one after the other. The interactive steps of a round do not
// depend on each other. A round runs as the batches that Batches gives, side by side
// as far as Waves says. Local steps stand first in the round that needs them.
type Plan struct {
	Version int
	Model   string
	Inputs  []Input
	Head    []HeadOp `cbor:",omitempty"` // what the client computes of them itself
	Feeds   []Feed   `cbor:",omitempty"` // and gives to the network
	Slots   []SlotType
	Rounds  [][]Step
	Outputs []Output
	Labels  []string `cbor:",omitempty"`
	Profile string   `cbor:",omitempty"` // the network it was made for, as choose.ParseProfile reads it

	Reveal  Reveal
	OT      OT     // how correlated OTs are made
	Modulus uint64 `cbor:",omitempty"` // Q of the encrypted linear steps, a prime; 0 where there are none

	known figures // set by Validate
}

// Input is one tensor that the client brings. The client encodes x, scaled, as
// round(x * 2^Frac) in the ring of the slot that the input step fills.
type Input struct {
	Name       string
	Shape      []int
	Slot       Slot // the slot that ProtoInput fills; HeadOnly if only the head reads it
	Preprocess Preprocess
	Scaling
	Seen *Seen `cbor:",omitempty"`
}

// N is the number of elements.
func (in *Input) N() int { return SlotType{Shape: in.Shape}.N() }

// HeadOnly stands for the slot of an input that enters none.
const HeadOnly Slot = -1

// Scaling is what the client does to elements before it encodes them: it raises what
// lies below Min to Min (0: nothing) and multiplies element i by
// 2^Shift[i/Inner mod len(Shift)] (no Shift: by nothing).
type Scaling struct {
	Min   float64 `cbor:",omitempty"`
	Shift []int   `cbor:",omitempty"`
	Inner int     `cbor:",omitempty"`
}

// Seen are public figures of the calibration inputs, by which a client is warned
// of an input that is not like them.
type Seen struct {
	Inputs          int
	Min, Max        float64
	Mean, Deviation []float64 // of every channel, or of all together
	Colour          string    `cbor:",omitempty"` // "grey" or "colour" if all pictures were
}

// Scaled is element i as it is encoded, before it is rounded.
func (in *Scaling) Scaled(i int, x float32) float32 {
	if in.Min != 0 {
		x = max(x, float32(in.Min))
	}
	if n := len(in.Shift); n > 0 {
		x = float32(math.Ldexp(float64(x), in.Shift[i/in.Inner%n]))
	}
	return x
}

// Preprocess turns an image into the input tensor, by the client and in the
// clear: crop, resize (once or twice), cut out the middle, then x[c] = pixel[c]*Scale[c] + Shift[c] with pixels 0..255.
// An empty Preset means that only tensors are accepted.
type Preprocess struct {
	Preset string    `cbor:",omitempty"` // how the user asked for it: imagenet, unit, raw, custom
	Layout string    `cbor:",omitempty"` // nchw (default) or nhwc
	Colour string    `cbor:",omitempty"` // rgb, bgr or grey
	Crop   string    `cbor:",omitempty"` // square: the middle square is cut out first
	Via    int       `cbor:",omitempty"` // shorter side after a first resizing; 0: none
	Resize int       `cbor:",omitempty"` // shorter side after resizing, before the centre crop; 0: stretch to the input's size
	Range  int       `cbor:",omitempty"` // largest value of pixels of 16 bits; 0: 65535
	Scale  []float64 `cbor:",omitempty"`
	Shift  []float64 `cbor:",omitempty"`
}

// Output is one tensor the client gets. Slot is what ProtoReveal fills; the
// client decodes it (signed(x) / 2^Frac) and then applies Post in order, in the clear.
type Output struct {
	Name  string
	Shape []int // after Post
	Slot  Slot
	Post  []PostOp `cbor:",omitempty"`
}

// PostOp is a function the client evaluates itself on what was revealed to it.
// Op is "reshape" (to Shape), "transpose" (by Perm, to Shape), "softmax" or
// "log_softmax" (along Axis), or "func" (Name, Alpha, Beta as in Func).
type PostOp struct {
	Op          string
	Name        string  `cbor:",omitempty"`
	Shape       []int   `cbor:",omitempty"`
	Perm        []int   `cbor:",omitempty"`
	Axis        int     `cbor:",omitempty"`
	Alpha, Beta float64 `cbor:",omitempty"`
}

// Reveal says how much of the output the client learns.
type Reveal string

const (
	RevealValues Reveal = "values" // every output element
	RevealArgMax Reveal = "argmax" // the index of the largest
	RevealTopK   Reveal = "topk"   // the indices of the K largest, in order
)

// Steps visits the steps in execution order.
func (p *Plan) Steps() iter.Seq2[Place, *Step] {
	return func(yield func(Place, *Step) bool) {
		index := 0
		for r := range p.Rounds {
			for i := range p.Rounds[r] {
				if !yield(Place{r, i, index}, &p.Rounds[r][i]) {
					return
				}
				index++
			}
		}
	}
}

// Place says where a step stands: its round, its position there, and its index
// among all steps of the plan.
type Place struct{ Round, Position, Index int }

// COTs counts the correlated OTs that the whole plan takes.
func (p *Plan) COTs() (n COTs) {
	for _, call := range p.Calls() {
		c := p.CallCost(call).COTs
		n = n.add(c)
	}
	return n
}

// LinearKeys is what the plan's linear steps need in keys; without such steps N is 0.
func (p *Plan) LinearKeys() (wire.LinearKeys, error) {
	var ls []*Linear
	for _, s := range p.Steps() {
		ls = append(ls, p.Encrypted(s)...)
	}
	k, err := KeysOf(ls)
	k.Modulus = p.Modulus
	return k, err
}

// LastUse gives for every slot the index of the last step that reads or writes
// it; a slot is dead after that step unless an output reads it.
func (p *Plan) LastUse() []int {
	last := make([]int, len(p.Slots))
	for at, s := range p.Steps() {
		for _, x := range s.In {
			last[x] = at.Index
		}
		for _, x := range s.Out {
			last[x] = at.Index
		}
	}
	for _, o := range p.Outputs {
		last[o.Slot] = math.MaxInt
	}
	return last
}

// Step is one protocol call. Which of the attribute pointers is set follows
// from Proto (see protocols.go); the others are nil.
type Step struct {
	Proto Proto
	Op    string // the IR operator it serves
	Name  string // the model's node name: the row of the cost table
	In    []Slot
	Out   []Slot
	W     string `cbor:",omitempty"` // prefix of the step's tensors in the weights file: W+"/w", W+"/b", ...

	Copy     *Copy     `cbor:",omitempty"`
	Affine   *Affine   `cbor:",omitempty"`
	Pool     *Pool     `cbor:",omitempty"`
	Linear   *Linear   `cbor:",omitempty"`
	Extend   *Extend   `cbor:",omitempty"`
	Truncate *Truncate `cbor:",omitempty"`
	Compare  *Compare  `cbor:",omitempty"`
	Mul      *Mul      `cbor:",omitempty"`
	Func     *Func     `cbor:",omitempty"`
	Tiles    *Tiles    `cbor:",omitempty"`
}

// Proto names a protocol.
type Proto string

// The protocols. Local ones send nothing.
const (
	ProtoCopy    Proto = "copy"     // local: strided regions of the inputs onto a constant background
	ProtoAffine  Proto = "affine"   // local: sum_i Coef[i]*In[i] + public or server constant
	ProtoReduce  Proto = "reduce"   // local: Z_2^k -> Z_2^j, j < k
	ProtoSumPool Proto = "sum_pool" // local: windowed sums
	ProtoTiles   Proto = "tiles"    // local: integer maps of tiles (Winograd's transforms)

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
	ProtoMulRLWE    Proto = "mul_rlwe"    // secret matrix x secret matrix
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
	Server bool  `cbor:",omitempty"` // the server adds the vector W+"/b" of its weights, spread as Spread says
	Spread Spread
}

// Spread says how a short vector of the server's lies over a tensor: element i
// uses value (i / Inner) % Channels.
type Spread struct{ Channels, Inner int }

// At is the index of element i's value in the short vector.
func (v Spread) At(i int) int { return i / v.Inner % v.Channels }

// Pool is a 2-D window over NCHW (C is every leading dimension flattened).
type Pool struct {
	C, H, W, OH, OW        int
	KH, KW, SH, SW, DH, DW int
	PT, PL                 int // padding before; what lies outside is absent (max) or zero (sum)
}

// Extend widens a ring. NonNeg promises 0 <= x < 2^(k-1); otherwise |x| < 2^(k-2)
// and the offset form is used, unless Any.
type Extend struct {
	From, To int
	NonNeg   bool `cbor:",omitempty"`
	Any      bool `cbor:",omitempty"` // no promise at all: costs a comparison of From bits
	Leaf     int  `cbor:",omitempty"` // its leaf radix; 0 means 2
}

// Truncate divides by 2^Shift with rounding; Bits in, Bits-Shift (or more) out.
type Truncate struct {
	From, Shift, To int
	Exact           bool `cbor:",omitempty"` // faithful: one comparison of the low bits
	Leaf            int  `cbor:",omitempty"` // exact: leaf radix of the comparison; 0 means 2
}

// Compare says how a sign is computed: on bits [Lo, Hi) of an element of
// Z_2^Bits. Hi < Bits drops high bits (the value is known to fit), Lo > 0 drops
// low bits (the sign may be wrong for 0 <= x < 2^Lo only).
type Compare struct {
	Bits, Lo, Hi int
	Leaf         int  // leaf radix in bits, 1 to wire.MaxLeaf: fewer OTs or fewer bits
	Ripple       bool `cbor:",omitempty"` // one AND a bit instead of a log-depth tree
	Arity        int  `cbor:",omitempty"` // neighbours that a node of the tree joins: 2 (or 0) or 3, fewer flights

	// ClientChooses turns the leaves round: after a linear operator they end one
	// latency later, but several thresholds (clip) share the client's choices and OTs.
	ClientChooses bool `cbor:",omitempty"`

	prepared, known bool // of a plan of prepared inferences: see Ahead

	ExtendTo   int   `cbor:",omitempty"` // relu: the result is in Z_2^ExtendTo, wider than Bits; 0: in Z_2^Bits
	ServerFlip bool  `cbor:",omitempty"` // relu: x*[s*x >= 0]; the server flips its share of the bit where W+"/flip" is 1, spread as Spread says
	Min, Max   int64 `cbor:",omitempty"` // clip bounds in ulp
	K          int   `cbor:",omitempty"` // argmax: top-k
	SlopeFrac  int   `cbor:",omitempty"` // prelu: W+"/slope" holds slope * 2^SlopeFrac, -2 < slope <= 2; the result is 2^SlopeFrac times the real one in Z_2^Bits, less the bits that Out lacks (stochastic rounding), spread as Spread says
	Pool       *Pool `cbor:",omitempty"` // max_pool
	Spread     Spread
}

// Mul is an elementwise (M == 0) or matrix product of two shared tensors.
type Mul struct {
	Batch, M, K, N int
	Shift          int

	// Over RLWE only, where it is a matrix product:
	Exact bool    `cbor:",omitempty"` // never off by one, as an exact Linear
	Cross []Cross `cbor:",omitempty"` // how both cross terms are encoded: see product.go
}

// Func evaluates a function by its spline, or by lines that the top bits of the
// argument choose (Name and the parameters say which it was, for people); all of it
// is public.
type Func struct {
	Name        string
	Alpha, Beta float64    `cbor:",omitempty"`
	Spline      *Spline    `cbor:",omitempty"`
	Piecewise   *Piecewise `cbor:",omitempty"`
	Leaf        int        `cbor:",omitempty"` // leaf radix of a spline's comparisons; 0 means 2
}
