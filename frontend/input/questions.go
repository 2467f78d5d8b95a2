package input

import (
	"context"
	"fmt"
	"os"
)

// Question is what one inference is about: a tensor for each input of the network.
type Question struct {
	Tensors []Tensor
	Source  string // the file, or the first of several, or the example of a folder
}

// Values are those of all inputs.
func (q *Question) Values() (all [][]float32) {
	for _, t := range q.Tensors {
		all = append(all, t.Values)
	}
	return all
}

// Questions reads the inputs of one inference or of several in a row: one file for each
// input of the network, in order or as NAME=FILE, then those of the next inference; a folder
// stands for all examples in it (see Examples).
func Questions(ctx context.Context, args []string, want []Spec) (all []Question, err error) {
	var files []string
	take := func() error {
		t, err := Load(files, want)
		if err != nil {
			return err
		}
		all = append(all, Question{t, files[0]})
		files = nil
		return nil
	}
	for _, arg := range args {
		if info, err := os.Stat(arg); err == nil && info.IsDir() && len(files) == 0 {
			more, err := fromFolder(ctx, arg, want)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", arg, err)
			}
			all = append(all, more...)
			continue
		}
		if files = append(files, arg); len(files) < filesOf(files[0], want) {
			continue
		}
		if err := take(); err != nil {
			return nil, err
		}
	}
	if len(files) > 0 || len(all) == 0 {
		err = take() // which says how many are wanted
	}
	return all, err
}

// filesOf is how many files a run takes: one for each input; or, for a network whose one
// input holds several examples, one for each of these, if the first is a picture.
func filesOf(first string, want []Spec) int {
	if len(want) == 1 && want[0].Examples() > 1 {
		if is, err := isPicture(File{Paths: []string{first}}); err == nil && is {
			return want[0].Examples()
		}
	}
	return len(want)
}

func fromFolder(ctx context.Context, dir string, want []Spec) (all []Question, err error) {
	set, err := Examples(ctx, dir, want)
	if err != nil {
		return nil, err
	}
	for i, c := range set.Cases {
		q := Question{Source: set.Sources[i]}
		for j, values := range c {
			t := Tensor{Values: values}
			if j == 0 {
				t.Warnings = set.warnings[i]
			}
			q.Tensors = append(q.Tensors, t)
		}
		all = append(all, q)
	}
	return all, nil
}
