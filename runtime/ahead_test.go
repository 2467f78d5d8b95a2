package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"testing"
	"time"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/transport"
)

// runAhead is runMany of a session whose inferences are prepared, a few ahead.
func runAhead(t *testing.T, g *Program, w Weights, inputs [][]Vec, ahead int, answer func(i int, out []Vec)) (each [2]*plan.Report) {
	t.Helper()
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() {
		r, err := g.Serve(t.Context(), a, w, Config{Threads: 1, Prepare: ahead + 1})
		each[transport.Server] = r
		served <- err
	}()
	r, err := g.RunMany(t.Context(), b, Inferences{
		N:      len(inputs),
		Input:  func(i int) ([]Vec, error) { return inputs[i], nil },
		Answer: func(i int, out []Vec, _ *plan.Report) error { answer(i, out); return nil },
	}, Config{Threads: 1, Prepare: ahead})
	if err := errors.Join(err, <-served); err != nil {
		t.Fatal(err)
	}
	each[transport.Client] = r
	return each
}

// sameSession holds what both parties measured of a prepared session to the plan's prediction.
func sameSession(t *testing.T, p *plan.Plan, n int, each [2]*plan.Report) {
	t.Helper()
	want, err := p.PreparedCost(n)
	if err != nil {
		t.Fatal(err)
	}
	for who, got := range each {
		for i, op := range want.Operators {
			m := got.Operators[i]
			if m.ClientToServer != op.ClientToServer || m.ServerToClient != op.ServerToClient || m.Rounds != op.Rounds || m.COTs != op.COTs {
				t.Errorf("party %d, call %d (%s %s): measured %d up, %d down, %d rounds, %d OTs; predicted %d, %d, %d, %d", who, i, op.Protocol, op.Name,
					m.ClientToServer, m.ServerToClient, m.Rounds, m.COTs, op.ClientToServer, op.ServerToClient, op.Rounds, op.COTs)
			}
		}
		a, b := got.Total, want.Total
		if a.Bytes != b.Bytes || a.Rounds != b.Rounds || a.Prepared.ClientToServer != b.Prepared.ClientToServer ||
			a.Prepared.ServerToClient != b.Prepared.ServerToClient || a.Prepared.Rounds != b.Prepared.Rounds {
			t.Errorf("party %d: measured %d bytes, %d rounds, prepared %+v; predicted %d, %d, %+v", who, a.Bytes, a.Rounds, *a.Prepared, b.Bytes, b.Rounds, *b.Prepared)
		}
	}
}

// A prepared session gives what one in one phase gives, and sends what the plan says.
func TestPreparedSmallPlan(t *testing.T) {
	p, w := smallPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]int{{1, 1}, {3, 1}, {3, 2}, {2, 5}} {
		var inputs [][]Vec
		for k := range c[0] {
			in := make(Vec, 16)
			for i := range in {
				in[i] = uint64(i*137-900+k*211) & mask(20)
			}
			inputs = append(inputs, []Vec{in})
		}
		got := make([][]Vec, c[0])
		each := runAhead(t, g, w, inputs, c[1], func(i int, out []Vec) { got[i] = out })
		for k := range inputs {
			want, err := Ideal(p, w, inputs[k])
			if err != nil {
				t.Fatal(err)
			}
			for i, x := range want[0] {
				if d := Signed(got[k][0][i]-x, 14); d < -1 || d > 1 {
					t.Errorf("%v, inference %d, element %d: %d, want %d", c, k, i, Signed(got[k][0][i], 14), Signed(x, 14))
				}
			}
		}
		sameSession(t, p, c[0], each)
	}
}

// A session that has ended holds nothing that the collector would have to make allowance for.
func TestPreparedRunsAreLetGo(t *testing.T) {
	percent := func() int {
		p := debug.SetGCPercent(-1)
		debug.SetGCPercent(p)
		return p
	}
	p, w, in := transcriptPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	before, during := percent(), 0
	runAhead(t, g, w, [][]Vec{in, in, in}, 2, func(int, []Vec) { during = percent() })
	if after := percent(); after != before || during >= before {
		t.Errorf("the collector is told %d %%, with prepared runs %d, afterwards %d", before, during, after)
	}
}

// Every protocol, prepared, is its functionality and costs what the plan says.
func TestPreparedProtocols(t *testing.T) {
	for _, proto := range plan.Protos() {
		row, _ := plan.Lookup(proto)
		if row.Local || proto == plan.ProtoReveal {
			continue
		}
		t.Run(string(proto), func(t *testing.T) {
			r := rand.New(rand.NewPCG(77, uint64(len(proto))))
			var cases []stepCase
			for range 3 {
				cases = append(cases, stepOf(t, r, proto))
			}
			p, w, in := planOf(r, cases, plan.OTKind{Kind: wire.SoftSpoken, K: 2})
			g, err := Prepare(p)
			if err != nil {
				t.Fatal(err)
			}
			var got []Vec
			each := runAhead(t, g, w, [][]Vec{in}, 1, func(_ int, out []Vec) { got = out })
			want, err := Ideal(p, w, in)
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range cases {
				if err := within(g, &c, got[i], want[i]); err != nil {
					t.Errorf("case %d: %v", i, err)
				}
			}
			sameSession(t, p, 1, each)
		})
	}
}

