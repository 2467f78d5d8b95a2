package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"secc.example/secc/frontend/input"
	"secc.example/secc/ir/num"
)

// loadInputs reads one file for each input of the network, with what about them
// looks as if it were not meant so.
func loadInputs(args []string, want []input.Spec) (values [][]float32, warnings []string, err error) {
	tensors, err := input.Load(args, want)
	if err != nil {
		return nil, nil, usage("%w", err)
	}
	for i, t := range tensors {
		values = append(values, t.Values)
		for _, text := range t.Warnings {
			warnings = append(warnings, fmt.Sprintf("input %q: %s", want[i].Name, text))
		}
	}
	return values, warnings, nil
}

// inputSet are examples with the files they came from.
type inputSet struct {
	cases   [][]*num.Tensor
	sources []string
}

// loadExamples reads the examples of a flag's files and directories. What was
// not read, and what looks wrong, is told to log.
func loadExamples(ctx context.Context, log io.Writer, flag string, sources []string, want []input.Spec) (*inputSet, error) {
	all := new(inputSet)
	for _, src := range sources {
		set, err := input.Examples(ctx, src, want)
		if err != nil {
			return nil, usage("%s %s: %w", flag, src, err)
		}
		for _, text := range set.Warnings() {
			newLog(log).Warn(text, "from", flag+" "+src)
		}
		for _, c := range set.Cases {
			all.cases = append(all.cases, dense(c, want))
		}
		all.sources = append(all.sources, set.Sources...)
	}
	return all, nil
}

// warn writes warnings to the log.
func warn(w io.Writer, warnings []string) {
	for _, text := range warnings {
		newLog(w).Warn(text)
	}
}

// someExamples is loadExamples where there must be some.
func someExamples(ctx context.Context, log io.Writer, flag string, sources []string, want []input.Spec) (*inputSet, error) {
	all, err := loadExamples(ctx, log, flag, sources, want)
	if err == nil && len(all.cases) == 0 {
		err = errors.New("no examples")
	}
	return all, err
}

// dense makes the tensors of one case.
func dense(values input.Case, want []input.Spec) []*num.Tensor {
	var all []*num.Tensor
	for i, w := range want {
		all = append(all, num.New(w.Shape, values[i]))
	}
	return all
}
