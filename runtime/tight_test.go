package runtime

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/transport"
)

// tight leaves next to no room between the parties: stocks of one slab of correlated OTs
// and windows of one frame. Whatever can wait in a circle does.
func tight() Config {
	return Config{Threads: 2, Ahead: 1, Stall: 30 * time.Second, Transport: transport.Config{Window: 256 << 10}}
}

// anyStep draws a step of a protocol with about n elements.
func anyStep(t *testing.T, r *rand.Rand, proto plan.Proto, n int) stepCase {
	t.Helper()
	bits := []int{8, 16, 24}[r.IntN(3)]
	c := plan.Sign{Bits: bits, Hi: bits, Tree: wire.Tree{Leaf: 1 + r.IntN(4), Ripple: r.IntN(4) == 0, ClientChooses: r.IntN(2) == 0}}
	if c.Tree.Ripple || c.Tree.Leaf == 1 {
		c.Tree.ClientChooses = false
	}
	sc := stepCase{width: bits - 1, in: []plan.SlotType{vector(n, bits)}, out: []plan.SlotType{vector(n, bits)}}
	sc.step = plan.Step{Proto: proto}
	switch proto {
	case plan.ProtoRelu:
		sc.step.Attrs = &plan.Relu{Sign: c}
	case plan.ProtoClip:
		sc.step.Attrs = &plan.Clip{Sign: c, Min: -1 << (bits - 4), Max: 1 << (bits - 3)}
	case plan.ProtoExtend:
		sc.step.Attrs = &plan.Extend{From: bits, To: bits + 9}
		sc.out[0].Bits = bits + 9
	case plan.ProtoTruncate:
		sc.step.Attrs = &plan.Truncate{From: bits, Shift: bits / 2, To: bits - bits/2, Exact: r.IntN(2) == 0}
		sc.out[0].Bits = bits - bits/2
	case plan.ProtoMul:
		sc.width = bits / 2
		sc.in = append(sc.in, sc.in[0])
		sc.step.Attrs = &plan.Mul{}
	case plan.ProtoPRelu:
		sc.width = bits - 2
		sc.in[0].Bits, sc.out[0].Bits = bits+6, bits+6
		c = plan.Sign{Bits: bits + 6, Hi: bits, Tree: wire.Tree{Leaf: 2}}
		sc.step.Attrs, sc.weights = &plan.PRelu{Sign: c, SlopeFrac: 5, Spread: plan.Spread{Channels: n, Inner: 1}}, given{"/slope": make([]int64, n)}
		for i := range n {
			sc.weights["/slope"][i] = int64(i*37%127 - 63)
		}
	case plan.ProtoMaxPool:
		side := int(math.Sqrt(float64(n)))/2*2 + 2
		g := plan.Pool{C: 1, H: side, W: side, OH: side / 2, OW: side / 2, KH: 2, KW: 2, SH: 2, SW: 2, DH: 1, DW: 1}
		sc.step.Attrs = &plan.MaxPool{Sign: c, Pool: g}
		sc.in[0], sc.out[0] = vector(side*side, bits), vector(side*side/4, bits)
	case plan.ProtoArgMax:
		n = min(n, 3000)
		sc.step.Attrs = &plan.ArgMax{Sign: c, K: 3}
		sc.in[0], sc.out[0] = vector(n, bits), vector(3, 13)
	case plan.ProtoFunc:
		sc.in[0].Bits, sc.in[0].Frac, sc.out[0].Bits, sc.out[0].Frac = 14, 8, 14, 12
		sc.width = 13
		spline, err := choose.FitSpline(math.Tanh, sc.in[0], sc.out[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		sc.step.Attrs = &plan.Func{Name: "tanh", Spline: spline}
	case plan.ProtoLinearOT:
		l := conv(1, 1, 1+n/200, 40, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
		l.InBits, l.Shift, l.OutBits = 28, 12, 16
		in := otInstance(l, 9, 1, r.Uint64())
		sc.in[0], sc.out[0], sc.width = vector(l.NumIn(), 28), vector(l.NumOut(), 16), 8
		sc.step.Attrs, sc.weights = in.step.Attrs, given{"/w": in.w["L/w"], "/b": in.w["L/b"]}
	default:
		t.Fatalf("no step of protocol %s", proto)
	}
	return sc
}

// planOf makes a plan of steps that start in one round; it gives weights and inputs too.
func planOf(r *rand.Rand, cases []stepCase, kind plan.OTKind) (*plan.Plan, given, []Vec) {
	p := &plan.Plan{Version: plan.Version, Model: "tight", Reveal: plan.RevealValues, OT: plan.OT{ServerSends: kind, ClientSends: kind}}
	slot := func(t plan.SlotType) plan.Slot { p.Slots = append(p.Slots, t); return plan.Slot(len(p.Slots) - 1) }
	var rounds [3][]plan.Step
	for i := range cases {
		switch cases[i].step.Proto {
		case plan.ProtoLinearRLWE, plan.ProtoMulRLWE:
			p.Modulus = testModulus
		}
	}
	w, values := given{}, []Vec{}
	for i := range cases {
		sc := &cases[i]
		name := fmt.Sprint("s", i)
		s := sc.step
		s.Op, s.Name = string(s.Proto), name
		for j, t := range sc.in {
			x := slot(t)
			s.In = append(s.In, x)
			in := fmt.Sprint(name, "x", j)
			p.Inputs = append(p.Inputs, plan.Input{Name: in, Shape: t.Shape, Slot: x})
			rounds[0] = append(rounds[0], plan.Step{Proto: plan.ProtoInput, Op: "input", Name: in, Out: []plan.Slot{x}})
		}
		y := slot(sc.out[0])
		s.Out = []plan.Slot{y}
		if sc.weights != nil {
			s.W = name
			for k, v := range sc.weights {
				w[name+k] = v
			}
		}
		z := slot(sc.out[0])
		rounds[1] = append(rounds[1], s)
		rounds[2] = append(rounds[2], plan.Step{Proto: plan.ProtoReveal, Op: "output", Name: name, In: []plan.Slot{y}, Out: []plan.Slot{z}})
		p.Outputs = append(p.Outputs, plan.Output{Name: name, Shape: sc.out[0].Shape, Slot: z})
		values = append(values, sc.values(r)...)
	}
	p.Rounds = rounds[:]
	return p, w, values
}

// runTight runs a plan with next to no room and holds it to its ideal and its cost.
func runTight(t *testing.T, r *rand.Rand, cases []stepCase, kind plan.OTKind) {
	t.Helper()
	p, w, in := planOf(r, cases, kind)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	o := runBoth(t, p, p, w, in, tight())
	if err := errors.Join(o.serverErr, o.clientErr); err != nil {
		t.Fatal(err)
	}
	want, err := Ideal(p, w, in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range cases {
		slack := int64(0)
		if f := kernels()[cases[i].step.Proto].Slack; f != nil {
			slack = int64(f(&p.Rounds[1][i]))
		}
		bits := cases[i].out[0].Bits
		for j, y := range o.out[i] {
			if d := Signed(y-want[i][j], bits); d > slack || d < -slack {
				t.Fatalf("%s, element %d: got %d, want %d", cases[i].step.Proto, j, Signed(y, bits), Signed(want[i][j], bits))
			}
		}
	}
	sameCost(t, p, o)
}

// Every protocol, alone, on more elements than fit between the parties.
func TestEveryProtocolWithoutRoom(t *testing.T) {
	for proto := range nonlinearProtocols() {
		t.Run(string(proto), func(t *testing.T) {
			r := rand.New(rand.NewPCG(11, 1))
			runTight(t, r, []stepCase{anyStep(t, r, proto, 20_000)}, plan.OTKind{Kind: wire.SoftSpoken, K: 2})
		})
	}
	t.Run("linear_rlwe", func(t *testing.T) {
		p, w := smallPlan(t)
		if o := runBoth(t, p, p, w, []Vec{make(Vec, 16)}, tight()); o.serverErr != nil || o.clientErr != nil {
			t.Fatal(o.serverErr, o.clientErr)
		}
	})
}

// Random steps side by side, by all ways of making correlated OTs.
func TestRandomPlansWithoutRoom(t *testing.T) {
	kinds := []plan.OTKind{{Kind: wire.SoftSpoken, K: 2}, {Kind: wire.SoftSpoken, K: 8}, {Kind: wire.Ferret, Set: 10}}
	protos := slices.Sorted(maps.Keys(nonlinearProtocols()))
	times, most := 3, 5_000
	if slow {
		times, most = 60, 60_000
	}
	for i := range times {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := rand.New(rand.NewPCG(12, uint64(i)))
			var cases []stepCase
			for range 1 + r.IntN(6) {
				cases = append(cases, anyStep(t, r, protos[r.IntN(len(protos))], 1+r.IntN(most)))
			}
			runTight(t, r, cases, kinds[i%len(kinds)])
		})
	}
}