func within(g *Program, c *stepCase, got, want Vec) error {
	slack := uint64(0)
	if s := g.table[c.step.Proto].Slack; s != nil {
		slack = s(&c.step)
	}
	bits := c.out[0].Bits
	for k := range want {
		if d := Signed(got[k]-want[k], bits); d > int64(slack) || d < -int64(slack) {
			return fmt.Errorf("element %d: %d, want %d, off by at most %d", k, Signed(got[k], bits), Signed(want[k], bits), slack)
		}
	}
	return nil
}

// forkedPlan: a convolution whose result goes two ways: compared, widened and multiplied twice
// (once exactly, once over OT), and multiplied as it is; the two products of one tensor are
// added up. So there are slots of every kind: drawn, fixed by a product, read twice.
func forkedPlan(t *testing.T, c plan.Relu) (*plan.Plan, given) {
	t.Helper()
	const wide = 20
	narrow := c.Bits
	w := given{}
	r := rand.New(rand.NewPCG(5, 6))
	linear := func(name string, l plan.Linear) *plan.Linear {
		l.Batch, l.G, l.CIn, l.COut, l.H, l.W, l.OH, l.OW = 1, 1, 2, 2, 4, 4, 4, 4
		l.KH, l.KW, l.SH, l.SW, l.DH, l.DW, l.PT, l.PL, l.NormLog2 = 3, 3, 1, 1, 1, 1, 1, 1, 5
		for range l.NumWeights() {
			w[name+"/w"] = append(w[name+"/w"], int64(r.IntN(7)-3))
		}
		w[name+"/b"] = []int64{int64(r.IntN(50)), -int64(r.IntN(50))}
		if err := (choose.Search{Profile: choose.Profile{Bandwidth: 1e9, RTT: time.Millisecond, UnitNanos: plan.DefaultUnits()}}).Packing(&l); err != nil {
			t.Fatal(err)
		}
		return &l
	}
	p := &plan.Plan{Version: plan.Version, Model: "forked", Reveal: plan.RevealValues, Modulus: testModulus}
	slot := func(bits int) plan.Slot {
		p.Slots = append(p.Slots, plan.SlotType{Shape: []int{1, 2, 4, 4}, Bits: bits})
		return plan.Slot(len(p.Slots) - 1)
	}
	step := func(proto plan.Proto, name string, in []plan.Slot, bits int) plan.Step {
		return plan.Step{Proto: proto, Op: string(proto), Name: name, In: in, Out: []plan.Slot{slot(bits)}}
	}
	x := step(plan.ProtoInput, "x", nil, wide)
	conv := func(proto plan.Proto, name string, in plan.Slot, l plan.Linear) plan.Step {
		s := step(proto, name, []plan.Slot{in}, l.OutBits)
		op := linear(name, l)
		if proto == plan.ProtoLinearOT {
			op = op.AsOT(plan.DigitsOf(w[name+"/w"], 1, l.InBits))
		}
		s.W, s.Attrs = name, op
		return s
	}
	first := conv(plan.ProtoLinearRLWE, "a", x.Out[0], plan.Linear{InBits: wide, Shift: wide - narrow, OutBits: narrow, ClientInput: true})
	after := conv(plan.ProtoLinearRLWE, "d", first.Out[0], plan.Linear{InBits: narrow, Shift: 2, OutBits: narrow - 2})
	bits := narrow
	if c.ExtendTo > 0 {
		bits = c.ExtendTo
	}
	relu := step(plan.ProtoRelu, "r", first.Out, bits)
	relu.Attrs = &c
	rounds := [][]plan.Step{{x, first}, {after, relu}}
	at := relu.Out[0]
	if bits < wide {
		e := step(plan.ProtoExtend, "e", []plan.Slot{at}, wide)
		e.Attrs = &plan.Extend{From: bits, To: wide, NonNeg: true}
		rounds, at = append(rounds, []plan.Step{e}), e.Out[0]
	}
	exact := conv(plan.ProtoLinearRLWE, "b", at, plan.Linear{InBits: wide, Shift: wide - narrow, OutBits: narrow, Exact: true})
	overOT := conv(plan.ProtoLinearOT, "c", at, plan.Linear{InBits: wide, Shift: wide - narrow, OutBits: narrow})
	sum := step(plan.ProtoAffine, "s", []plan.Slot{exact.Out[0], overOT.Out[0]}, narrow)
	sum.Attrs = &plan.Affine{Coef: []int64{1, 1}}
	reveal := func(in plan.Slot, name string) plan.Step {
		s := step(plan.ProtoReveal, name, []plan.Slot{in}, p.Slots[in].Bits)
		p.Outputs = append(p.Outputs, plan.Output{Name: name, Shape: p.Slots[in].Shape, Slot: s.Out[0]})
		return s
	}
	p.Rounds = append(rounds, []plan.Step{exact, overOT}, []plan.Step{sum, reveal(sum.Out[0], "sum"), reveal(after.Out[0], "after")})
	p.Inputs = []plan.Input{{Name: "x", Shape: []int{1, 2, 4, 4}, Slot: x.Out[0]}}
	kind := plan.OTKind{Kind: wire.SoftSpoken, K: 2}
	p.OT = plan.OT{ServerSends: kind, ClientSends: kind}
	return p, w
}

