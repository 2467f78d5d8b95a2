package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"secc/backend"
	"secc/backend/plan"
)

func newExplainCmd() *cobra.Command {
	f := new(compileFlags)
	var asJSON, asText, all bool
	var base string
	var from backend.Baseline
	c := &cobra.Command{
		Use:   "explain MODEL.onnx|MODEL.plan",
		Short: "Show what a secure inference will cost, operator by operator",
		Long: `Show protocol, formats, bytes each way, rounds, correlated OTs and predicted
seconds of every operator. Bytes, rounds and OTs are exact; seconds are an
estimate for the profile.`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := f.planOf(c, args[0])
			if err != nil {
				return err
			}
			if asText {
				return printText(c.OutOrStdout(), p)
			}
			r, err := predict(p, f.profile)
			if err != nil {
				return err
			}
			if base != "" {
				return f.explainLadder(c, args[0], base, from, r, asJSON)
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), r)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s, plan %.16s\n", r.Model, r.PlanDigest)
			printCost(c.OutOrStdout(), r, all)
			return nil
		},
	}
	f.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON ("+plan.Schema+")")
	c.Flags().BoolVar(&asText, "text", false, "print the plan itself, step by step")
	c.Flags().StringVar(&base, "baseline", "", "also price the model as another system would run it, with each known remedy in turn: cryptflow2")
	c.Flags().IntVar(&from.Ring, "baseline-ring", 60, "ring bits of the baseline")
	c.Flags().IntVar(&from.Terms, "baseline-terms", 2, "cross terms of the baseline's products: 2 as it is built, 1 as one party knows the weights")
	c.Flags().BoolVar(&all, "all", false, "show the local steps too")
	return c
}

// planOf reads a plan, or compiles a model in memory.
func (f *compileFlags) planOf(c *cobra.Command, path string) (*plan.Plan, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, usage("%w", err)
	}
	if plan.IsPlan(b) {
		return loadPlan(path)
	}
	made, err := f.compile(c, path)
	if err != nil {
		return nil, err
	}
	return made.Plan, nil
}

// predict is the plan's cost with seconds under a profile.
func predict(p *plan.Plan, profile string) (*plan.Report, error) {
	pr, err := backend.ParseProfile(profile)
	if err != nil {
		return nil, usage("--profile: %w", err)
	}
	r, err := p.Cost()
	if err != nil {
		return nil, err
	}
	pr.Price(r)
	return r, nil
}

func printText(w io.Writer, p *plan.Plan) error {
	return p.WriteText(w)
}
