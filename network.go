package secc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"secc.example/secc/backend"
	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/ir"
	"secc.example/secc/passes"
)

// Network is a compiled network. A client's has no weights.
type Network struct {
	Plan    *plan.Plan
	Weights *plan.Weights // the server's alone; nil at a client
	Report  *plan.Report  // what a run costs; seconds are predicted for the profile

	// What the compiler has to tell; empty after Open.
	Warnings []string
	Overflow float64         // estimated probability that an inference leaves its formats
	X        *passes.XReport // what X-operators stand in for

	fixed *ir.Graph // what the plan computes; nil: it is read from the weights
	close func() error
}

func newNetwork(made *passes.Result, profile choose.Profile) (*Network, error) {
	if err := made.Plan.CheckLabels(made.Plan.Labels); err != nil {
		return nil, &OptionError{"labels", err}
	}
	r, err := priced(made.Plan, profile)
	if err != nil {
		return nil, err
	}
	w, err := weightsOf(made)
	if err != nil {
		return nil, err
	}
	return &Network{Plan: made.Plan, Weights: w, Report: r, Warnings: made.Warnings, Overflow: made.Overflow, X: made.X, fixed: made.Fixed}, nil
}

// priced is the plan's cost with seconds under a profile.
func priced(p *plan.Plan, profile choose.Profile) (*plan.Report, error) {
	r, err := p.Cost()
	if err != nil {
		return nil, err
	}
	r.Profile = profile.Name
	profile.Price(r)
	r.Share(p.Batch())
	return r, nil
}

// weightsOf puts the weights into the form that they have in their file.
func weightsOf(made *passes.Result) (*plan.Weights, error) {
	digest, err := made.Plan.Digest()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := plan.WriteWeights(&b, digest, made.Weights); err != nil {
		return nil, err
	}
	return plan.OpenWeights(bytes.NewReader(b.Bytes()), int64(b.Len()))
}

// WeightsPath is where the weights of a plan lie by default: beside it.
func WeightsPath(planPath string) string { return strings.TrimSuffix(planPath, ".plan") + ".weights" }

// Save writes the plan to a file and the weights, which only their owner may read,
// beside it.
func (n *Network) Save(path string) error {
	return plan.Save(path, WeightsPath(path), n.Plan, n.Weights)
}

// Open reads a plan and, if they lie beside it, its weights. Close it after use.
func Open(path string) (*Network, error) {
	p, err := OpenPlan(path)
	if err != nil {
		return nil, err
	}
	n := &Network{Plan: p}
	n.Weights, n.close, err = plan.OpenWeightsFile(WeightsPath(path), p)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	profile, _ := choose.ParseProfile("") // the default is no error
	if n.Report, err = priced(p, profile); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// OpenPlan reads a plan alone, which is all that a client needs.
func OpenPlan(path string) (*plan.Plan, error) {
	b, err := input.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p, err := plan.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// Close releases the weights' file.
func (n *Network) Close() error {
	if n.close == nil {
		return nil
	}
	return n.close()
}

// Fixed is the network in fixed point: what the plan computes.
func (n *Network) Fixed() (*ir.Graph, error) {
	if n.fixed != nil {
		return n.fixed, nil
	}
	if n.Weights == nil {
		return nil, os.ErrNotExist
	}
	g, err := backend.ReadGraph(n.Weights)
	n.fixed = g
	return g, err
}
