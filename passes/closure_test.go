package passes

import (
	"slices"
	"strings"
	"testing"

	"secc.example/secc/backend"
	"secc.example/secc/ir"
)

// The pipeline keeps to its constraints, names that are in them are passes, and whichever
// constraint is broken is reported.
func TestPassOrder(t *testing.T) {
	all := Pipeline()
	if err := checkOrder(all); err != nil {
		t.Error(err)
	}
	for _, b := range passOrder() {
		find := func(name string) int { return slices.IndexFunc(all, func(p Pass) bool { return p.Name == name }) }
		i, j := find(b.First), find(b.Then)
		if i < 0 || j < 0 {
			t.Errorf("no pass %s, or no pass %s", b.First, b.Then)
			continue
		}
		if err := checkOrder([]Pass{all[j], all[i]}); err == nil || !strings.Contains(err.Error(), b.Why) {
			t.Errorf("%s after %s: %v", b.First, b.Then, err)
		}
	}
	for _, p := range all {
		if !slices.ContainsFunc(passOrder(), func(b before) bool { return b.First == p.Name || b.Then == p.Name }) {
			t.Errorf("pass %s may stand anywhere: say why it stands where it does", p.Name)
		}
	}
}

// clearOnly are the operators that no party computes on shares, and why.
var clearOnly = map[ir.Op]string{
	ir.OpConst:  "a constant is no step",
	ir.OpToReal: "the client computes what follows",

	ir.OpConvTranspose: "the importer writes a convolution in its place, from weights that are turned round",
}

// decomposed gives, for every operator without a protocol, a small network that has it
// where it must be computed on shares.
var decomposed = map[ir.Op]func(*ir.Graph, *ir.Value) (*ir.Value, error){
	ir.OpMax: func(g *ir.Graph, x *ir.Value) (*ir.Value, error) {
		return g.New(ir.OpMax, "op", nil, x, reversed(g, x))
	},
	ir.OpMin: func(g *ir.Graph, x *ir.Value) (*ir.Value, error) {
		return g.New(ir.OpMin, "op", nil, x, reversed(g, x))
	},
	ir.OpAbs:        func(g *ir.Graph, x *ir.Value) (*ir.Value, error) { return g.New(ir.OpAbs, "op", nil, x) },
	ir.OpSoftmax:    axis(ir.OpSoftmax),
	ir.OpLogSoftmax: axis(ir.OpLogSoftmax),
	ir.OpReduceMax: func(g *ir.Graph, x *ir.Value) (*ir.Value, error) {
		return g.New(ir.OpReduceMax, "op", &ir.ReduceAttrs{Axes: []int{1}, Keep: true}, x)
	},
	ir.OpDiv: func(g *ir.Graph, x *ir.Value) (*ir.Value, error) {
		by, err := constant(g, "by", []int{1, 4, 1, 1}, []float32{1, 2, 4, 5})
		if err != nil {
			return nil, err
		}
		return g.New(ir.OpDiv, "op", nil, x, by)
	},
	ir.OpOneHot: func(g *ir.Graph, x *ir.Value) (*ir.Value, error) {
		return g.New(ir.OpOneHot, "op", &ir.OneHotAttrs{Depth: 3, FromEnd: true}, x)
	},
	ir.OpLookup: func(g *ir.Graph, x *ir.Value) (*ir.Value, error) {
		table, err := constant(g, "table", []int{3, 2}, []float32{1, 2, 3, 4, 5, 6})
		if err != nil {
			return nil, err
		}
		return g.New(ir.OpLookup, "op", nil, x, table)
	},
	ir.OpAvgPool: func(g *ir.Graph, x *ir.Value) (*ir.Value, error) {
		return g.New(ir.OpAvgPool, "op", &ir.PoolAttrs{Kernel: []int{2, 2}}, x)
	},
	ir.OpBatchNorm: func(g *ir.Graph, x *ir.Value) (*ir.Value, error) {
		scale, err := constant(g, "scale", []int{4}, []float32{1, 2, 3, 0.5})
		if err != nil {
			return nil, err
		}
		shift, err := constant(g, "shift", []int{4}, []float32{1, -2, 0, 0.5})
		if err != nil {
			return nil, err
		}
		return g.New(ir.OpBatchNorm, "op", nil, x, scale, shift)
	},
}

func axis(op ir.Op) func(*ir.Graph, *ir.Value) (*ir.Value, error) {
	return func(g *ir.Graph, x *ir.Value) (*ir.Value, error) { return g.New(op, "op", &ir.AxisAttrs{Axis: 1}, x) }
}

// reversed is another secret tensor of the shape of x.
func reversed(g *ir.Graph, x *ir.Value) *ir.Value {
	y, err := g.New(ir.OpGather, "reversed", &ir.GatherAttrs{Axis: 1, Index: []int{3, 2, 1, 0}}, x)
	if err != nil {
		panic(err)
	}
	return y
}

// Every operator of the IR has a protocol, or a decomposition into operators that have,
// or a reason why it is never computed on shares.
func TestEveryOperatorIsComputed(t *testing.T) {
	for _, op := range ir.Ops() {
		_, direct := protoOf(op)
		build, made := decomposed[op]
		why := clearOnly[op]
		switch n := count(direct, made, why != ""); {
		case n != 1:
			t.Errorf("operator %s stands in %d of: protocols, decompositions, computed in the clear", op, n)
		case direct != backend.Lowers(op):
			t.Errorf("operator %s: has a protocol: %v, a row in backend/operators.go: %v", op, direct, !direct)
		case made:
			t.Run(string(op), func(t *testing.T) { vanishes(t, op, build) })
		}
	}
}

func count(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

// vanishes takes op, between two operators on shares, through the pipeline.
func vanishes(t *testing.T, op ir.Op, build func(*ir.Graph, *ir.Value) (*ir.Value, error)) {
	g := &ir.Graph{}
	x, err := g.Input("x", []int{1, 4, 4, 4})
	if err != nil {
		t.Fatal(err)
	}
	if x, err = g.New(ir.OpRelu, "front", nil, x); err != nil {
		t.Fatal(err)
	}
	if x, err = build(g, x); err != nil {
		t.Fatal(err)
	}
	if x, err = g.New(ir.OpRelu, "back", nil, x); err != nil {
		t.Fatal(err)
	}
	g.Outputs = []*ir.Value{x}
	made, err := Prepare(g, Options{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range made.fixed.Values {
		if v.Op == op {
			t.Errorf("%v is still there", v)
		}
	}
}
