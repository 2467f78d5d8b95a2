package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/runtime"
)

// Whole networks with linear operators over OT, by Winograd's algorithm and
// without: the plan is its graph to the bit, the secure run gives onnxruntime's
// answer, at the predicted bytes; and Winograd's takes 0.45 of the direct
// convolutions' bytes at most, COTs included.
func TestSecureRunOverOT(t *testing.T) {
	for _, c := range []struct {
		name      string
		tolerance float64
	}{{"../../../shared/models/ezpc_lenet_mnist", 0.02}, {"resnet20_cifar10", 0.02}} {
		if _, err := os.Stat(filepath.Join("../../testdata/models", c.name)); err != nil {
			t.Logf("left out, it is not here: %s", c.name)
			continue
		}
		name := filepath.Base(c.name)
		bytes := map[string]float64{}
		for _, winograd := range []string{"off", "force"} {
			n := loadNetwork(t, c.name, compileFlags{linear: "ot", winograd: winograd})
			sim, err := ir.Simulate(n.Fixed, []*num.Tensor{ir.NewReal(n.want.Shape, n.cases[0])}, ir.SimOptions{})
			if err != nil {
				t.Fatal(err)
			}
			ideal, err := runtime.Decode(n.Plan, n.ideal(t, 0))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ideal[0].Values, sim.Outputs[0].Floats()) {
				t.Errorf("%s winograd=%s: plan %v\ngraph %v", name, winograd, ideal[0].Values, sim.Outputs[0].Floats())
			}
			if bytes[winograd] = tiledBytes(n.Plan); bytes[winograd] > 1<<30 && !slowTests {
				t.Logf("%s winograd=%s: run with -tags=slow only", name, winograd)
				continue
			}
			values, server, client := n.secure(t, 0)
			out, err := runtime.Decode(n.Plan, values)
			if err != nil {
				t.Fatal(err)
			}
			compareLogits(t, name+" winograd="+winograd, out[0].Values, n.ort[0], c.tolerance)
			compareCost(t, name+" server", n.Plan, server)
			compareCost(t, name+" client", n.Plan, client)
		}
		ratio := bytes["force"] / bytes["off"]
		t.Logf("%s: layers that can be tiled: direct %.1f MiB, Winograd %.1f MiB, ratio %.3f", name, bytes["off"]/(1<<20), bytes["force"]/(1<<20), ratio)
		if name == "resnet20_cifar10" && ratio > 0.45 {
			t.Errorf("%s: Winograd takes %.3f of the bytes", name, ratio)
		}
	}
}

// tiledBytes sums the bytes of the 3x3 and 5x5 convolutions of stride 1, done
// either way, and of their COTs: the share of the session's that they use.
func tiledBytes(p *plan.Plan) (sum float64) {
	cots := p.COTs()
	setup := p.OT.Cost(cots)
	perCOT := float64(setup.Stream.ToServer()+setup.Stream.ToClient()) / float64(cots.ServerSends+cots.ClientSends)
	for _, s := range p.Steps() {
		l, ok := s.Attrs.(*plan.Linear)
		if !ok || s.Proto != plan.ProtoLinearOT {
			continue
		}
		tiled := l.G > 1 && l.KH == 1 && l.Shift == 0
		direct := l.G == 1 && l.KH >= 3 && l.SH == 1 && l.SW == 1
		if tiled || direct {
			c := l.CostOT()
			sum += float64(c.ToServer()+c.ToClient()) + perCOT*float64(c.COTs.ClientSends)
		}
	}
	return sum
}

// With exact rounding a run over OT, transforms and all, is the simulation bit for bit.
func TestExactRunOverOTIsTheSimulation(t *testing.T) {
	n := loadNetwork(t, "mnist_cntk_8", compileFlags{truncation: "exact", linear: "ot", winograd: "force"})
	values, _, client := n.secure(t, 0)
	if want := n.ideal(t, 0); !slices.Equal(values[0], want[0]) {
		t.Errorf("secure %v\n ideal %v", values[0], want[0])
	}
	if !slices.ContainsFunc(n.Fixed.Values, func(v *ir.Value) bool { return v.Op == ir.OpTileIn }) {
		t.Error("no convolution was tiled")
	}
	compareCost(t, "exact", n.Plan, client)
}
