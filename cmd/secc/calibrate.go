package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"gorgonia.org/tensor"
)

// loadCalibration reads example inputs. Each source is a file with one or more
// inputs, a directory of such files, or, for networks of several inputs, a
// directory with input_0.pb, input_1.pb and so on.
func loadCalibration(sources []string, want []wanted) ([][]*tensor.Dense, error) {
	var all [][]*tensor.Dense
	for _, src := range sources {
		cases, err := calibrationFrom(src, want)
		if err != nil {
			return nil, usage("--calibrate %s: %w", src, err)
		}
		all = append(all, cases...)
	}
	return all, nil
}

func calibrationFrom(src string, want []wanted) ([][]*tensor.Dense, error) {
	info, err := os.Stat(src)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return calibrationFile(src, want)
	}
	if _, err := os.Stat(filepath.Join(src, "input_0.pb")); err == nil {
		return calibrationSet(src, want)
	}
	entries, err := os.ReadDir(src) // sorted by name
	if err != nil {
		return nil, err
	}
	var all [][]*tensor.Dense
	for _, e := range entries {
		if e.IsDir() || !slices.Contains([]string{".png", ".jpg", ".jpeg", ".npy", ".pb", ".u8", ".f32", ".dcm"}, filepath.Ext(e.Name())) {
			continue
		}
		cases, err := calibrationFile(filepath.Join(src, e.Name()), want)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		all = append(all, cases...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no inputs found")
	}
	return all, nil
}

// calibrationFile reads the inputs that one file holds.
func calibrationFile(path string, want []wanted) ([][]*tensor.Dense, error) {
	if len(want) != 1 {
		return nil, fmt.Errorf("the network takes %d inputs: give directories with input_0.pb, input_1.pb and so on", len(want))
	}
	a, err := readArray(path, want[0])
	if err != nil {
		return nil, fmt.Errorf("input %q: %w", want[0].name, err)
	}
	cases, err := a.cases(want[0])
	if err != nil {
		return nil, fmt.Errorf("input %q: %w", want[0].name, err)
	}
	var all [][]*tensor.Dense
	for _, c := range cases {
		d, err := dense(c, want[0])
		if err != nil {
			return nil, err
		}
		all = append(all, []*tensor.Dense{d})
	}
	return all, nil
}

// calibrationSet reads one case of several inputs.
func calibrationSet(dir string, want []wanted) ([][]*tensor.Dense, error) {
	var one []*tensor.Dense
	for i, w := range want {
		a, err := readArray(filepath.Join(dir, fmt.Sprintf("input_%d.pb", i)), w)
		if err != nil {
			return nil, err
		}
		if len(a.values) != w.len() || !a.fits(w) {
			return nil, fmt.Errorf("input %q: shape %v, the network wants %v", w.name, a.shape, w.shape)
		}
		d, err := dense(a.values, w)
		if err != nil {
			return nil, err
		}
		one = append(one, d)
	}
	return [][]*tensor.Dense{one}, nil
}

func dense(values []float32, w wanted) (*tensor.Dense, error) {
	if i := slices.IndexFunc(values, notFinite); i >= 0 {
		return nil, fmt.Errorf("input %q: element %d is not a finite number", w.name, i)
	}
	return tensor.New(tensor.WithShape(w.shape...), tensor.WithBacking(values)), nil
}
