package runtime

import (
	"context"
	"errors"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/transport"
)

// localPlan: y = 3x + b + 7, b the server's, revealed.
func localPlan(public int64) *plan.Plan {
	t := plan.SlotType{Shape: []int{1, 5}, Bits: 12, Frac: 3}
	return &plan.Plan{
		Version: plan.Version, Model: "local", Slots: []plan.SlotType{t, t, t},
		Inputs: []plan.Input{{Name: "x", Shape: t.Shape, Slot: 0}},
		Rounds: [][]plan.Step{{
			{Proto: plan.ProtoInput, Op: "input", Name: "x", Out: []plan.Slot{0}},
			{
				Proto: plan.ProtoAffine, Op: "affine", Name: "y", In: []plan.Slot{0}, Out: []plan.Slot{1}, W: "y",
				Attrs: &plan.Affine{Coef: []int64{3}, Public: public, Server: true, Spread: plan.Spread{Channels: 5, Inner: 1}},
			},
			{Proto: plan.ProtoReveal, Op: "output", Name: "y", In: []plan.Slot{1}, Out: []plan.Slot{2}},
		}},
		Outputs: []plan.Output{{Name: "y", Shape: t.Shape, Slot: 2}}, Reveal: plan.RevealValues,
	}
}

type testWeights map[string][]int64

func (w testWeights) Ints(name string, n int) ([]int64, error) {
	if len(w[name]) != n {
		return nil, errors.New("no tensor " + name)
	}
	return w[name], nil
}

// outcome is what both parties of a session report.
type outcome struct {
	out                  []Vec
	server, client       *plan.Report
	serverErr, clientErr error
}

func runBoth(t testing.TB, ps, pc *plan.Plan, w Weights, in []Vec, cfg Config) (o outcome) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err == nil {
			o.server, err = Serve(t.Context(), c, ps, w, cfg)
		}
		o.serverErr = err
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	o.out, o.client, o.clientErr = Run(t.Context(), c, pc, in, cfg)
	<-done
	return o
}

func TestSessionLocalPlan(t *testing.T) {
	p, w := localPlan(7), testWeights{"y/b": {1, -2, 3, -4, 5}}
	in := []Vec{{0, 1, 2, 4095, 2048}}
	o := runBoth(t, p, p, w, in, Config{})
	if err := errors.Join(o.serverErr, o.clientErr); err != nil {
		t.Fatal(err)
	}
	want, err := Ideal(p, w, in)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.out[0], want[0]) || !slices.Equal(want[0], Vec{8, 8, 16, 0, 2060}) {
		t.Errorf("got %v, ideal %v", o.out[0], want[0])
	}
	sameCost(t, p, o)
}

// sameCost holds what both parties measured to the plan's prediction.
func sameCost(t testing.TB, p *plan.Plan, o outcome) {
	t.Helper()
	want, err := p.Cost()
	if err != nil {
		t.Fatal(err)
	}
	for who, got := range map[string]*plan.Report{"server": o.server, "client": o.client} {
		for i, op := range want.Operators {
			m := got.Operators[i]
			if m.ClientToServer != op.ClientToServer || m.ServerToClient != op.ServerToClient || m.Rounds != op.Rounds {
				t.Errorf("%s, call %d (%s %s): measured %d up, %d down, %d rounds; predicted %d, %d, %d", who, i, op.Protocol, op.Name,
					m.ClientToServer, m.ServerToClient, m.Rounds, op.ClientToServer, op.ServerToClient, op.Rounds)
			}
		}
	}
}

func TestSessionOtherPlan(t *testing.T) {
	o := runBoth(t, localPlan(7), localPlan(8), testWeights{}, []Vec{make(Vec, 5)}, Config{})
	for who, err := range map[string]error{"server": o.serverErr, "client": o.clientErr} {
		if !errors.Is(err, transport.ErrMismatch) {
			t.Errorf("%s: got %v, want a mismatch", who, err)
		}
	}
}

// A server that fails half way must not leave the client waiting.
func TestSessionServerFails(t *testing.T) {
	p := localPlan(7)
	o := runBoth(t, p, p, testWeights{}, []Vec{make(Vec, 5)}, Config{})
	if o.serverErr == nil || !errors.Is(o.clientErr, transport.ErrPeerFailed) {
		t.Errorf("server: %v, client: %v", o.serverErr, o.clientErr)
	}
}

