package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"secc.example/secc"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/transport"
)

// network is a compiled network of testdata with its cases.
type network struct {
	*passes.Result
	want  input.Spec
	cases [][]float32
	ort   [][]float32 // what onnxruntime gives for them
}

// loadNetwork compiles a network with formats from all its cases but the first.
func loadNetwork(t *testing.T, name string, f compileFlags) *network {
	t.Helper()
	dir := filepath.Join("../../testdata/models", name)
	var meta struct{ Scale, Shift []float64 }
	if err := json.Unmarshal(readTest(t, filepath.Join(dir, "meta.json")), &meta); err != nil {
		t.Fatal(err)
	}
	if f.preprocess = "raw"; meta.Scale != nil {
		f.preprocess = "scale=" + colons(meta.Scale) + ",shift=" + colons(meta.Shift)
	}
	f.profile = "loopback"
	o, err := f.options(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := new(network)
	o.Calibration = func(_ context.Context, specs []input.Spec) (*input.Set, error) {
		n.want = specs[0]
		pixels, err := input.Read(filepath.Join(dir, "images.u8"), n.want)
		if err != nil {
			return nil, err
		}
		n.cases, err = pixels.Cases(n.want)
		others := new(input.Set)
		for _, c := range n.cases[1:] {
			others.Cases = append(others.Cases, input.Case{c})
		}
		return others, err
	}
	m, err := secc.Import(t.Context(), readTest(t, filepath.Join(dir, "model.onnx")), o)
	if err != nil {
		t.Fatal(err)
	}
	outputs := readTest(t, filepath.Join(dir, "outputs.f32"))
	for per := len(outputs) / len(n.cases); len(outputs) > 0; outputs = outputs[per:] {
		n.ort = append(n.ort, floats(outputs[:per]))
	}
	if n.Result, err = passes.Compile(m.Graph, m.Options); err != nil {
		t.Fatal(err)
	}
	return n
}

func readTest(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// colons joins numbers as --preprocess wants them.
func colons(x []float64) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(x), "[]"), " ", ":")
}

