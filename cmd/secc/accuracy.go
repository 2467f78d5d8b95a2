package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"secc.example/secc/frontend/input"
)

// loadAccuracies reads how accurate models are, from a file of lines MODEL,ACCURACY
// or a JSON map, in the order of the models' paths. A model is named by its path, its
// file or what its row in the comparison is called; a name that several have is none.
func loadAccuracies(file string, paths []string) ([]float64, error) {
	b, err := input.ReadFile(file)
	if err != nil {
		return nil, usage("--accuracy: %w", err)
	}
	named, err := accuracyLines(strings.TrimSpace(strings.TrimPrefix(string(b), "\ufeff")))
	if err != nil {
		return nil, usage("--accuracy %s: %w", file, err)
	}
	shared := map[string]int{}
	for _, path := range paths {
		for _, name := range modelNames(path) {
			shared[name]++
		}
	}
	all := make([]float64, len(paths))
	for i, path := range paths {
		found := false
		for _, name := range modelNames(path) {
			a, ok := named[name]
			if ok && shared[name] > 1 {
				return nil, hint(usage("--accuracy %s: %q is the name of several of the models", file, name), "name them by their paths")
			}
			if ok && !found {
				all[i], found = a, true
			}
		}
		if !found {
			return nil, hint(usage("--accuracy %s: nothing about %s", file, path), fmt.Sprintf("a line %s,0.91 says it", backboneName(path)))
		}
	}
	return all, nil
}

// modelNames are the different names that a model has in a file of accuracies.
func modelNames(path string) []string {
	names := []string{path}
	for _, name := range []string{filepath.Base(path), strings.TrimSuffix(filepath.Base(path), ".onnx"), backboneName(path)} {
		known := false
		for _, n := range names {
			known = known || n == name
		}
		if !known {
			names = append(names, name)
		}
	}
	return names
}

func accuracyLines(text string) (map[string]float64, error) {
	named := map[string]float64{}
	if strings.HasPrefix(text, "{") {
		if err := json.Unmarshal([]byte(text), &named); err != nil {
			return nil, err
		}
		for name, a := range named {
			if a < 0 || a > 1 {
				return nil, fmt.Errorf("%.60q: %g does not lie between 0 and 1", name, a)
			}
		}
		return named, nil
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.TrimLeadingSpace, r.Comment = -1, true, '#'
	lines, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	for i, fields := range lines {
		if len(fields) < 2 {
			return nil, fmt.Errorf("line %d: %.60q is not MODEL,ACCURACY", i+1, strings.Join(fields, ","))
		}
		name := strings.TrimSpace(fields[0])
		a, err := parseAccuracy(fields[1])
		switch {
		case err != nil && i == 0:
			continue // the heading
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if _, twice := named[name]; twice {
			return nil, fmt.Errorf("line %d: %.60q once more", i+1, name)
		}
		named[name] = a
	}
	return named, nil
}

// parseAccuracy reads 0.91 or 91 %.
func parseAccuracy(s string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	a, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		a /= 100
	}
	if err != nil || !(a >= 0 && a <= 1) {
		return 0, fmt.Errorf("%.20q is no accuracy: write 0.91 or 91 %%", s)
	}
	return a, nil
}

// pareto says which points no other beats: as accurate for less, or more accurate
// for no more.
func pareto(accuracy, cost []float64) []bool {
	front := make([]bool, len(cost))
	for i := range cost {
		front[i] = true
		for j := range cost {
			no := accuracy[j] >= accuracy[i] && cost[j] <= cost[i]
			if no && (accuracy[j] > accuracy[i] || cost[j] < cost[i]) {
				front[i] = false
			}
		}
	}
	return front
}
