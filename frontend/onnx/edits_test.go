package onnx

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
)

// TestRandomEdits changes well-formed models where a byte-level fuzzer rarely
// gets: attributes, operators, edges, shapes and types. Import must return, soon,
// and what it returns must be valid.
func TestRandomEdits(t *testing.T) {
	pool := seedModels()
	files, _ := filepath.Glob("../../testdata/conformance/*/*/model.onnx")
	for _, f := range append(files, "../../testdata/models/mnist_cntk_8/model.onnx") {
		data, err := os.ReadFile(f)
		var m onnxpb.Model
		if err == nil && len(data) < 1<<15 && proto.Unmarshal(data, &m) == nil {
			pool = append(pool, &m)
		}
	}
	rounds := 3000
	if os.Getenv("SECC_EDITS") != "" {
		fmt.Sscan(os.Getenv("SECC_EDITS"), &rounds)
	}
	imported := 0
	for seed := range rounds {
		e := &editor{rand.New(rand.NewPCG(uint64(seed), 1)), pool}
		m := proto.Clone(pool[e.IntN(len(pool))]).(*onnxpb.Model)
		for range 1 + e.IntN(3) {
			e.edit(m)
		}
		data, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if importEdited(t, seed, data) {
			imported++
		}
	}
	t.Logf("%d of %d edited models still imported", imported, rounds)
}

func importEdited(t *testing.T, seed int, data []byte) bool {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("seed %d: panic: %v\n%s", seed, p, debug.Stack())
		}
	}()
	start := time.Now()
	g, err := Import(data, Options{})
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("seed %d took %v", seed, took)
	}
	if err != nil {
		return false
	}
	if err := ir.Verify(g, ir.Real); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	return true
}

type editor struct {
	*rand.Rand
	pool []*onnxpb.Model
}

func (e *editor) number() int64 {
	return []int64{-1 << 63, -1 << 31, -3, -2, -1, 0, 1, 2, 3, 7, 1 << 16, 1 << 27, 1 << 31, 1 << 62, 1<<63 - 1}[e.IntN(15)]
}

func (e *editor) edit(m *onnxpb.Model) {
	g := m.GetGraph()
	if len(g.GetNode()) == 0 || len(g.GetInput()) == 0 {
		return
	}
	n := g.Node[e.IntN(len(g.Node))]
	switch e.IntN(10) {
	case 0:
		names := make([]string, 0, len(tables[""]))
		for name := range tables[""] {
			names = append(names, name)
		}
		slices.Sort(names)
		n.OpType = names[e.IntN(len(names))]
	case 1:
		e.attribute(n)
	case 2:
		other := g.Node[e.IntN(len(g.Node))]
		if len(other.Input) > 0 {
			n.Input = append(n.Input, other.Input[e.IntN(len(other.Input))])
		}
	case 3:
		if len(n.Input) > 0 {
			n.Input[e.IntN(len(n.Input))] = ""
		}
	case 4:
		if len(n.Input) > 1 {
			i := e.IntN(len(n.Input))
			n.Input[0], n.Input[i] = n.Input[i], n.Input[0]
		}
	case 5:
		m.OpsetImport = []*onnxpb.OperatorSet{{Version: 1 + int64(e.IntN(maxOpset))}}
	case 6:
		if len(g.Initializer) > 0 {
			e.tensor(g.Initializer[e.IntN(len(g.Initializer))])
		}
	case 7:
		v := g.Input[e.IntN(len(g.Input))]
		if dims := v.GetType().GetTensorType().GetShape().GetDim(); len(dims) > 0 {
			dims[e.IntN(len(dims))].Value = &onnxpb.Shape_Dim_DimValue{DimValue: []int64{0, 1, 2, 5, 1 << 13, 1 << 40}[e.IntN(6)]}
		}
	case 8:
		v := g.Input[e.IntN(len(g.Input))]
		if tt := v.GetType().GetTensorType(); tt != nil {
			tt.ElemType = int32(1 + e.IntN(23))
		}
	case 9: // bind a graph input to a constant
		if len(g.Input) > 1 {
			v := g.Input[len(g.Input)-1]
			k := e.IntN(4)
			w := ints64(v.Name)
			for range k {
				w.Int64Data = append(w.Int64Data, e.number())
			}
			w.Dims = []int64{int64(k)}
			if e.IntN(2) == 0 {
				w = floats(v.Name, []int64{2}, 1, float32(e.number()))
			}
			g.Initializer = append(g.Initializer, w)
		}
	}
}

func (e *editor) tensor(w *onnxpb.Tensor) {
	switch {
	case len(w.Dims) > 0 && e.IntN(2) == 0:
		w.Dims[e.IntN(len(w.Dims))] = e.number()
	case len(w.Int64Data) > 0:
		w.Int64Data[e.IntN(len(w.Int64Data))] = e.number()
	case len(w.RawData) > 0:
		w.RawData[e.IntN(len(w.RawData))] = byte(e.IntN(256))
	default:
		w.DataType = int32(e.IntN(24))
	}
}

// attribute changes one, or gives the node one that another operator has.
func (e *editor) attribute(n *onnxpb.Node) {
	if len(n.Attribute) == 0 || e.IntN(4) == 0 {
		from := e.pool[e.IntN(len(e.pool))].GetGraph().GetNode()
		donor := from[e.IntN(len(from))].GetAttribute()
		if len(donor) > 0 {
			n.Attribute = append(n.Attribute, proto.Clone(donor[e.IntN(len(donor))]).(*onnxpb.Attribute))
		}
		return
	}
	a := n.Attribute[e.IntN(len(n.Attribute))]
	switch a.GetType() {
	case onnxpb.Attribute_INT:
		a.I = e.number()
	case onnxpb.Attribute_INTS:
		if i := e.IntN(len(a.Ints) + 1); i < len(a.Ints) {
			a.Ints[i] = e.number()
		} else {
			a.Ints = append(a.Ints, e.number())
		}
	case onnxpb.Attribute_FLOAT:
		a.F = float32(e.number())
	case onnxpb.Attribute_STRING:
		a.S = []byte([]string{"", "linear", "SAME_UPPER", "tf_crop_and_resize", "nonsense"}[e.IntN(5)])
	case onnxpb.Attribute_TENSOR:
		e.tensor(a.T)
	default:
		a.Type = onnxpb.Attribute_Kind(e.IntN(15))
	}
}
