package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/cmd/internal/process"
	"secc.example/secc/cmd/internal/progress"
	"secc.example/secc/frontend/input"
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
	show := &answer.Show{To: c.OutOrStdout(), Plan: p, Labels: labels, Most: answer.Most{Classes: q.top, AllFindings: !c.Flags().Changed("top")}, JSON: q.json, Peak: process.PeakRSS}
	var cases [][][]float32
	if len(q.inputs) > 0 || with.Session.Keep == 0 {
		if cases, err = q.read(c, p, show); err != nil {
			return err
		}
	}
	report, err := q.infer(c, with, cases, show)
	if err != nil {
		return err
	}
	if len(cases) == 0 {
		return q.prepared(c, report)
	}
	return show.Session(report)
}

// prepared says what a session without inferences took.
func (q *question) prepared(c *cobra.Command, r *plan.Report) error {
	if q.json {
		r.PeakRSS = process.PeakRSS()
		return out.JSON(c.OutOrStdout(), r)
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), answer.Summary(r))
	return err
}

// read reads the inputs and warns of those that do not look as they should.
func (q *question) read(c *cobra.Command, p *plan.Plan, show *answer.Show) (cases [][][]float32, err error) {
	questions, err := input.Questions(c.Context(), q.inputs, input.Specs(p))
	if err != nil {
		return nil, usage("%w", err)
	}
	log := newLog(c.ErrOrStderr())
	for i := range questions {
		of := ""
		if len(questions) > 1 {
			of = questions[i].Source + ": "
		}
		warnings := answer.Warnings(p, &questions[i])
		for _, text := range warnings {
			log.Warn(of + text)
		}
		cases = append(cases, questions[i].Values())
		show.Sources, show.Warned = append(show.Sources, questions[i].Source), append(show.Warned, warnings)
	}
	return cases, nil
}

func (q *question) infer(c *cobra.Command, with client.Client, cases [][][]float32, show *answer.Show) (*plan.Report, error) {
	bar := progress.New(c.ErrOrStderr(), q.quiet, with.Plan)
	defer bar.End()
	with.Session.Progress = bar.Step
	var only []plan.OutputValues
	report, err := with.InferMany(c.Context(), cases, func(i int, r *plan.Report) error {
		only = r.Outputs
		return show.Answer(i, r)
	})
	if err == nil && len(cases) == 1 {
		report.Outputs = only
	}
	if err == nil && with.Session.Prepare+with.Session.Keep > 0 && report.Runs == nil {
		newLog(c.ErrOrStderr()).Warn("nothing was prepared: the server grants none (its --prepare)")
	}
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
