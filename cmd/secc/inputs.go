package main

import (
	"errors"

	"gorgonia.org/tensor"

	"secc.example/secc/frontend/input"
)

// loadInputs reads one file for each input of the network.
func loadInputs(args []string, want []input.Spec) ([][]float32, error) {
	values, err := input.Load(args, want)
	if err != nil {
		return nil, usage("%w", err)
	}
	return values, nil
}

// loadExamples reads the examples of a flag's files and directories.
func loadExamples(flag string, sources []string, want []input.Spec) ([][]*tensor.Dense, error) {
	var all [][]*tensor.Dense
	for _, src := range sources {
		cases, err := input.Examples(src, want)
		if err != nil {
			return nil, usage("%s %s: %w", flag, src, err)
		}
		for _, c := range cases {
			all = append(all, dense(c, want))
		}
	}
	return all, nil
}

// someExamples is loadExamples where there must be some.
func someExamples(flag string, sources []string, want []input.Spec) ([][]*tensor.Dense, error) {
	all, err := loadExamples(flag, sources, want)
	if err == nil && len(all) == 0 {
		err = errors.New("no examples")
	}
	return all, err
}

// dense makes the tensors of one case.
func dense(c input.Case, want []input.Spec) []*tensor.Dense {
	var all []*tensor.Dense
	for i, w := range want {
		all = append(all, tensor.New(tensor.WithShape(w.Shape...), tensor.WithBacking(c[i])))
	}
	return all
}
