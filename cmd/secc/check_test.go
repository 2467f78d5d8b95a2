package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"secc.example/secc/frontend/onnx"
	"secc.example/secc/ir"
	"secc.example/secc/passes"
)

// TestCheckListsEverything: what the importer cannot do is listed node by node,
// and so is what only the compiler can tell.
func TestCheckListsEverything(t *testing.T) {
	g := new(ir.Graph)
	x, err := g.Input("x", []int{1, 4})
	if err != nil {
		t.Fatal(err)
	}
	y, err := g.Input("y", []int{1, 4})
	if err != nil {
		t.Fatal(err)
	}
	first, err := g.New(ir.OpDiv, "first", nil, x, y)
	if err != nil {
		t.Fatal(err)
	}
	second, err := g.New(ir.OpDiv, "second", nil, first, y)
	if err != nil {
		t.Fatal(err)
	}
	g.Outputs, g.OutputNames = []*ir.Value{second}, []string{"out"}
	_, err = passes.Compile(g, passes.Options{})
	if err == nil {
		t.Fatal("compiled")
	}
	nodes := []onnx.Node{{Name: "first", Op: "Div", Opset: 13}, {Name: "second", Op: "Div", Opset: 14}, {Name: "third", Op: "Relu", Opset: 14}}
	r := &checkReport{Nodes: 3, Supported: 3}
	r.refused(nodes, err)
	want := []onnx.Unsupported{
		{Node: "first", Op: "Div", Opset: 13, Reason: "has no secure form here"},
		{Node: "second", Op: "Div", Opset: 14, Reason: "has no secure form here"},
	}
	if !slices.Equal(r.Problems, want) || r.Supported != 1 {
		t.Errorf("%d supported, problems %+v", r.Supported, r.Problems)
	}
}

// TestCheckKeepsOtherErrors: an error that names no node is a problem too.
func TestCheckKeepsOtherErrors(t *testing.T) {
	r := &checkReport{Nodes: 1, Supported: 1}
	r.refused(nil, fmt.Errorf("compile: %w", errors.New("something else")))
	if len(r.Problems) != 1 || r.Problems[0].Reason != "compile: something else" || r.Supported != 1 {
		t.Errorf("%+v", r)
	}
}
