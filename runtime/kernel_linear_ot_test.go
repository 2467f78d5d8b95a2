package runtime

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/mpc/ot"
	"secc.example/secc/runtime/transport"
)

// otShapes are convolutions of every kind.
func otShapes() map[string]plan.Linear {
	return map[string]plan.Linear{
		"3x3":         conv(1, 1, 3, 4, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"5x5":         conv(1, 1, 2, 3, 9, 7, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2),
		"1x1":         conv(1, 1, 5, 7, 6, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"strided":     conv(2, 1, 3, 4, 9, 9, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1),
		"dilated":     conv(1, 1, 2, 3, 11, 9, 3, 3, 1, 2, 2, 3, 2, 0, 1, 3),
		"grouped":     conv(1, 2, 6, 4, 5, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"depthwise":   conv(1, 8, 8, 8, 7, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"multiplier":  conv(1, 4, 4, 8, 6, 6, 3, 3, 2, 2, 1, 1, 0, 0, 1, 1),
		"matmul":      conv(5, 1, 33, 17, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"vector":      conv(1, 1, 300, 40, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"many pieces": conv(1, 1, 8, 12, 28, 28, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"one element": conv(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"far padding": conv(1, 1, 1, 2, 2, 2, 7, 7, 1, 1, 1, 1, 3, 3, 3, 3),
	}
}

// otInstance draws weights of some bits and states their digits.
func otInstance(l plan.Linear, bits, groups int, seed uint64) linearInstance {
	in := newLinearInstance(&l, seed)
	r := mrand.New(mrand.NewPCG(2, seed))
	for i := range in.w["L/w"] {
		in.w["L/w"][i] = r.Int64N(1<<bits) - 1<<(bits-1)
		if group := i * groups / len(in.w["L/w"]); group%2 == 1 {
			in.w["L/w"][i] <<= 2
		}
	}
	in.w["L/w"][0] = -1 << (bits - 1)
	in.step.Proto, in.step.Attrs = plan.ProtoLinearOT, l.AsOT(plan.DigitsOf(in.w["L/w"], groups, l.InBits))
	return in
}

// runOT runs one operator over OT between two parties, from a sharing of its
// input, and holds what was sent to the predicted cost.
func (in *linearInstance) runOT(t *testing.T, seed uint64) (Vec, mpctest.Counts) {
	t.Helper()
	l, r := in.step.Attrs.(*plan.Linear), mrand.New(mrand.NewPCG(3, seed))
	shares := mpctest.Share(r, in.x, l.InBits)
	slots := []plan.SlotType{vector(l.NumIn(), l.InBits), vector(l.NumOut(), l.OutBits)}
	in.step.In, in.step.Out = []plan.Slot{0}, []plan.Slot{1}
	p := &plan.Plan{Slots: slots}
	if err := in.step.Attrs.Legal(p, in.step); err != nil {
		t.Fatal(err)
	}
	var got [2]Vec
	pair := mpctest.NewPair(seed)
	err := pair.Run(func(ctx context.Context, role transport.Role) error {
		np := &nonlinear.Party{Role: role, Conn: pair.Conn[role], Corr: nonlinear.From(pair.Sources(role))}
		var w Weights
		if role == transport.Server {
			w = in.w
		}
		y, err := runLinearOT(ctx, np, &Call{Step: in.step, In: []Vec{shares[role]}, InTypes: slots[:1], OutTypes: slots[1:]}, w)
		if err == nil {
			got[role] = y[0]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	counts := pair.Counts()
	checkCost(t, in.step.Attrs.Cost(p, []*plan.Step{in.step}), counts)
	return mpctest.Open(got, l.OutBits), counts
}

func (in *linearInstance) checkOT(t *testing.T, seed uint64) mpctest.Counts {
	t.Helper()
	l := in.step.Attrs.(*plan.Linear)
	got, counts := in.runOT(t, seed)
	want, err := idealLinear(&Call{Step: in.step, In: []Vec{in.x}, InTypes: []plan.SlotType{vector(l.NumIn(), l.InBits)}, OutTypes: []plan.SlotType{vector(l.NumOut(), l.OutBits)}}, in.w)
	if err != nil {
		t.Fatal(err)
	}
	slack := int64(slackLinearOT(in.step))
	for i := range got {
		if d := Signed(got[i]-want[0][i], l.OutBits); d > slack || d < -slack {
			t.Fatalf("element %d is off by %d", i, d)
		}
	}
	return counts
}

func TestLinearOTIsItsIdealAndCost(t *testing.T) {
	for name, l := range otShapes() {
		for i, f := range []struct {
			in, shift, bits int
			exact           bool
		}{{28, 12, 9, false}, {28, 12, 9, true}, {30, 0, 1, false}, {33, 9, 14, false}, {40, 20, 7, true}, {12, 3, 12, false}, {60, 20, 23, false}} {
			t.Run(fmt.Sprintf("%s %+v", name, f), func(t *testing.T) {
				l := l
				l.InBits, l.Shift, l.OutBits, l.Exact = f.in, f.shift, f.in-f.shift, f.exact
				groups := 1
				if i%2 == 1 {
					groups = l.G
				}
				in := otInstance(l, f.bits, groups, uint64(i))
				in.checkOT(t, uint64(i))
			})
		}
	}
}

// An operator of more OTs than one wave takes.
func TestLinearOTInWaves(t *testing.T) {
	l := conv(1, 1, 1024, 512, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
	in := otInstance(l, 9, 1, 1)
	if c := in.checkOT(t, 1); c.Rounds != 4 {
		t.Errorf("%d rounds, want 4", c.Rounds)
	}
}

// Nothing that is sent has a length that depends on a value.
func TestLinearOTLengthsAreBlind(t *testing.T) {
	l := conv(1, 2, 4, 6, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1)
	in := otInstance(l, 9, 1, 1)
	_, first := in.runOT(t, 1)
	for _, v := range []int64{0, -1, 255, -256} {
		for i := range in.w["L/w"] {
			in.w["L/w"][i] = v
		}
		for i := range in.x {
			in.x[i] = uint64(v) & mask(l.InBits)
		}
		if _, c := in.runOT(t, 2); c != first {
			t.Errorf("all %d: %+v, before %+v", v, c, first)
		}
	}
}

// A server whose weights do not fit the plan is told so.
func TestLinearOTRefusesOtherDigits(t *testing.T) {
	l := conv(1, 1, 2, 2, 4, 4, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
	in := otInstance(l, 5, 1, 1)
	in.w["L/w"][1] = 16
	pair := mpctest.NewPair(1)
	server, _ := pair.RunBoth(func(ctx context.Context, role transport.Role) error {
		np := &nonlinear.Party{Role: role, Conn: pair.Conn[role], Corr: nonlinear.From(pair.Sources(role))}
		var w Weights
		if role == transport.Server {
			w = in.w
		}
		_, err := runLinearOT(ctx, np, &Call{Step: in.step, In: []Vec{in.x}}, w)
		return err
	})
	if server == nil {
		t.Error("weights of more digits than the plan says were accepted")
	}
}

// The bytes are those of the formula that the literature states for one cross
// term: d1*d2*(m + d3*(m*l - m(m-1)/2)) bits, but for padding and whole bytes.
func TestLinearOTBytesAreTheFormula(t *testing.T) {
	l := conv(1, 1, 16, 32, 32, 32, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
	l.OT = &plan.OverOT{Digits: []plan.BitRange{{Lo: 0, Hi: 9}}}
	c, m := l.CostOT(), 9
	bits := 16 * 32 * (m + 32*32*(m*l.InBits-m*(m-1)/2))
	if got := c.ToServer() + c.ToClient(); float64(got) > 1.001*float64(bits)/8 || got < int64(bits/8) {
		t.Errorf("%d bytes, the formula gives %d", got, bits/8)
	}
}

// With real OTs that are made only a little ahead of use, no party waits for a
// message while the other waits for OTs.
func TestLinearOTNeverWaitsInACircle(t *testing.T) {
	l := conv(1, 1, 1024, 256, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0) // more OTs than one iteration of Ferret gives
	in := otInstance(l, 9, 1, 1)
	total := in.step.Attrs.(*plan.Linear).CostOT().COTs.ClientSends
	pair := mpctest.NewPair(1)
	var made [2]*mpctest.PipeConn
	made[transport.Server], made[transport.Client] = mpctest.Pipe()
	cfg := ot.Config{Kind: wire.Ferret, Set: 10, Ahead: 1 << 14}
	var shares [2]Vec
	shares[0], shares[1] = make(Vec, len(in.x)), in.x
	var got [2]Vec
	err := pair.Run(func(ctx context.Context, role transport.Role) error {
		np := &nonlinear.Party{Role: role, Conn: pair.Conn[role]}
		var w Weights
		if role == transport.Server {
			r, err := ot.NewReceiver(ctx, made[role], cfg, total, rand.Reader)
			if err != nil {
				return err
			}
			defer r.Close()
			np.Corr, w = nonlinear.From[*ot.SendBatch, *ot.RecvBatch]((*ot.Sender)(nil), r), in.w
		} else {
			s, err := ot.NewSender(ctx, made[role], cfg, total, rand.Reader)
			if err != nil {
				return err
			}
			defer s.Close()
			np.Corr = nonlinear.From[*ot.SendBatch, *ot.RecvBatch](s, (*ot.Receiver)(nil))
		}
		y, err := runLinearOT(ctx, np, &Call{Step: in.step, In: []Vec{shares[role]}}, w)
		if err == nil {
			got[role] = y[0]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want, err := idealLinear(&Call{Step: in.step, In: []Vec{in.x}, OutTypes: []plan.SlotType{vector(l.NumOut(), l.OutBits)}}, in.w)
	if err != nil {
		t.Fatal(err)
	}
	for i, y := range mpctest.Open(got, l.OutBits) {
		if d := Signed(y-want[0][i], l.OutBits); d > 1 || d < -1 {
			t.Fatalf("element %d is off by %d", i, d)
		}
	}
}
