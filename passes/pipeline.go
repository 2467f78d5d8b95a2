// Package passes turns the graph of a trained network into one whose every
// value has a fixed-point format and a protocol, and compiles it to a plan.
//
// It knows what operators mean (package ir) and what protocols cost (backend,
// backend/plan). It does not know ONNX, and it never runs a protocol.
package passes

import (
	"fmt"

	"secc.example/secc/ir"
)

// Pass rewrites a graph in place. Needs is the phase of the graph it takes,
// Makes of the graph it leaves. Why says what it is for and why it stands where it stands.
type Pass struct {
	Name         string
	Why          string
	Needs, Makes ir.Phase
	Run          func(*ir.Graph, *Config) error
}

// Pipeline lists the passes in order; the order is meaning, and passOrder holds it.
func Pipeline() []Pass {
	real, fixed, selected := ir.Real, ir.Fixed, ir.Selected
	return []Pass{
		{"constfold", "what depends on constants only is a constant; first, so that later passes can recognise weights", real, real, constfold},
		{"simplify", "reshapes, pads, slices and transposes that do nothing go, before anything matches neighbours", real, real, simplify},
		{"unread", "choices of elements move in front of what makes them, so that nobody makes the others; while operators are whole", real, real, unread},
		{"never", "what masks put in place of minus infinity is raised to where formats can hold it; while softmax and maxima still stand as one operator", real, real, never},
		{"decompose", "operators without a protocol become ones that have one", real, real, decompose},
		{"factors", "what scales whole rows of a product's factor scales those of its result where these are shorter; while scalings still stand as one operator", real, real, factors},
		{"products", "scalings of rows and sums of products become products of matrices, which cost less; once nothing else makes products", real, real, products},
		{"linear", "every product by a constant becomes a 2-D convolution: one operator to fold into", real, real, linear},
		{"affine", "constant factors and terms become batch_norm, so that one pass folds them all", real, real, affine},
		{"average", "an average becomes a local sum and a factor, which the next pass folds away", real, real, average},
		{"batchnorm", "scales and shifts go into neighbouring convolutions", real, real, batchnorm},
		{"throughrelu", "a batch_norm that follows a concat cannot fold backwards: it moves through its relu and folds forwards", real, real, throughRelu},
		{"depthwise", "a scale that is still there is a depthwise 1x1 convolution, a shift a local sum", real, real, depthwise},
		{"poolmove", "a sum pool goes in front of a 1x1 convolution: fewer positions to multiply; after the factors of averages are folded", real, real, poolMove},
		{"order", "max-pool before relu (fewer comparisons), one relu on a concat instead of several; after the folds, which want conv-relu-pool chains as they are", real, real, order},
		{"deadcode", "values nobody reads would only disturb the shared formats that scale solves for", real, real, deadcode},
		{"columns", "quiet columns of the inputs are raised by the client; when every factor and shift has found its place, and before anything looks at ranges", real, real, columns},
		{"equalise", "quiet channels are raised towards the loudest of their format; when every factor and shift has found its place, and before anything looks at ranges", real, real, equalise},
		{"winograd", "convolutions that multiply less over tiles are marked; the scale pass builds them, for their weights want more bits", real, real, winograd},
		{"scale", "calibrated ranges become formats, weights become integers, extensions appear", real, fixed, scale},
		{"signbits", "comparisons drop low bits where the answer does not suffer; on the final formats, which decide what a bit is worth", fixed, fixed, signBits},
		{"headroom", "an independent check that formats hold the calibrated ranges", fixed, fixed, headroom},
		{"select", "every shared value gets the protocol that makes it", fixed, selected, selectProtos},
	}
}

// Run takes a graph through passes, checking it after each.
func Run(g *ir.Graph, passes []Pass, cfg *Config) error {
	if err := checkOrder(passes); err != nil {
		return fmt.Errorf("passes: BUG: %w", err)
	}
	if err := ir.Verify(g, ir.Real); err != nil {
		return fmt.Errorf("passes: before the first pass: %w", err)
	}
	for _, p := range passes {
		if err := cfg.stopped(); err != nil {
			return err
		}
		cfg.say("pass "+p.Name, 0, 0)
		if err := p.Run(g, cfg); err != nil {
			return fmt.Errorf("passes: %s: %w", p.Name, err)
		}
		g.RemoveDead()
		if err := g.Sort(); err != nil {
			return fmt.Errorf("passes: BUG: after %s: %w", p.Name, err)
		}
		if err := g.Infer(); err != nil {
			return fmt.Errorf("passes: BUG: after %s: %w", p.Name, err)
		}
		if err := ir.Verify(g, p.Makes); err != nil {
			return fmt.Errorf("passes: BUG: after %s: %w", p.Name, err)
		}
		if cfg.Trace != nil {
			cfg.Trace(p.Name, g)
		}
	}
	return nil
}
