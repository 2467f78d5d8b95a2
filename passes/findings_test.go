package passes

import (
	"bytes"
	"math"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// Whoever holds the weights rewrites the network as its compiler did, without the
// calibration inputs, and can undo the factors of channels.
func TestRewriteByFindings(t *testing.T) {
	nets := networks()
	nets["outlier"] = func(b *builder) *ir.Value { return outlier(b, false) }
	for name, make := range nets {
		b := newBuilder(t)
		b.g.Outputs = []*ir.Value{make(b)}
		want := ""
		made, err := Compile(b.g, Options{Calibration: b.samples(16), Force: true, Trace: func(pass string, g *ir.Graph) {
			if pass == "equalise" {
				want = ir.Print(g)
			}
		}})
		if err != nil {
			t.Fatal(name, err)
		}
		found, err := ReadFindings(weightsFile(t, made))
		if err != nil || found == nil {
			t.Fatal(name, found, err)
		}
		r, err := Rewrite(b.g, Options{}, found)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := ir.Print(r.Graph); got != want {
			t.Errorf("%s: rewritten again it is\n%s\nit was\n%s", name, got, want)
		}
	}
}

func TestUndoGivesTheNetworksOwnNumbers(t *testing.T) {
	b := newBuilder(t)
	b.g.Outputs = []*ir.Value{outlier(b, false)}
	inputs := b.samples(16)
	r, err := Rewrite(b.g, Options{Calibration: inputs}, nil)
	if err != nil {
		t.Fatal(err)
	}
	relus := func(g *ir.Graph, undo func(*ir.Value, []float32)) (x []float32) {
		_, err := ir.Eval(g, inputs[0], ir.EvalOptions{Observe: func(v *ir.Value, y *num.Tensor) {
			if v.Op == ir.OpRelu {
				x = append([]float32{}, ir.Floats(y)...)
				undo(v, x)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	want := relus(b.g, func(*ir.Value, []float32) {})
	raised := relus(r.Graph, func(*ir.Value, []float32) {})
	got := relus(r.Graph, r.Undo)
	changed := false
	for i, x := range want {
		changed = changed || raised[i] != x
		if math.Abs(float64(got[i]-x)) > 1e-4 {
			t.Fatalf("element %d is %g, the network has %g", i, got[i], x)
		}
	}
	if !changed {
		t.Error("no channel was raised: the test shows nothing")
	}
}

// Findings of another network are refused, not misread.
func TestFindingsOfAnotherNetwork(t *testing.T) {
	b := newBuilder(t)
	b.g.Outputs = []*ir.Value{outlier(b, false)}
	if _, err := Rewrite(b.g, Options{}, Findings{"equalise": {1, 2}}); err == nil {
		t.Error("two factors for many channels were taken")
	}
}

func weightsFile(t *testing.T, made *Result) *plan.Weights {
	t.Helper()
	digest, err := made.Plan.Digest()
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := plan.WriteWeights(&buf, digest, made.Weights); err != nil {
		t.Fatal(err)
	}
	w, err := plan.OpenWeights(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return w
}