func TestSessionPeerVanishes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			time.Sleep(10 * time.Millisecond)
			c.Close()
		}
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Serve(t.Context(), c, localPlan(7), testWeights{}, Config{}); !errors.Is(err, transport.ErrPeerClosed) {
		t.Errorf("got %v, want closed by peer", err)
	}
}

func TestSessionContext(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Serve(ctx, a, localPlan(7), testWeights{}, Config{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestEncodeDecode(t *testing.T) {
	p := localPlan(0)
	v, err := Encode(p, [][]float32{{0, 1.25, -0.0625, 1e9, -1e9}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Vec{0, 10, 4095, 2047, 2048}); !slices.Equal(v[0], want) {
		t.Errorf("encoded %v, want %v", v[0], want)
	}
	p.Outputs[0].Post = []plan.PostOp{{Op: "func", Name: "hard_sigmoid", Alpha: 1, Beta: 0.5}}
	out, err := Decode(p, []Vec{{0, 2, 4094, 100, 2048}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []float32{0.5, 0.75, 0.25, 1, 0}; !slices.Equal(out[0].Values, want) {
		t.Errorf("decoded %v, want %v", out[0].Values, want)
	}
}

// What Encode cuts, Clipped counts, to the last value that fits.
func TestClippedCountsWhatEncodeCuts(t *testing.T) {
	slot := plan.SlotType{Shape: []int{1}, Bits: 12, Frac: 3}
	p := &plan.Plan{Slots: []plan.SlotType{slot}, Inputs: []plan.Input{{Name: "x", Shape: slot.Shape}}}
	for _, x := range []float32{0, 1, 255.875, 255.9, 255.94, 256, 300, 511, -255.9, -256, -256.05, -256.1, -257, -511, -1e30, 1e30} {
		v, err := Encode(p, [][]float32{{x}})
		if err != nil {
			t.Fatal(err)
		}
		cut := math.Abs(float64(Signed(v[0][0], 12))/8-float64(x)) > 1.0/16
		if got := Clipped(p, [][]float32{{x}}); (len(got) == 1) != cut {
			t.Errorf("%g becomes %g: %q", x, float64(Signed(v[0][0], 12))/8, got)
		}
	}
}

// A session makes several inferences, each right, and what it sends and how often is what the
// plan says of so many.
func TestManyInferences(t *testing.T) {
	p, w := smallPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2, 5} {
		var inputs [][]Vec
		for k := range n {
			in := make(Vec, 16)
			for i := range in {
				in[i] = uint64(i*137-900+k*211) & mask(20)
			}
			inputs = append(inputs, []Vec{in})
		}
		got := make([][]Vec, n)
		each := runMany(t, g, w, inputs, func(i int, out []Vec) { got[i] = out })
		for k := range n {
			want, err := Ideal(p, w, inputs[k])
			if err != nil {
				t.Fatal(err)
			}
			for i, x := range want[0] {
				if d := Signed(got[k][0][i]-x, 14); d < -1 || d > 1 {
					t.Errorf("%d inferences, number %d, element %d: %d, want %d", n, k, i, Signed(got[k][0][i], 14), Signed(x, 14))
				}
			}
		}
		want, err := p.SessionCost(n)
		if err != nil {
			t.Fatal(err)
		}
		for who, all := range each {
			total := all[len(all)-1].Total
			if total.Bytes != want.Total.Bytes || total.Rounds != want.Total.Rounds || total.Online.COTs != want.Total.Online.COTs {
				t.Errorf("%d inferences, party %d: %d bytes, %d rounds, %d OTs; predicted %d, %d, %d", n, who,
					total.Bytes, total.Rounds, total.Online.COTs, want.Total.Bytes, want.Total.Rounds, want.Total.Online.COTs)
			}
			var online plan.PhaseCost
			for _, r := range all[:len(all)-1] {
				online.Add(r.Total.Online)
			}
			if o := total.Online; len(all) != n+1 || online.ClientToServer != o.ClientToServer || online.ServerToClient != o.ServerToClient || online.Rounds != o.Rounds {
				t.Errorf("party %d: %d reports of %d inferences sum to %+v, all together %+v", who, len(all), n, online, o)
			}
		}
	}
}

// runMany runs a session of several inferences and gives both parties' reports: of each
// inference, then of all.
func runMany(t *testing.T, g *Program, w Weights, inputs [][]Vec, answer func(i int, out []Vec)) (each [2][]*plan.Report) {
	t.Helper()
	a, b := net.Pipe()
	served := make(chan error, 1)
	cfg := func(role transport.Role) Config {
		return Config{Threads: 1, Done: func(r *plan.Report) { each[role] = append(each[role], r) }}
	}
	go func() {
		r, err := g.Serve(t.Context(), a, w, cfg(transport.Server))
		each[transport.Server] = append(each[transport.Server], r)
		served <- err
	}()
	r, err := g.RunMany(t.Context(), b, Inferences{
		N:      len(inputs),
		Input:  func(i int) ([]Vec, error) { return inputs[i], nil },
		Answer: func(i int, out []Vec, _ *plan.Report) error { answer(i, out); return nil },
	}, cfg(transport.Client))
	if err := errors.Join(err, <-served); err != nil {
		t.Fatal(err)
	}
	each[transport.Client] = append(each[transport.Client], r)
	return each
}

// A server takes no more inferences than a session may make, and no fewer than one.
func TestInferencesAreBounded(t *testing.T) {
	p, w := smallPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, -1, plan.MaxInferences + 1} {
		a, b := net.Pipe()
		go func() {
			m := transport.NewMux(t.Context(), b, transport.Config{Channels: numChannels})
			_, _ = hello(m.Channel(chanControl), transport.Client, g.digest, wish{inferences: n})
		}()
		if _, err := g.Serve(t.Context(), a, w, Config{}); !errors.Is(err, transport.ErrViolation) {
			t.Errorf("%d inferences: %v", n, err)
		}
		if _, err := g.RunMany(t.Context(), a, Inferences{N: n}, Config{}); err == nil {
			t.Errorf("%d inferences: none", n)
		}
	}
}

// The client encodes what the plan's head makes of its inputs, scaled; what is no number
// in the end is an error that names where it came about, and minus infinity is one where
// nothing raises it.
func TestEncodeComputesTheHead(t *testing.T) {
	slot := plan.SlotType{Shape: []int{2}, Bits: 16, Frac: 8}
	p := &plan.Plan{
		Slots:  []plan.SlotType{slot, slot},
		Inputs: []plan.Input{{Name: "x", Shape: slot.Shape, Slot: 0, Scaling: plan.Scaling{Min: -4}}},
		Head:   []plan.HeadOp{{Op: "func", Name: "log", Node: "l", In: []int{0}, Shape: slot.Shape}},
		Feeds:  []plan.Feed{{Value: 1, Slot: 1, Scaling: plan.Scaling{Shift: []int{1}, Inner: 2}}},
	}
	got, err := Encode(p, [][]float32{{1, 8}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Vec{{256, 2048}, {0, uint64(math.Round(512 * math.Log(8)))}}; !slices.EqualFunc(got, want, slices.Equal[Vec]) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, err := Encode(p, [][]float32{{1, 0}}); err == nil || !strings.Contains(err.Error(), `node "l": element 1 is -Inf`) {
		t.Errorf("a logarithm of nothing: %v", err)
	}
	p.Head, p.Feeds, p.Slots = nil, nil, p.Slots[:1]
	if got, err = Encode(p, [][]float32{{1, float32(math.Inf(-1))}}); err != nil || Signed(got[0][1], 16) != -4*256 {
		t.Errorf("a mask's minus infinity: %v, %v", got, err)
	}
	p.Inputs[0].Min = 0
	if _, err := Encode(p, [][]float32{{1, float32(math.Inf(-1))}}); err == nil || !strings.Contains(err.Error(), `input "x": element 1 is -Inf`) {
		t.Errorf("minus infinity that nothing raises: %v", err)
	}
}

// A session is refused that would run out of uniform polynomials.
func TestSessionsHaveTurnsEnough(t *testing.T) {
	linear := plan.Step{Proto: plan.ProtoLinearRLWE, Attrs: &plan.Linear{}}
	g := &Program{plan: &plan.Plan{Rounds: [][]plan.Step{slices.Repeat([]plan.Step{linear}, he.MaxTurns/plan.MaxInferences+1)}}}
	if !g.possible(1) || !g.possible(plan.MaxInferences-8) {
		t.Error("refused with turns enough")
	}
	if g.possible(plan.MaxInferences) {
		t.Error("a session of more operators than there are turns")
	}
}
