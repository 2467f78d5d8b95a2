package main

import (
	"testing"

	"secc.example/secc/runtime"
)

// Two images in one run: both answers are right, the cost is as predicted, and
// it is less for each image than alone.
func TestSecureRunOfABatch(t *testing.T) {
	alone := loadNetwork(t, "mnist_cntk_8", compileFlags{})
	n := loadNetwork(t, "mnist_cntk_8", compileFlags{batch: 2})
	if got := n.Plan.Batch(); got != 2 || alone.Plan.Batch() != 1 {
		t.Fatalf("batches of %d and %d", alone.Plan.Batch(), got)
	}
	values, server, client := n.secure(t, 0)
	out, err := runtime.Decode(n.Plan, values)
	if err != nil {
		t.Fatal(err)
	}
	per := len(out[0].Values) / 2
	for i := range 2 {
		compareLogits(t, "mnist_cntk_8, batch of 2", out[0].Values[i*per:(i+1)*per], n.ort[0][i*per:(i+1)*per], 0.01)
	}
	compareCost(t, "server", n.Plan, server)
	compareCost(t, "client", n.Plan, client)
	one, err := predict(alone.Plan, "lan")
	if err != nil {
		t.Fatal(err)
	}
	two, err := predict(n.Plan, "lan")
	if err != nil {
		t.Fatal(err)
	}
	if one.PerInput != nil || two.PerInput == nil || two.PerInput.Inputs != 2 {
		t.Fatalf("per input: %+v alone, %+v in a batch", one.PerInput, two.PerInput)
	}
	if two.PerInput.Bytes >= 0.9*float64(one.Total.Bytes) || two.PerInput.Seconds >= one.Total.Seconds {
		t.Errorf("per input %+v, alone %+v", two.PerInput, one.Total)
	}
}
