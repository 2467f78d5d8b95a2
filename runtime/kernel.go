// Package runtime runs a plan between two parties: it opens a session, makes
// the keys and correlations that the plan counts, and then walks the plan's
// rounds in lock step with the peer.
//
// It knows plans, slots and shares. It knows nothing of ONNX, of the IR or of
// how the plan came about, and it never chooses: which protocol runs, in which
// format and in which order is written in the plan.
package runtime

import (
	"context"
	"fmt"
	"io"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/mpc/ot"
	"secc.example/secc/runtime/transport"
)

// Vec is one party's share of a slot (or, for Ideal, its value): one word an
// element, reduced to the slot's ring.
type Vec = []uint64

// Call is one execution of a step: the step, its operands, and the types of its
// slots. When equal steps of a round are merged, the operands are joined end to
// end and the shapes are flat; a kernel of an elementwise protocol takes the
// number of elements from its operands.
type Call struct {
	*plan.Step
	In       []Vec
	InTypes  []plan.SlotType
	OutTypes []plan.SlotType
}

// Out allocates the results of a call.
func (c *Call) Out() []Vec {
	out := make([]Vec, len(c.OutTypes))
	for i, t := range c.OutTypes {
		out[i] = make(Vec, t.N())
	}
	return out
}

// Kernel is what the runtime knows of one protocol.
type Kernel struct {
	// Ideal is the functionality on cleartext: what the shares must add up to.
	// Rounding is to nearest.
	Ideal func(c *Call, w Weights) ([]Vec, error)
	// Slack is the error in ulp that Run may add to Ideal; nil means none.
	Slack func(s *plan.Step) uint64
	// Run is one party's side of the protocol. It must leave nothing unsent.
	Run func(ctx context.Context, p *Party, c *Call) ([]Vec, error)
}

// Weights are the server's tensors. Names are a step's W plus a suffix.
type Weights interface {
	// Ints gives the named tensor of exactly n elements.
	Ints(name string, n int) ([]int64, error)
}

// Party is one side of a running call.
type Party struct {
	Role     transport.Role
	Conn     transport.Conn                  // the lane the call runs on
	Sender   nonlinear.Source[*ot.SendBatch] // correlated OTs that this party sends; nil if the plan needs none
	Receiver nonlinear.Source[*ot.RecvBatch] // those that it receives
	Linear   *linearEngine                   // keys of the linear steps; nil if the plan has none
	Weights  Weights                         // nil at the client
	Threads  int
	Rand     io.Reader

	Tape *nonlinear.Tape // of what the call takes of correlated OTs, recorded or played; nil: it takes them
	Made *madeCall       // of a prepared call; nil: nothing is

	Memory *nonlinear.Memory // of what a call uses in passing; nil: none is kept

	Finish *he.Finisher // of prepared products, at the server
	Share  Vec          // client: its share of the call's result, where that was drawn (plan.Step.Draws)
}

// crossing is the party as the protocols of comparisons and products know it.
func (p *Party) crossing() *nonlinear.Party {
	return &nonlinear.Party{Role: p.Role, Conn: p.Conn, Corr: nonlinear.From(p.Sender, p.Receiver), Tape: p.Tape, Rand: p.Rand, Share: p.Share, Memory: p.Memory}
}

// kernels is the table of all protocols. (A function: the tables of the
// families are joined here and nowhere else.)
func kernels() map[plan.Proto]Kernel {
	all := map[plan.Proto]Kernel{}
	for _, family := range []map[plan.Proto]Kernel{shareKernels(), nonlinearKernels(), linearKernels()} {
		for proto, k := range family {
			if _, twice := all[proto]; twice {
				panic(fmt.Sprintf("BUG: two kernels for %q", proto))
			}
			all[proto] = k
		}
	}
	return all
}

// mask is the largest element of Z_2^bits.
func mask(bits int) uint64 { return ^uint64(0) >> (64 - bits) }

// Signed reads an element of Z_2^bits as a signed number.
func Signed(x uint64, bits int) int64 { return int64(x<<(64-bits)) >> (64 - bits) }
