package passes

import (
	"errors"
	"strings"
	"testing"

	"secc.example/secc/ir"
)

// The estimate from shapes alone is within a factor of three of what the plan says,
// and a network beyond the limit is refused with its most costly node.
func TestAffordableKnowsTheOrderOfMagnitude(t *testing.T) {
	for name, make := range networks() {
		b := newBuilder(t)
		b.g.Outputs = []*ir.Value{make(b)}
		var dear *CostError
		if err := About(b.g).Affordable(0); !errors.As(err, &dear) || len(dear.Nodes) == 0 || dear.Nodes[0].Bytes < dear.Nodes[len(dear.Nodes)-1].Bytes {
			t.Fatalf("%s: %v", name, err)
		}
		if err := About(b.g).Affordable(dear.Bytes); err != nil {
			t.Errorf("%s: exactly the limit: %v", name, err)
		}
	}
	b := newBuilder(t)
	x := b.conv(b.input(1, 8, 64, 64), 16, 3, 1, 1)
	x = b.op(ir.OpRelu, nil, x)
	x = b.op(ir.OpMaxPool, &ir.PoolAttrs{Kernel: []int{2, 2}, Strides: []int{2, 2}}, x)
	x = b.op(ir.OpFunc, &ir.FuncAttrs{Name: "sigmoid"}, b.conv(x, 8, 3, 1, 1))
	b.g.Outputs = []*ir.Value{b.conv(x, 4, 3, 1, 1)}
	made, err := Compile(b.g, Options{Calibration: b.samples(16)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := made.Plan.Cost()
	if err != nil {
		t.Fatal(err)
	}
	var dear *CostError
	errors.As(About(b.g).Affordable(0), &dear)
	real := float64(r.Total.Online.ClientToServer + r.Total.Online.ServerToClient)
	if ratio := float64(dear.Bytes) / real; ratio < 1./3 || ratio > 3 {
		t.Errorf("estimated %d bytes, the plan takes %.0f", dear.Bytes, real)
	}
	about, exact := About(b.g), made.Plan.Memory()
	if ratio := float64(about.Memory) / float64(exact.Server); ratio < 1./2 || ratio > 2 {
		t.Errorf("estimated %d bytes of memory, the plan says %d", about.Memory, exact.Server)
	}
	if about.Fits(about.Memory) != "" || !strings.Contains(about.Fits(about.Memory-1), about.Peak.Node) {
		t.Errorf("%d bytes: %q and %q", about.Memory, about.Fits(about.Memory), about.Fits(about.Memory-1))
	}
}

// What two secrets multiply is estimated over RLWE, as a plan sends it: over OT attention
// would be refused for a hundred times its bytes.
func TestAffordableKnowsProductsOfSecrets(t *testing.T) {
	b := newBuilder(t)
	x := b.op(ir.OpRelu, nil, b.input(1, 64, 64))
	heads := func(x *ir.Value, perm ...int) *ir.Value {
		x = b.op(ir.OpReshape, &ir.ReshapeAttrs{Shape: []int{1, 64, 4, 16}}, x)
		return b.op(ir.OpTranspose, &ir.TransposeAttrs{Perm: perm}, x)
	}
	scores := b.op(ir.OpMatMul, nil, heads(x, 0, 2, 1, 3), heads(x, 0, 2, 3, 1))
	b.g.Outputs = []*ir.Value{b.op(ir.OpMatMul, nil, scores, heads(x, 0, 2, 1, 3))}
	made, err := Compile(b.g, Options{Calibration: b.samples(4)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := made.Plan.Cost()
	if err != nil {
		t.Fatal(err)
	}
	estimate, real := map[ir.Op]int64{}, map[ir.Op]int64{}
	for _, n := range About(b.g).Nodes {
		estimate[n.Op] += n.Bytes
	}
	for _, o := range r.Operators {
		real[ir.Op(o.Op)] += o.ClientToServer + o.ServerToClient
	}
	if e, m := estimate[ir.OpMatMul], real[ir.OpMatMul]; m == 0 || e > 3*m || m > 3*e {
		t.Errorf("estimated %d bytes for products of secrets, the plan takes %d", e, m)
	}
}