// Slots that are moved, fixed or read twice, and comparisons whose operand is known before the
// input: results, bytes, rounds and OTs are what the plan says, for all trees.
func TestPreparedForks(t *testing.T) {
	for _, c := range []struct {
		wire.Tree
		bits, to int
	}{
		{wire.Tree{Leaf: 1}, 14, 0}, {wire.Tree{Leaf: 2}, 8, 0}, {wire.Tree{Leaf: 3, Arity: 3}, 18, 0}, {wire.Tree{Leaf: 2, Arity: 3}, 14, 0},
		{wire.Tree{Leaf: 4, ClientChooses: true}, 18, 0}, {wire.Tree{Leaf: 2, Ripple: true}, 14, 0}, {wire.Tree{Leaf: 3}, 14, 20},
		{wire.Tree{Leaf: 2, Arity: 3, ClientChooses: true}, 18, 20}, {wire.Tree{Leaf: 5, Arity: 3}, 14, 20}, {wire.Tree{Leaf: 1}, 8, 20},
	} {
		t.Run(fmt.Sprintf("leaf %d arity %d ripple %v client %v, %d to %d", c.Leaf, c.Arity, c.Ripple, c.ClientChooses, c.bits, c.to), func(t *testing.T) {
			p, w := forkedPlan(t, plan.Relu{Sign: plan.Sign{Bits: c.bits, Hi: c.bits, Tree: c.Tree}, ExtendTo: c.to})
			g, err := Prepare(p)
			if err != nil {
				t.Fatal(err)
			}
			labelled := false
			for _, s := range g.inTwo.plan.Steps() {
				labelled = labelled || s.Draws()
			}
			if labelled != (c.bits < 17) { // three tables of five bits are the most that labels serve
				t.Errorf("%d bits compared with labels: %v", c.bits-1, labelled)
			}
			var inputs [][]Vec
			for k := range 2 {
				in := make(Vec, 32)
				for i := range in {
					in[i] = uint64(i*1137-16900+k*211) & mask(20)
				}
				inputs = append(inputs, []Vec{in})
			}
			got := make([][]Vec, 2)
			each := runAhead(t, g, w, inputs, 1, func(i int, out []Vec) { got[i] = out })
			for k, in := range inputs {
				want, err := Ideal(p, w, in)
				if err != nil {
					t.Fatal(err)
				}
				// An ulp of the first convolution reaches the others by their weights.
				for o, slack := range []int64{1 + reach(w["b/w"])>>(20-c.bits) + 1 + reach(w["c/w"])>>(20-c.bits) + 1, reach(w["d/w"])>>2 + 2} {
					for i, x := range want[o] {
						b := p.Slots[p.Outputs[o].Slot].Bits
						if d := Signed((got[k][o][i]-x)&mask(b), b); d < -slack || d > slack {
							t.Errorf("inference %d, output %d, element %d: %d, want %d", k, o, i, Signed(got[k][o][i], b), Signed(x, b))
						}
					}
				}
			}
			sameSession(t, p, 2, each)
		})
	}
}

// reach is the largest l1 norm of two filters.
func reach(w []int64) int64 {
	var sums [2]int64
	for i, v := range w {
		sums[2*i/len(w)] += max(v, -v)
	}
	return max(sums[0], sums[1])
}

