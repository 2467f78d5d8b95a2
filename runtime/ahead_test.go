package runtime

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
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
