package passes

import (
	"errors"
	"fmt"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// revealWinners replaces the output of a compiled graph by the indices of its K
// largest elements, computed on shares: the client never gets the scores. What
// the client would have computed on the scores (softmax, sigmoid) keeps their
// order and goes. It comes after the rehearsal, which judges formats by the scores.
func revealWinners(g *ir.Graph, cfg *Config) error {
	if cfg.Reveal == "" || cfg.Reveal == plan.RevealValues {
		return nil
	}
	x, name, err := scores(g)
	if err != nil {
		return fmt.Errorf("reveal %s: %w", cfg.Reveal, err)
	}
	k := 1
	if cfg.Reveal == plan.RevealTopK {
		k = cfg.TopK
	}
	rows, n := split(x.Type.Shape)
	if k < 1 || k > n {
		return fmt.Errorf("reveal: the %d largest of %d outputs", k, n)
	}
	if x, err = reshape(g, name, x, rows, n); err != nil {
		return err
	}
	if x, err = g.New(ir.OpArgMax, name, &ir.ReduceAttrs{Axes: []int{1}, Keep: true, K: k}, x); err != nil {
		return err
	}
	if x, err = g.New(ir.OpReveal, name, nil, x); err != nil {
		return err
	}
	if x, err = g.New(ir.OpToReal, name, nil, x); err != nil {
		return err
	}
	g.Outputs[0] = x
	g.RemoveDead()
	if err := g.Sort(); err != nil {
		return err
	}
	if err := selectProtos(g, cfg); err != nil {
		return err
	}
	return ir.Verify(g, ir.Selected)
}

// scores finds the shared value behind the only output.
func scores(g *ir.Graph) (x *ir.Value, name string, err error) {
	if len(g.Outputs) != 1 {
		return nil, "", fmt.Errorf("the network has %d outputs, one is wanted", len(g.Outputs))
	}
	for x = g.Outputs[0]; x.Op != ir.OpToReal; x = x.Args[0] {
		switch x.Op {
		case ir.OpSoftmax, ir.OpLogSoftmax, ir.OpReshape:
		case ir.OpFunc:
			if f := x.Attrs.(*ir.FuncAttrs).Name; f != "sigmoid" && f != "tanh" {
				return nil, "", fmt.Errorf("node %q: %s need not keep the order of the scores", x.Name, f)
			}
		default:
			return nil, "", fmt.Errorf("node %q: cannot look behind %s", x.Name, x.Op)
		}
	}
	name = x.Name
	if x = x.Args[0].Args[0]; x.Type.Holder != ir.Shared {
		return nil, "", errors.New("the output is the client's own")
	}
	return x, name, nil
}

// split sees a shape as rows of scores: its first dimension, and all others.
func split(shape []int) (rows, n int) {
	if len(shape) < 2 {
		return 1, ir.Numel(shape)
	}
	return shape[0], ir.Numel(shape[1:])
}
