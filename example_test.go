package secc_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"

	"secc.example/secc"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
)

const digits = "testdata/models/mnist_cntk_8/"

// compiled is a network that reads digits.
func compiled() *secc.Network {
	model, err := os.ReadFile(digits + "model.onnx")
	if err != nil {
		log.Fatal(err)
	}
	n, err := secc.Compile(context.Background(), model, secc.Options{
		Calibration: secc.Files(digits + "images.u8"),
		Preprocess:  plan.Preprocess{Preset: "raw"},
	})
	if err != nil {
		log.Fatal(err)
	}
	return n
}

// image is the first of the network's test images, as its only input.
func image(p *plan.Plan) [][]float32 {
	set, err := input.Examples(context.Background(), digits+"images.u8", input.Specs(p))
	if err != nil {
		log.Fatal(err)
	}
	return set.Cases[0]
}

func best(o plan.OutputValues) int { return slices.Index(o.Values, slices.Max(o.Values)) }

// Both parties of a network in one process, beside its simulation in the clear.
func Example() {
	n := compiled()
	r, err := secc.Local(context.Background(), n, image(n.Plan))
	if err != nil {
		log.Fatal(err)
	}
	sim, err := secc.Simulate(context.Background(), n, image(n.Plan), 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("digit", best(r.Outputs[0]), "simulated", best(sim[0]))
	fmt.Println("bytes as predicted:", r.Total.Bytes == n.Report.Total.Bytes)
	// Output:
	// digit 7 simulated 7
	// bytes as predicted: true
}

// A server that opens what was compiled before, and a client that has the plan only.
func ExampleServer() {
	dir, err := os.MkdirTemp("", "secc-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "digits.plan")
	if err := compiled().Save(path); err != nil {
		log.Fatal(err)
	}

	n, err := secc.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer n.Close()
	ctx, cancel := context.WithCancel(context.Background())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error)
	server := secc.Server{Network: n, Log: slog.New(slog.DiscardHandler)}
	go func() { ended <- server.Serve(ctx, l) }()

	p, err := secc.OpenPlan(path)
	if err != nil {
		log.Fatal(err)
	}
	client := secc.Client{Plan: p, Address: l.Addr().String()}
	r, err := client.Infer(ctx, image(p))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("digit", best(r.Outputs[0]))
	cancel()
	fmt.Println("server:", <-ended)
	// Output:
	// digit 7
	// server: <nil>
}
