package runtime

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"testing"

	"secc/backend/plan"
	"secc/runtime/transport"
)

// linearCase is an operator to run between two parties.
type linearCase struct {
	name string
	l    plan.Linear
	p    plan.CostProfile
}

// conv fills in the output size of a convolution with equal padding on all
// sides but for extra on the far ones.
func conv(batch, groups, cin, cout, h, w, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr int) plan.Linear {
	return plan.Linear{
		Batch: batch, G: groups, CIn: cin, COut: cout, H: h, W: w, KH: kh, KW: kw, SH: sh, SW: sw, DH: dh, DW: dw, PT: pt, PL: pl,
		OH: (h+pt+pb-(kh-1)*dh-1)/sh + 1, OW: (w+pl+pr-(kw-1)*dw-1)/sw + 1,
		InBits: 28, Shift: 12, OutBits: 16, NormLog2: 12,
	}
}

// profiles lead the search to different encodings.
func linearProfiles() map[string]plan.CostProfile {
	base := plan.CostProfile{BitsPerSecond: 1e8, Server: plan.DefaultUnits(), Client: plan.DefaultUnits(), MaxKeys: 4}
	tiled, one, slow := base, base, base
	tiled.MaxLevel = -1
	one.MaxLevel, one.MaxKeys = -1, 1
	slow.BitsPerSecond = 1e6
	return map[string]plan.CostProfile{"packed": base, "tiled": tiled, "one key": one, "slow": slow}
}

func (lc *linearCase) run(t *testing.T, threads int) {
	t.Helper()
	if err := plan.ChoosePacking(&lc.l, lc.p); err != nil {
		t.Fatal(err)
	}
	l := &lc.l
	r := mrand.New(mrand.NewPCG(1, 2))
	w := given{"L/w": make([]int64, l.NumWeights()), "L/b": make([]int64, l.COut)}
	bound := int64(float64(int64(1)<<l.NormLog2) / float64(l.FilterLen()+1))
	if bound < 1 {
		bound = 1
	}
	for i := range w["L/w"] {
		w["L/w"][i] = r.Int64N(2*bound+1) - bound
	}
	for i := range w["L/b"] {
		w["L/b"][i] = r.Int64N(1<<20) - 1<<19
	}
	if err := plan.CheckNoise(l, w["L/w"]); err != nil {
		t.Fatal(err)
	}
	x := make(Vec, l.NumIn())
	for i := range x {
		x[i] = uint64(r.Int64N(1<<14)-1<<13) & mask(l.InBits)
	}
	got, stats := runLinearBoth(t, l, x, w, threads)

	step := &plan.Step{Proto: plan.ProtoLinearRLWE, Linear: l, W: "L"}
	call := &Call{Step: step, In: []Vec{x}, OutTypes: []plan.SlotType{{Shape: []int{l.NumOut()}, Bits: l.OutBits}}}
	want, err := idealLinear(call, w)
	if err != nil {
		t.Fatal(err)
	}
	slack := int64(slackLinear(step))
	for i := range want[0] {
		if d := Signed((got[i]-want[0][i])&mask(l.OutBits), l.OutBits); d < -slack || d > slack {
			t.Fatalf("%+v: output %d is %d, want %d", l.Packing, i, Signed(got[i], l.OutBits), Signed(want[0][i], l.OutBits))
		}
	}
	k, err := plan.KeysOf([]*plan.Linear{l})
	if err != nil {
		t.Fatal(err)
	}
	set, cost := k.Cost(), l.Cost()
	if s := stats[0]; s.Sent != set.ToClient()+cost.ToClient() || s.Received != set.ToServer()+cost.ToServer() {
		t.Errorf("%+v: server sent %d and received %d bytes, predicted %d+%d and %d+%d", l.Packing, s.Sent, s.Received, set.ToClient(), cost.ToClient(), set.ToServer(), cost.ToServer())
	}
	depth := plan.Depth{}.After(set.Flights).After(cost.Flights)
	if stats[0].Rounds != depth.Server || stats[1].Rounds != depth.Client {
		t.Errorf("rounds %d and %d, predicted %+v", stats[0].Rounds, stats[1].Rounds, depth)
	}
}

