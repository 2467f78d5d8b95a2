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
const Version = 4

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
	Profile string   `cbor:",omitempty"` // the network it was made for, as ParseLink reads it
	Maker   string   `cbor:",omitempty"` // version of the compiler

	Reveal  Reveal
	OT      OT     // how correlated OTs are made
	Modulus uint64 `cbor:",omitempty"` // Q of the encrypted linear steps, a prime; 0 where there are none

	known *figures // none: nothing is remembered
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

// Step is one protocol call.
type Step struct {
	Proto Proto
	Op    string // the IR operator it serves
	Name  string // the model's node name: the row of the cost table
	In    []Slot
	Out   []Slot
	W     string `cbor:",omitempty"` // prefix of the step's tensors in the weights file: W+"/w", W+"/b", ...

	Attrs Attrs // what else its protocol wants to know, of the kind that the table of protocols names; nil where that is nothing
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
