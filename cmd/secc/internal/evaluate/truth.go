package evaluate

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/frontend/input"
)

// Truth is what the label file says: a class a case, or a row of 0 and 1 a case.
type Truth struct {
	class []int
	multi [][]bool
}

// ByFolder is what --labels says where the names of folders are the answers.
const ByFolder = "folders"

// LoadTruth reads the right answers of examples, which come from the given files:
// by position, by the names of files, or from the names of their folders. Only the
// first n are wanted, if n is not 0; by position there may be as many answers.
func LoadTruth(from string, p *plan.Plan, sources []string, n int) (*Truth, error) {
	all := sources
	if n > 0 {
		sources = sources[:min(n, len(sources))]
	}
	var lines []string
	var err error
	switch {
	case from == "":
		if lines = folders(all); !areLabels(lines, p.Labels) {
			return nil, nil
		}
	case from == ByFolder:
		lines, err = folderClasses(all, p)
	default:
		lines, err = labelFile(from, sources, len(all))
	}
	if err != nil {
		return nil, exit.Usagef("--labels %s: %w", from, err)
	}
	_, outs := p.KindOf(0)
	if outs == 0 {
		return nil, exit.Usagef("--labels: the first output is no list of classes, its shape is %v", p.Outputs[0].Shape)
	}
	t := new(Truth)
	for i, line := range lines[:len(sources)] {
		if err := t.add(line, p.Labels, outs); err != nil {
			return nil, exit.Usagef("--labels %s: answer %d: %w", from, i+1, err)
		}
	}
	if t.class != nil && t.multi != nil {
		return nil, exit.Usagef("--labels %s: some answers name a class, others have a 0 or 1 for each output", from)
	}
	return t, nil
}

// labelFile gives the answers for examples from a file, which may be about all
// that there are.
func labelFile(file string, sources []string, all int) ([]string, error) {
	b, err := input.ReadFile(file)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(strings.TrimPrefix(string(b), "\ufeff"))
	if strings.HasPrefix(text, "{") {
		named, err := jsonMap(text)
		if err != nil {
			return nil, err
		}
		return lookUp(named, sources)
	}
	lines, err := answerLines(text)
	if err != nil {
		return nil, err
	}
	if named := namedLines(lines, sources); named != nil {
		return lookUp(named, sources)
	}
	if len(lines) != len(sources) && len(lines) != all {
		return nil, fmt.Errorf("%d answers for %d examples", len(lines), all)
	}
	return lines, nil
}

// answerLines splits a text or JSON file into one answer a line.
func answerLines(text string) ([]string, error) {
	if !strings.HasPrefix(text, "[") {
		return strings.Split(strings.ReplaceAll(text, "\r", ""), "\n"), nil
	}
	var list []any
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	lines := make([]string, len(list))
	for i, x := range list {
		lines[i] = strings.Trim(fmt.Sprint(x), "[]")
	}
	return lines, nil
}

func jsonMap(text string) (map[string]string, error) {
	var all map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, err
	}
	named := map[string]string{}
	for file, x := range all {
		named[file] = strings.Trim(fmt.Sprint(x), "[]")
	}
	return named, nil
}

// namedLines takes lines of the form file,answer apart, under a heading or not;
// nil if they do not name any of the files.
func namedLines(lines, sources []string) map[string]string {
	if slices.ContainsFunc(sources[1:], func(s string) bool { return s == sources[0] }) {
		return nil // one file with many examples
	}
	named, hits := map[string]string{}, 0
	for _, line := range lines {
		fields, err := csv.NewReader(strings.NewReader(line)).Read()
		if err != nil || len(fields) < 2 {
			continue
		}
		file := strings.TrimSpace(fields[0])
		if slices.ContainsFunc(sources, func(s string) bool { return s == file || path.Base(s) == path.Base(file) }) {
			hits++
		}
		named[file] = strings.TrimSpace(strings.Join(fields[1:], ","))
	}
	if hits == 0 {
		return nil
	}
	return named
}

// lookUp finds the answer of every example: under its path, or under its name
// alone where only one example has it.
func lookUp(named map[string]string, sources []string) ([]string, error) {
	bases := map[string]int{}
	for _, s := range sources {
		bases[path.Base(s)]++
	}
	byBase := map[string]string{}
	for file, answer := range named {
		byBase[path.Base(file)] = answer
	}
	lines := make([]string, len(sources))
	var missing []string
	for i, s := range sources {
		answer, ok := named[s]
		if !ok && bases[path.Base(s)] == 1 {
			answer, ok = byBase[path.Base(s)]
		}
		if !ok {
			missing = append(missing, s)
		}
		lines[i] = answer
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%d of %d examples have no answer, the first is %q", len(missing), len(sources), missing[0])
	}
	return lines, nil
}

// folders gives the name of the folder that each file lies in.
func folders(sources []string) []string {
	names := make([]string, len(sources))
	for i, s := range sources {
		if dir := path.Dir(s); dir != "." {
			names[i] = path.Base(dir)
		}
	}
	return names
}

// areLabels says whether all names are among the plan's labels.
func areLabels(names, labels []string) bool {
	for _, n := range names {
		if n == "" || !slices.Contains(labels, n) {
			return false
		}
	}
	return len(names) > 0
}

// folderClasses makes answers of the folders' names: labels of the plan or class
// numbers, else the folders in the order of their names, as torchvision's
// ImageFolder counts them.
func folderClasses(sources []string, p *plan.Plan) ([]string, error) {
	names := folders(sources)
	if slices.Contains(names, "") {
		return nil, errors.New("some examples lie in no folder")
	}
	all := slices.Compact(slices.Sorted(slices.Values(names)))
	_, outs := p.KindOf(0)
	numbers := !slices.ContainsFunc(all, func(s string) bool { _, err := strconv.Atoi(s); return err != nil })
	if areLabels(names, p.Labels) || numbers {
		return names, nil
	}
	if len(all) != outs {
		return nil, fmt.Errorf("%d folders for %d classes: name the folders as the plan's labels, or by class number", len(all), outs)
	}
	for i, n := range names {
		names[i] = strconv.Itoa(slices.Index(all, n))
	}
	return names, nil
}

func (t *Truth) add(line string, labels []string, outs int) error {
	if at := slices.Index(labels, strings.TrimSpace(line)); at >= 0 {
		t.class = append(t.class, at)
		return nil
	}
	fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" ,;\t", r) })
	if len(fields) == 1 {
		class, err := strconv.Atoi(fields[0])
		if err == nil && outs == 1 && (class == 0 || class == 1) { // one finding
			t.multi = append(t.multi, []bool{class == 1})
			return nil
		}
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
