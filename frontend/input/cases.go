package input

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Case is one example: the values of every input.
type Case [][]float32

// Examples reads example inputs. A source is a file with one or more inputs, a
// directory of such files, or, for networks of several inputs, a directory with
// input_0.pb, input_1.pb and so on.
func Examples(source string, want []Spec) ([]Case, error) {
	info, err := os.Stat(source)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return fileCases(source, want)
	}
	if _, err := os.Stat(filepath.Join(source, "input_0.pb")); err == nil {
		return setCase(source, want)
	}
	entries, err := os.ReadDir(source) // sorted by name
	if err != nil {
		return nil, err
	}
	var all []Case
	for _, e := range entries {
		if e.IsDir() || !slices.Contains([]string{".png", ".jpg", ".jpeg", ".npy", ".pb", ".u8", ".f32", ".dcm"}, filepath.Ext(e.Name())) {
			continue
		}
		cases, err := fileCases(filepath.Join(source, e.Name()), want)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		all = append(all, cases...)
	}
	if len(all) == 0 {
		return nil, errors.New("no inputs found")
	}
	return all, nil
}

// fileCases reads the inputs that one file holds.
func fileCases(path string, want []Spec) ([]Case, error) {
	if len(want) != 1 {
		return nil, fmt.Errorf("the network takes %d inputs: give directories with input_0.pb, input_1.pb and so on", len(want))
	}
	a, err := Read(path, want[0])
	if err == nil {
		err = notFiniteAt(a.Values)
	}
	if err != nil {
		return nil, fmt.Errorf("input %q: %w", want[0].Name, err)
	}
	inputs, err := a.Cases(want[0])
	if err != nil {
		return nil, fmt.Errorf("input %q: %w", want[0].Name, err)
	}
	var all []Case
	for _, in := range inputs {
		all = append(all, Case{in})
	}
	return all, nil
}

// setCase reads one case of several inputs.
func setCase(dir string, want []Spec) ([]Case, error) {
	var one Case
	for i, w := range want {
		a, err := Read(filepath.Join(dir, fmt.Sprintf("input_%d.pb", i)), w)
		if err == nil {
			err = notFiniteAt(a.Values)
		}
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", w.Name, err)
		}
		if len(a.Values) != w.N() || !a.fits(w) {
			return nil, fmt.Errorf("input %q: shape %v, the network wants %v", w.Name, a.Shape, w.Shape)
		}
		one = append(one, a.Values)
	}
	return []Case{one}, nil
}