// runLinearBoth shares x, runs both parties and adds up their results.
func runLinearBoth(t *testing.T, l *plan.Linear, x Vec, w Weights, threads int) (Vec, [2]transport.Stats) {
	t.Helper()
	r := mrand.New(mrand.NewPCG(3, 4))
	var in [2]Vec
	in[0], in[1] = make(Vec, len(x)), make(Vec, len(x))
	for i := range x {
		if !l.ClientInput {
			in[0][i] = r.Uint64() & mask(l.InBits)
		}
		in[1][i] = (x[i] - in[0][i]) & mask(l.InBits)
	}
	server, client := transport.Pipe()
	p := &plan.Plan{Rounds: [][]plan.Step{{{Proto: plan.ProtoLinearRLWE, Linear: l, W: "L"}}}}
	var out [2][]Vec
	errs := make(chan error, 2)
	party := func(role transport.Role, conn *transport.PipeConn) error {
		defer conn.Close()
		spec, err := linearKeys(p)
		if err != nil {
			return err
		}
		me := &Party{Role: role, Conn: conn, Threads: threads, Rand: rand.Reader}
		if role == transport.Server {
			me.Weights = w
		}
		if me.Linear, err = newLinearEngine(context.Background(), me, conn, spec); err != nil {
			return fmt.Errorf("%v: %w", role, err)
		}
		out[role], err = runLinear(context.Background(), me, &Call{Step: &p.Rounds[0][0], In: []Vec{in[role]}})
		return err
	}
	go func() { errs <- party(transport.Server, server) }()
	go func() { errs <- party(transport.Client, client) }()
	for range 2 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	sum := make(Vec, l.NumOut())
	for i := range sum {
		sum[i] = (out[0][0][i] + out[1][0][i]) & mask(l.OutBits)
	}
	return sum, [2]transport.Stats{server.Stats(), client.Stats()}
}

func linearShapes() map[string]plan.Linear {
	return map[string]plan.Linear{
		"1x1":               conv(1, 1, 40, 24, 14, 14, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"1x1 large":         conv(1, 1, 3, 5, 60, 60, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"1x1 stride 2":      conv(1, 1, 20, 12, 13, 13, 1, 1, 2, 2, 1, 1, 0, 0, 0, 0),
		"1x1 padded":        conv(1, 1, 5, 4, 5, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
		"1x1 batch":         conv(3, 1, 12, 9, 7, 7, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"3x3":               conv(1, 1, 16, 12, 14, 14, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"3x3 large":         conv(1, 1, 4, 3, 60, 60, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"3x3 unpadded":      conv(1, 1, 3, 4, 11, 9, 3, 3, 1, 1, 1, 1, 0, 0, 0, 0),
		"3x3 stride 2":      conv(1, 1, 6, 10, 15, 15, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1),
		"3x3 asymmetric":    conv(1, 1, 4, 4, 12, 12, 3, 3, 2, 2, 1, 1, 0, 0, 1, 1),
		"3x3 batch":         conv(2, 1, 5, 6, 9, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"3x3 on 1x1":        conv(1, 1, 33, 17, 1, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"5x5":               conv(1, 1, 4, 8, 12, 12, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2),
		"5x5 dilated":       conv(1, 1, 3, 4, 20, 20, 5, 5, 1, 1, 2, 2, 4, 4, 4, 4),
		"dilated, stride 2": conv(1, 1, 3, 4, 21, 19, 3, 3, 2, 2, 3, 3, 3, 3, 3, 3),
		"7x7 stride 2":      conv(1, 1, 3, 8, 56, 56, 7, 7, 2, 2, 1, 1, 3, 3, 3, 3),
		"1x7":               conv(1, 1, 4, 6, 10, 17, 1, 7, 1, 1, 1, 1, 0, 3, 0, 3),
		"groups":            conv(1, 4, 16, 24, 10, 10, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"1x1 groups":        conv(1, 3, 24, 18, 9, 9, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"depthwise":         conv(1, 20, 20, 20, 14, 14, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"depthwise stride":  conv(1, 9, 9, 18, 15, 15, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1),
		"matvec":            conv(1, 1, 700, 100, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"matmul":            conv(10, 1, 50, 30, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"one":               conv(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
	}
}

// The linear operators of all shapes in all encodings: shares add up to the
// ideal result within the slack, bytes and rounds are those predicted.
func TestLinearShapes(t *testing.T) {
	for name, l := range linearShapes() {
		for profile, p := range linearProfiles() {
			t.Run(name+"/"+profile, func(t *testing.T) {
				lc := linearCase{l: l, p: p}
				lc.run(t, 2)
				t.Logf("%s %+v", lc.l.Packing.Kind(), lc.l.Packing)
			})
		}
	}
}