func floats(b []byte) (x []float32) {
	for ; len(b) >= 4; b = b[4:] {
		x = append(x, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return x
}

// inMemory serves a compiler's weights without a file.
type inMemory map[string][]int64

func (m inMemory) Ints(name string, n int) ([]int64, error) {
	if len(m[name]) != n {
		return nil, errors.New("no tensor " + name)
	}
	return m[name], nil
}

func (n *network) memory() inMemory {
	m := inMemory{}
	for _, w := range n.Weights {
		m[w.Name] = w.Data
	}
	return m
}

// ideal is what the plan computes when every protocol is its functionality.
func (n *network) ideal(t *testing.T, i int) []runtime.Vec {
	t.Helper()
	in, err := runtime.Encode(n.Plan, [][]float32{n.cases[i]})
	if err != nil {
		t.Fatal(err)
	}
	out, err := runtime.Ideal(n.Plan, n.memory(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// secure runs both parties over TCP.
func (n *network) secure(t *testing.T, i int) (out []runtime.Vec, server, client *plan.Report) {
	t.Helper()
	in, err := runtime.Encode(n.Plan, [][]float32{n.cases[i]})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var cfg runtime.Config
	if i%2 == 1 { // next to no room between the parties: whatever can wait in a circle does
		cfg = runtime.Config{Ahead: 1, Stall: time.Minute, Transport: transport.Config{Window: 256 << 10}}
	}
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			server, err = runtime.Serve(t.Context(), c, n.Plan, n.memory(), cfg)
		}
		served <- err
	}()
	c, err := transport.Dial(t.Context(), l.Addr().String(), nil, transport.Link{})
	if err != nil {
		t.Fatal(err)
	}
	out, client, err = runtime.Run(t.Context(), c, n.Plan, in, cfg)
	if err := errors.Join(err, <-served); err != nil {
		t.Fatal(err)
	}
	return out, server, client
}

// A plan whose protocols are replaced by what they stand for computes what the
// graph means, to the bit. That tells errors of lowering from errors of protocols.
func TestPlanIsItsGraph(t *testing.T) {
	for _, name := range []string{"mnist_cntk_8", "resnet20_cifar10"} {
		for _, truncation := range []string{"stochastic", "exact"} {
			n := loadNetwork(t, name, compileFlags{truncation: truncation})
			for i := range 2 {
				sim, err := ir.Simulate(n.Fixed, []*num.Tensor{ir.NewReal(n.want.Shape, n.cases[i])}, ir.SimOptions{})
				if err != nil {
					t.Fatal(err)
				}
				out, err := runtime.Decode(n.Plan, n.ideal(t, i))
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(out[0].Values, sim.Outputs[0].Floats()) {
					t.Errorf("%s %s case %d: plan %v\ngraph %v", name, truncation, i, out[0].Values, sim.Outputs[0].Floats())
				}
			}
		}
	}
}

// The secure run gives the answer of onnxruntime, at the predicted cost.
func TestSecureRunOfWholeNetworks(t *testing.T) {
	for _, c := range []struct {
		name      string
		tolerance float64 // of the largest logit
	}{{"mnist_cntk_8", 0.01}, {"resnet20_cifar10", 0.02}} {
		n := loadNetwork(t, c.name, compileFlags{})
		for i := range 2 {
			values, server, client := n.secure(t, i)
			out, err := runtime.Decode(n.Plan, values)
			if err != nil {
				t.Fatal(err)
			}
			compareLogits(t, c.name, out[0].Values, n.ort[i], c.tolerance)
			for who, got := range map[string]*plan.Report{"server": server, "client": client} {
				compareCost(t, c.name+" "+who, n.Plan, got)
			}
		}
	}
}

func compareLogits(t *testing.T, name string, got, want []float32, tolerance float64) {
	t.Helper()
	top := func(x []float32) int { return slices.Index(x, slices.Max(x)) }
	if top(got) != top(want) {
		t.Errorf("%s: class %d, onnxruntime says %d", name, top(got), top(want))
	}
	diff, largest := 0.0, 0.0
	for i := range want {
		diff = max(diff, math.Abs(float64(got[i]-want[i])))
		largest = max(largest, math.Abs(float64(want[i])))
	}
	if diff > tolerance*largest {
		t.Errorf("%s: logits differ by %g, the largest is %g\n got %v\nwant %v", name, diff, largest, got, want)
	}
}

// compareCost holds every operator's bytes and rounds, and the set-up's, to the
// plan's prediction.
func compareCost(t *testing.T, who string, p *plan.Plan, got *plan.Report) {
	t.Helper()
	want, err := p.Cost()
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want.Operators {
		g := got.Operators[i]
		if g.ClientToServer != w.ClientToServer || g.ServerToClient != w.ServerToClient || g.Rounds != w.Rounds {
			t.Errorf("%s: %s %s: measured %d up, %d down, %d rounds; predicted %d, %d, %d", who, w.Protocol, w.Name,
				g.ClientToServer, g.ServerToClient, g.Rounds, w.ClientToServer, w.ServerToClient, w.Rounds)
		}
	}
	for phase, x := range map[string][2]plan.PhaseCost{"set-up": {got.Total.Setup, want.Total.Setup}, "online": {got.Total.Online, want.Total.Online}} {
		g, w := x[0], x[1]
		if g.ClientToServer != w.ClientToServer || g.ServerToClient != w.ServerToClient || g.Rounds != w.Rounds {
			t.Errorf("%s: %s: measured %d up, %d down, %d rounds; predicted %d, %d, %d", who, phase,
				g.ClientToServer, g.ServerToClient, g.Rounds, w.ClientToServer, w.ServerToClient, w.Rounds)
		}
	}
}

// In exact mode the secure run is the simulation, bit for bit.
func TestExactRunIsTheSimulation(t *testing.T) {
	n := loadNetwork(t, "mnist_cntk_8", compileFlags{truncation: "exact"})
	values, _, client := n.secure(t, 0)
	if want := n.ideal(t, 0); !slices.Equal(values[0], want[0]) {
		t.Errorf("secure %v\n ideal %v", values[0], want[0])
	}
	compareCost(t, "exact", n.Plan, client)
}
