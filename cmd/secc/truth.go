package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
)

// truth is what the label file says: a class a case, or a row of 0 and 1 a case.
type truth struct {
	class []int
	multi [][]bool
}

// loadTruth reads the file of right answers.
func loadTruth(path string, p *plan.Plan, n int) (*truth, error) {
	if path == "" {
		return nil, nil
	}
	b, err := input.ReadFile(path)
	if err != nil {
		return nil, usage("--labels: %w", err)
	}
	lines, err := answerLines(b)
	if err != nil {
		return nil, usage("--labels %s: %w", path, err)
	}
	if len(lines) < n {
		return nil, usage("--labels %s: %d answers for %d examples", path, len(lines), n)
	}
	outs := classes(p)
	t := new(truth)
	for i, line := range lines[:n] {
		if err := t.add(line, p.Labels, outs); err != nil {
			return nil, usage("--labels %s: answer %d: %w", path, i+1, err)
		}
	}
	if t.class != nil && t.multi != nil {
		return nil, usage("--labels %s: some answers name a class, others have a 0 or 1 for each output", path)
	}
	return t, nil
}

// answerLines splits a text or JSON file into one answer a line.
func answerLines(b []byte) ([]string, error) {
	text := strings.TrimSpace(string(b))
	if !strings.HasPrefix(text, "[") {
		return strings.Split(strings.ReplaceAll(text, "\r", ""), "\n"), nil
	}
	var list []any
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, err
	}
	lines := make([]string, len(list))
	for i, x := range list {
		lines[i] = strings.Trim(fmt.Sprint(x), "[]")
	}
	return lines, nil
}

func (t *truth) add(line string, labels []string, outs int) error {
	if at := slices.Index(labels, strings.TrimSpace(line)); at >= 0 {
		t.class = append(t.class, at)
		return nil
	}
	fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" ,;\t", r) })
	if len(fields) == 1 {
		class, err := strconv.Atoi(fields[0])
		if err != nil || class < 0 || class >= outs {
			return fmt.Errorf("%.40q is neither a label of the plan nor one of %d class numbers", line, outs)
		}
		t.class = append(t.class, class)
		return nil
	}
	if len(fields) != outs {
		return fmt.Errorf("%d numbers for %d outputs", len(fields), outs)
	}
	row := make([]bool, outs)
	for i, f := range fields {
		if f != "0" && f != "1" {
			return fmt.Errorf("%.20q is neither 0 nor 1", f)
		}
		row[i] = f == "1"
	}
	t.multi = append(t.multi, row)
	return nil
}
