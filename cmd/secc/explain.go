package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/mpc/prg"
)

// explainFlags are the flags of secc explain beside those of compile.
type explainFlags struct {
	compileFlags
	base               baselineFlags
	html, accuracy     string
	asJSON, text, rows bool
}

func newExplainCmd() *cobra.Command {
	f := new(explainFlags)
	c := &cobra.Command{
		Use:   "explain MODEL.onnx|MODEL.plan [MODEL.onnx...]",
		Short: "Show what a secure inference will cost, operator by operator",
		Long: `Show protocol, formats, bytes each way, rounds, correlated OTs and predicted
seconds of every operator. Bytes, rounds and OTs are exact; seconds are an
estimate for the profile.

--baseline=cryptflow2 prices the same network as CrypTFlow2 would run it over OT,
then with each remedy of the literature in turn, down to the plan. Those figures
follow from published formulas and the model's shapes. --html writes all of it as
one page without any reference outside itself. Several models are put side by
side by what they cost: the backbone is the first choice to make. --accuracy adds
how good they are, from a file of lines MODEL,ACCURACY, and marks those that no
other beats.`,
		Example: `  secc explain model.onnx --baseline=cryptflow2 --html report.html
  secc explain resnet50.onnx densenet121.onnx mobilenetv2.onnx
  secc explain small.onnx large.onnx --accuracy accuracy.csv --html report.html`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	f.register(c)
	f.base.register(c)
	c.Flags().BoolVar(&f.asJSON, "json", false, "print JSON ("+plan.Schema+"; several models: "+backbonesSchema+")")
	c.Flags().BoolVar(&f.text, "text", false, "print the plan itself, step by step")
	c.Flags().StringVar(&f.html, "html", "", "also write a page with charts and tables to this file")
	c.Flags().StringVar(&f.accuracy, "accuracy", "", "several models: how accurate they are, lines of MODEL,ACCURACY or a JSON map (0.91 or 91 %)")
	c.Flags().BoolVar(&f.rows, "all", false, "show the local steps too")
	return c
}

func (f *explainFlags) run(c *cobra.Command, args []string) error {
	if err := f.base.check(); err != nil {
		return err
	}
	if len(args) > 1 {
		if f.text {
			return usage("--text takes one model")
		}
		return f.explainBackbones(c, args)
	}
	if f.accuracy != "" {
		return usage("--accuracy compares several models")
	}
	if err := f.refuseForPlan(c, args[0], "profile", "input-shape", "batch"); err != nil {
		return err
	}
	p, err := f.planOf(c, args[0])
	if err != nil {
		return err
	}
	if f.text {
		return printText(c.OutOrStdout(), p)
	}
	if err := f.ownProfile(c, p); err != nil {
		return err
	}
	r, err := predict(p, f.profile)
	if err != nil {
		return err
	}
	return f.print(c, args[0], r)
}

// ownProfile takes the profile that a plan was made for unless another is named.
func (f *explainFlags) ownProfile(c *cobra.Command, p *plan.Plan) error {
	if c.Flags().Changed("profile") || p.Profile == "" {
		return nil
	}
	f.profile = p.Profile
	if _, err := parseProfile(f.profile); err != nil {
		return hint(usage("the plan's own profile: %w", err), "name one that this secc knows with --profile")
	}
	return nil
}

// print shows one model: with the ladder, if a baseline is wanted.
func (f *explainFlags) print(c *cobra.Command, path string, r *plan.Report) error {
	ladder := &ladderReport{Report: r}
	if f.base.name != "" {
		var err error
		if ladder, err = f.ladderOf(c.Context(), path, f.base.Baseline, r); err != nil {
			return err
		}
	}
	if f.html != "" {
		if err := savePage(f.html, ladder, f.profile); err != nil {
			return err
		}
	}
	switch {
	case f.asJSON && ladder.Ladder == nil:
		return out.JSON(c.OutOrStdout(), r)
	case f.asJSON:
		return out.JSON(c.OutOrStdout(), ladder)
	case ladder.Ladder != nil:
		ladder.print(c.OutOrStdout())
	default:
		fmt.Fprintf(c.OutOrStdout(), "%s, plan %.16s\n", r.Model, r.PlanDigest)
		printCost(c.OutOrStdout(), r, f.rows)
		fmt.Fprintf(c.OutOrStdout(), "seconds are for the profile %s and the kernels that run here (%s: rings; %s: AES)\n", r.Profile, poly.Kernel.Variant(), prg.Kernel.Variant())
	}
	if f.html != "" && !f.asJSON {
		fmt.Fprintln(c.OutOrStdout(), f.html)
	}
	return nil
}

// planOf reads a plan, or compiles a model in memory.
func (f *compileFlags) planOf(c *cobra.Command, path string) (*plan.Plan, error) {
	b, err := input.ReadFile(path)
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

// predict is the plan's cost with seconds under a profile, on the reference machine
// but with the kernels that run here.
func predict(p *plan.Plan, profile string) (*plan.Report, error) {
	return predictAt(p, profile, 0, kernelSpeed())
}

// predictAt is predict for a machine of some speed and a number of cores of
// either party; 0: the profile's.
func predictAt(p *plan.Plan, profile string, threads int, speed choose.Speed) (*plan.Report, error) {
	pr, err := parseProfile(profile)
	if err != nil {
		return nil, err
	}
	if threads > 0 {
		pr.Threads = threads
	}
	pr = pr.At(speed)
	r, err := p.Cost()
	if err != nil {
		return nil, err
	}
	r.Profile = pr.Name
	pr.Price(r)
	r.Share(p.Batch())
	ahead, err := p.PreparedCost(1)
	if err != nil {
		return nil, err
	}
	pr.Price(ahead)
	r.Prepared = &plan.PreparedCost{TotalCost: ahead.Total, Store: *ahead.Store, Memory: ahead.Memory}
	return r, nil
}

func printText(w io.Writer, p *plan.Plan) error {
	return p.WriteText(w)
}