// Where the operand of a comparison is known, its choices go ahead and the answers wait for
// nothing: two flights less where leaves are followed by two levels.
func TestKnownOperandsSaveFlights(t *testing.T) {
	p, _ := forkedPlan(t, plan.Relu{Sign: plan.Sign{Bits: 14, Hi: 14, Tree: wire.Tree{Leaf: 4}}, ExtendTo: 20})
	one, err := p.Cost()
	if err != nil {
		t.Fatal(err)
	}
	two, err := p.PreparedCost(1)
	if err != nil {
		t.Fatal(err)
	}
	a := p.NewAhead()
	known := 0
	for _, s := range a.Plan.Steps() {
		if s.KnownAhead() {
			known++
		}
	}
	if known != 1 || two.Total.Online.Rounds > one.Total.Online.Rounds-2 {
		t.Errorf("%d comparisons with a known operand; %d rounds online, %d in one phase", known, two.Total.Online.Rounds, one.Total.Online.Rounds)
	}
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	for n, store := 1, *two.Store; n < 4; n++ { // one in use, n that wait
		got, want := g.MemoryAhead(n), g.Memory()
		if got.Server < want.Server+int64(n+1)*store.Server || got.Client < want.Client+int64(n+1)*store.Client || store.Server == 0 {
			t.Errorf("%d ahead: %+v, without %+v, each %+v", n, got, want, store)
		}
	}
	for _, s := range p.Steps() {
		if s.KnownAhead() {
			t.Errorf("%s: the plan itself was changed", s.Name)
		}
	}
}

// moved runs a prepared session of two equal inferences and gives what the client sends first
// of each: the input under its mask.
func moved(t *testing.T, random func(transport.Role) io.Reader) (first, second []byte) {
	t.Helper()
	p, w := smallPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() {
		_, err := g.Serve(t.Context(), a, w, Config{Threads: 1, Prepare: 1, Rand: random(transport.Server)})
		served <- err
	}()
	var said recorded
	_, err = g.RunMany(t.Context(), tap{b, &said}, Inferences{
		N:      2,
		Input:  func(int) ([]Vec, error) { return []Vec{make(Vec, 16)}, nil },
		Answer: func(int, []Vec, *plan.Report) error { return nil },
	}, Config{Threads: 1, Prepare: 1, Rand: random(transport.Client)})
	if err := errors.Join(err, <-served); err != nil {
		t.Fatal(err)
	}
	channels, err := said.payloads()
	if err != nil {
		t.Fatal(err)
	}
	walk, n := channels[chanExec], int(p.MoveBytes(p.Inputs[0].Slot))
	half := len(walk) / 2
	return walk[:n], walk[half : half+n]
}

// Every inference has a mask of its own, and the test sees one that has not.
func TestMovesAreFresh(t *testing.T) {
	seeds := func(transport.Role) io.Reader { return nil }
	if a, b := moved(t, seeds); bytes.Equal(a, b) || bytes.Equal(a, make([]byte, len(a))) {
		t.Errorf("two inferences sent %x and %x", a, b)
	}
	again := func(r transport.Role) io.Reader { return fixed(r) }
	a, b := moved(t, again)
	if c, _ := moved(t, again); !bytes.Equal(a, c) {
		t.Errorf("a seed that comes back is not seen: %x and %x", a, c)
	}
	if bytes.Equal(a, b) {
		t.Errorf("two inferences of one seed sent %x", a)
	}
}

// What was prepared of a call is there once, whatever becomes of it.
func TestPreparedCallsAreTakenOnce(t *testing.T) {
	k := kept{calls: make([]keeps, 1)}
	k.calls[0] = keeps{share: k.place(1), tape: k.place(2)}
	run := storedRun(t, []byte{3, 1, 2})
	if _, err := newMade(run, &kept{size: 4}, transport.Server); err == nil {
		t.Error("a run of another length was taken")
	}
	m, err := newMade(run, &k, transport.Server)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := m.take(0); err != nil || !bytes.Equal(c.tape, []byte{1, 2}) || !bytes.Equal(c.share, []byte{3}) || c.early != nil {
		t.Errorf("got %+v, %v", c, err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a call's part was taken twice")
			}
		}()
		_, _ = m.take(0)
	}()
	if err := run.Spend(); err != nil {
		t.Fatal(err)
	}
	if m, err := newMade(run, &kept{calls: k.calls, size: 3}, transport.Server); err == nil {
		if _, err := m.take(0); err == nil {
			t.Error("a run that was spent was read")
		}
	}
	if err := nonlinear.Recorded([]byte{1}, nil).Done(); err == nil {
		t.Error("a tape of which something is left was played to its end")
	}
}

// A session that fails while it is prepared ends at both parties, and nothing is kept.
func TestPreparationFails(t *testing.T) {
	p, _ := smallPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() { _, err := g.Serve(t.Context(), a, testWeights{}, Config{Prepare: 2}); served <- err }()
	_, err = g.RunMany(t.Context(), b, Inferences{N: 2, Input: func(int) ([]Vec, error) { return []Vec{make(Vec, 16)}, nil }}, Config{Prepare: 2})
	if serverErr := <-served; serverErr == nil || !errors.Is(err, transport.ErrPeerFailed) {
		t.Errorf("server: %v, client: %v", serverErr, err)
	}
}
