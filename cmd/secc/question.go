package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/progress"
	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/client"
)

// question is what a client brings, and how it wants the answer.
type question struct {
	inputs []string
	labels string
	top    int
	json   bool
	quiet  bool
}

// ask runs the client's side and prints the answer.
func (q *question) ask(c *cobra.Command, with client.Client) error {
	p := with.Plan
	labels, err := loadLabels(q.labels, p)
	if err != nil {
		return err
	}
	if err := checkLabels(p, labels); err != nil {
		return err
	}
	values, warnings, err := q.values(c, p)
	if err != nil {
		return err
	}
	report, err := q.infer(c, with, values)
	if err != nil {
		return err
	}
	answer.Fill(report, p, labels, q.top, !c.Flags().Changed("top"))
	report.Warnings = warnings
	report.PeakRSS = peakRSS()
	if q.json {
		return printJSON(c.OutOrStdout(), report)
	}
	return answer.Print(c.OutOrStdout(), report)
}

// values reads the inputs and warns of those that do not look as they should.
func (q *question) values(c *cobra.Command, p *plan.Plan) (values [][]float32, warnings []string, err error) {
	values, warnings, err = loadInputs(q.inputs, input.Specs(p))
	if err != nil {
		return nil, nil, err
	}
	warn(c.ErrOrStderr(), warnings)
	for i, in := range p.Inputs {
		if n := runtime.Clipped(values[i], p.Slots[in.Slot]); n > 0 {
			warnings = append(warnings, fmt.Sprintf("input %q: %d values too large for the plan's number format were cut: expect a wrong answer", in.Name, n))
			newLog(c.ErrOrStderr()).Warn("values too large for the plan's number format were cut: expect a wrong answer", "input", in.Name, "values", n)
		}
	}
	return values, warnings, nil
}

func (q *question) infer(c *cobra.Command, with client.Client, values [][]float32) (*plan.Report, error) {
	show := progress.New(c.ErrOrStderr(), q.quiet, with.Plan)
	defer show.End()
	with.Session.Progress = show.Step
	report, err := with.Infer(c.Context(), values)
	return report, exit.OfClient(err)
}

func loadLabels(path string, p *plan.Plan) ([]string, error) {
	if path == "" {
		return p.Labels, nil
	}
	labels, err := answer.ReadLabels(path)
	if err != nil {
		return nil, usage("labels: %w", err)
	}
	return labels, nil
}

// checkLabels counts labels against the outputs of a plan.
func checkLabels(p *plan.Plan, labels []string) error {
	if err := p.CheckLabels(labels); err != nil {
		return hint(usage("%w", err), "one line for each class, in the order of the network's outputs; none is left out and none added")
	}
	return nil
}
