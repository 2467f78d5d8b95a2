package onnx

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
)

// An import ends with what Stop says, whenever it says so, in a branch that is data too;
// it is asked for every initialiser, for every node in every iteration of a loop and for
// every constant that is computed.
func TestStopEndsImport(t *testing.T) {
	const trips = 5
	turn := body("i go a", "go b", nil, op("Neg", "a", "n"), op("Add", "n x", "b"))
	m := graphOf(16, value("x", 2),
		[]*onnxpb.Tensor{{Name: "trips", DataType: int32(Int64), Int64Data: []int64{trips}}, floats("k", []int64{2}, 1, 2)},
		op("Mul", "k k", "kk"),
		op("Loop", "trips  x", "h", carrying("body", turn)),
		op("If", "on", "z", carrying("then_branch", body("", "c", nil, op("Mul", "h kk", "c"))), carrying("else_branch", body("", "h", nil))),
		op("Add", "z kk", "y"))
	m.Graph.Input = append(m.Graph.Input, ofType("on", Bool))
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	asked, last := 0, 0
	enough := errors.New("enough")
	opts := Options{Stop: func() error {
		if asked++; last > 0 && asked >= last {
			return enough
		}
		return nil
	}}
	if _, err := Import(data, opts); err != nil {
		t.Fatal(err)
	}
	all, want := asked, 1+2+4+2*trips+1+1+1 // the file, initialisers, nodes, those of iterations, of the branch, the product k*k, the end
	if all < want {
		t.Errorf("asked %d times, want %d at least", all, want)
	}
	for last = 1; last <= all; last++ {
		asked = 0
		if _, err := Import(data, opts); !errors.Is(err, enough) {
			t.Errorf("stopped at %d of %d: %v", last, all, err)
		}
		if asked > last+2 { // the condition's other branch, the end
			t.Errorf("stopped at %d of %d: asked %d times more", last, all, asked-last)
		}
	}
	last, asked = 1, 0
	if _, err := Nodes(data, opts); !errors.Is(err, enough) {
		t.Errorf("list of nodes: %v", err)
	}
}
