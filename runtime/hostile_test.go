package runtime

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/transport"
)

// testModulus is the largest prime of 50 bits that serves degrees up to 4096.
const testModulus = 1125899906826241

// smallPlan: a 3x3 convolution with bias, a relu, revealed. It uses every
// channel of a session.
func smallPlan(t testing.TB) (*plan.Plan, testWeights) {
	t.Helper()
	l := &plan.Linear{
		Batch: 1, G: 1, CIn: 1, COut: 2, H: 4, W: 4, OH: 4, OW: 4, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1,
		InBits: 20, Shift: 6, OutBits: 14, ClientInput: true, NormLog2: 6,
	}
	if err := (choose.Search{Profile: choose.Profile{Bandwidth: 1e9, RTT: time.Millisecond, UnitNanos: plan.DefaultUnits()}}).Packing(l); err != nil {
		t.Fatal(err)
	}
	in, out := plan.SlotType{Shape: []int{1, 1, 4, 4}, Bits: 20, Frac: 4}, plan.SlotType{Shape: []int{1, 2, 4, 4}, Bits: 14, Frac: 4}
	p := &plan.Plan{
		Version: plan.Version, Model: "small", Slots: []plan.SlotType{in, out, out, out},
		Inputs: []plan.Input{{Name: "x", Shape: in.Shape, Slot: 0}},
		Rounds: [][]plan.Step{
			{{Proto: plan.ProtoInput, Op: "input", Name: "x", Out: []plan.Slot{0}}, {Proto: plan.ProtoLinearRLWE, Op: "conv", Name: "c", In: []plan.Slot{0}, Out: []plan.Slot{1}, W: "c", Attrs: l}},
			{{Proto: plan.ProtoRelu, Op: "relu", Name: "r", In: []plan.Slot{1}, Out: []plan.Slot{2}, Attrs: &plan.Relu{Sign: plan.Sign{Bits: 14, Hi: 14, Tree: wire.Tree{Leaf: 2}}}}},
			{{Proto: plan.ProtoReveal, Op: "output", Name: "r", In: []plan.Slot{2}, Out: []plan.Slot{3}}},
		},
		Outputs: []plan.Output{{Name: "r", Shape: out.Shape, Slot: 3}}, Reveal: plan.RevealValues, Modulus: testModulus,
	}
	p.OT = plan.OT{ServerSends: plan.OTKind{Kind: wire.SoftSpoken, K: 2}, ClientSends: plan.OTKind{Kind: wire.SoftSpoken, K: 2}}
	return p, testWeights{"c/w": {1, -2, 3, 4, 5, -6, 7, 8, 9, -1, 2, -3, 4, -5, 6, -7, 8, -9}, "c/b": {100, -200}}
}

func TestSmallPlan(t *testing.T) {
	p, w := smallPlan(t)
	in := []Vec{make(Vec, 16)}
	for i := range in[0] {
		in[0][i] = uint64(i*137-900) & mask(20)
	}
	o := runBoth(t, p, p, w, in, Config{Threads: 2})
	if err := errors.Join(o.serverErr, o.clientErr); err != nil {
		t.Fatal(err)
	}
	want, err := Ideal(p, w, in)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range want[0] {
		if d := Signed(o.out[0][i]-x, 14); d < -1 || d > 1 {
			t.Errorf("element %d: %d, want %d", i, Signed(o.out[0][i], 14), Signed(x, 14))
		}
	}
	sameCost(t, p, o)
}

// hostile speaks the transport and says hello, then sends what it likes on
// every channel and takes in nothing.
func hostile(t testing.TB, conn net.Conn, role transport.Role, p *plan.Plan, channels [numChannels][]byte) *transport.Mux {
	t.Helper()
	digest, err := p.Digest()
	if err != nil {
		t.Fatal(err)
	}
	m := transport.NewMux(context.Background(), conn, transport.Config{Channels: numChannels})
	if _, err := hello(m.Channel(chanControl), role, digest, wish{inferences: int(role)}); err != nil { // a client wants one inference
		t.Fatal(err)
	}
	for i, b := range channels {
		c := m.Channel(i)
		if err := errors.Join(c.Send(b), c.Flush()); err != nil && m.Err() == nil {
			t.Error(err)
		}
	}
	return m
}

// attack runs one honest party against a hostile one, which leaves after 20 ms: the honest
// party may wait for more. A late one walks only when the other has left.
func attack(t testing.TB, honest transport.Role, late bool, channels [numChannels][]byte) error {
	t.Helper()
	p, w := smallPlan(t)
	a, b := net.Pipe()
	left := make(chan struct{})
	go func() {
		defer close(left)
		m := hostile(t, b, honest.Peer(), p, channels)
		time.Sleep(20 * time.Millisecond)
		m.Close()
	}()
	cfg := Config{}
	if late {
		cfg.Progress = func(Progress) { <-left }
	}
	var err error
	if honest == transport.Server {
		_, err = Serve(t.Context(), a, p, w, cfg)
	} else {
		_, _, err = Run(t.Context(), a, p, []Vec{make(Vec, 16)}, cfg)
	}
	<-left
	return err
}

// FuzzPeer: whatever a peer sends, the honest party ends with an error, and
// neither panics nor hangs.
func FuzzPeer(f *testing.F) {
	f.Add(false, []byte{0}, []byte{}, []byte{}, []byte{})
	f.Add(true, make([]byte, 20000), make([]byte, 9000), make([]byte, 9000), make([]byte, 30000))
	f.Add(false, []byte("exec"), make([]byte, 96), make([]byte, 4128), make([]byte, 13000))
	f.Fuzz(func(t *testing.T, client bool, exec, server, cot, control []byte) {
		honest := transport.Server
		if client {
			honest = transport.Client
		}
		if err := attack(t, honest, false, [numChannels][]byte{exec, server, cot, control}); err == nil {
			t.Error("no error")
		}
	})
}

func TestHostilePeer(t *testing.T) {
	ones := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = 0xff
		}
		return b
	}
	for _, honest := range []transport.Role{transport.Server, transport.Client} {
		for late, n := range map[bool]int{false: 1 << 16, true: 1 << 13} { // what the first windows take in: nobody reads on
			err := attack(t, honest, late, [numChannels][]byte{ones(n), ones(n), ones(n), ones(4 * n)})
			if !errors.Is(err, transport.ErrViolation) && !errors.Is(err, transport.ErrMismatch) { // an OT hello of ones is of another configuration
				t.Errorf("%v, late: %v: got %v, want a violation", honest, late, err)
			}
		}
	}
}
