// Package answer shows a client what it learnt.
package answer

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime"
)

// Most is how much an answer lists.
type Most struct {
	Classes     int  // so many, the best first
	AllFindings bool // findings, of which several may hold, are all listed
}

// answersOf reads every output of a run for every input of it.
func answersOf(p *plan.Plan, outputs []plan.OutputValues, labels []string, most Most) (list []plan.Answer) {
	batch := p.Batch()
	for i := range batch {
		for k, o := range outputs {
			kind, classes := p.KindOf(k)
			a := plan.Answer{Input: i + 1, Output: o.Name, Kind: kind}
			per := len(o.Values) / batch
			values := o.Values[i*per : (i+1)*per]
			n := most.Classes
			if most.AllFindings && kind == plan.AnswerFindings {
				n = len(values)
			}
			a.Labels = ranked(kind, values, named(labels, classes), n)
			list = append(list, a)
		}
	}
	return list
}

// named are the labels where they are those of an output's classes.
func named(labels []string, classes int) []string {
	if len(labels) != classes {
		return nil
	}
	return labels
}

// ranked gives the classes of an answer, the best first, at most so many.
func ranked(kind plan.AnswerKind, values []float32, labels []string, most int) (all []plan.LabelScore) {
	switch kind {
	case plan.AnswerTensor:
		return nil
	case plan.AnswerClasses:
		for _, v := range values {
			all = append(all, plan.LabelScore{Index: int(v)})
		}
	case plan.AnswerPlaces:
		all = shares(values)
	default:
		for i, v := range values {
			all = append(all, plan.LabelScore{Index: i, Score: float64(v)})
		}
		slices.SortStableFunc(all, byScore)
	}
	all = all[:min(most, len(all))]
	for i := range all {
		if at := all[i].Index; at >= 0 && at < len(labels) {
			all[i].Label = strings.TrimSpace(labels[at])
		}
	}
	return all
}

func byScore(a, b plan.LabelScore) int {
	switch {
	case a.Score > b.Score:
		return -1
	case a.Score < b.Score:
		return 1
	}
	return 0
}

// shares counts how much of the places each class takes.
func shares(values []float32) (all []plan.LabelScore) {
	count := map[int]int{}
	for _, v := range values {
		count[int(v)]++
	}
	for class, n := range count {
		all = append(all, plan.LabelScore{Index: class, Score: float64(n) / float64(len(values))})
	}
	slices.SortFunc(all, func(a, b plan.LabelScore) int {
		if c := byScore(a, b); c != 0 {
			return c
		}
		return a.Index - b.Index
	})
	return all
}

// Warnings says what about an inference's inputs looks as if it were not meant so.
func Warnings(p *plan.Plan, q *input.Question) (all []string) {
	for i, in := range p.Inputs {
		for _, text := range q.Tensors[i].Warnings {
			all = append(all, fmt.Sprintf("input %q: %s", in.Name, text))
		}
	}
	return append(all, runtime.Clipped(p, q.Values())...)
}

// Fill puts what outputs mean into the report of a run.
func Fill(r *plan.Report, p *plan.Plan, labels []string, most Most) {
	r.Answers = answersOf(p, r.Outputs, labels, most)
	if len(r.Answers) == 0 {
		return
	}
	first := r.Answers[0]
	r.Findings = first.Kind == plan.AnswerFindings
	r.Labels = first.Labels
}

// maxPrinted is how many values of a tensor are printed.
const maxPrinted = 16

// Print prints every output for every input, and what the run took.
func Print(w io.Writer, r *plan.Report) error {
	inputs := 1
	for _, a := range r.Answers {
		inputs = max(inputs, a.Input)
	}
	for i, a := range r.Answers {
		if inputs > 1 && (i == 0 || r.Answers[i-1].Input != a.Input) {
			fmt.Fprintf(w, "input %d:\n", a.Input)
		}
		at := slices.IndexFunc(r.Outputs, func(o plan.OutputValues) bool { return o.Name == a.Output })
		if len(r.Outputs) > 1 && at >= 0 {
			fmt.Fprintf(w, "output %s %v:\n", out.Line(a.Output), r.Outputs[at].Shape)
		}
		if a.Kind == plan.AnswerTensor {
			printTensor(w, r.Outputs[at], inputs, a.Input)
			continue
		}
		for rank, l := range a.Labels {
			printLabel(w, a, rank+1, l)
		}
	}
	_, err := fmt.Fprintln(w, Summary(r))
	return err
}

// printLabel prints one line of an answer.
func printLabel(w io.Writer, a plan.Answer, rank int, l plan.LabelScore) {
	switch a.Kind {
	case plan.AnswerFindings:
		fmt.Fprintf(w, "%5.1f %%  %s\n", 100*l.Score, Name(l))
	case plan.AnswerShares:
		fmt.Fprintf(w, "%2d. %-28s %10.1f %%\n", rank, Name(l), 100*l.Score)
	case plan.AnswerPlaces:
		fmt.Fprintf(w, "%5.1f %% of the places: %s\n", 100*l.Score, Name(l))
	case plan.AnswerClasses:
		fmt.Fprintf(w, "%2d. %s\n", rank, Name(l))
	default:
		fmt.Fprintf(w, "%2d. %-28s %12.5f\n", rank, Name(l), l.Score)
	}
}

// Brief is a label with its score, in few words.
func Brief(kind plan.AnswerKind, l plan.LabelScore) string {
	switch kind {
	case plan.AnswerFindings, plan.AnswerShares, plan.AnswerPlaces:
		return fmt.Sprintf("%s %.1f %%", Name(l), 100*l.Score)
	case plan.AnswerClasses:
		return Name(l)
	}
	return fmt.Sprintf("%s %.5g", Name(l), l.Score)
}

// printTensor prints the part of an output that belongs to one input: all of it
// if it is small.
func printTensor(w io.Writer, o plan.OutputValues, inputs, of int) {
	per := len(o.Values) / inputs
	values := o.Values[(of-1)*per : of*per]
	if len(values) <= maxPrinted {
		fmt.Fprintln(w, strings.Trim(fmt.Sprint(values), "[]"))
		return
	}
	sum := 0.0
	for _, v := range values {
		sum += float64(v)
	}
	fmt.Fprintf(w, "%d values from %.5g to %.5g, mean %.5g (--json prints all)\n", len(values), slices.Min(values), slices.Max(values), sum/float64(len(values)))
}

// Name is what a class is called.
func Name(l plan.LabelScore) string {
	if l.Label == "" {
		return fmt.Sprintf("class %d", l.Index)
	}
	return out.Line(l.Label)
}

// ReadLabels reads a file with one label a line.
func ReadLabels(path string) ([]string, error) {
	b, err := input.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text := strings.ReplaceAll(strings.TrimPrefix(string(b), "\ufeff"), "\r\n", "\n")
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%s is not UTF-8", path)
	}
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("%s holds none", path)
	}
	return strings.Split(strings.TrimRight(text, "\n"), "\n"), nil
}

// Summary is one line on what a session took.
func Summary(r *plan.Report) string {
	if n := r.Runs; n != nil && (n.Used > 0 || n.Kept > 0) {
		return fmt.Sprintf("%s; prepared runs: %d used, %d made, %d of them kept", took(r), n.Used, n.Made, n.Kept)
	}
	return took(r)
}

func took(r *plan.Report) string {
	t := r.Total
	if p := t.Prepared; p != nil {
		return fmt.Sprintf("%s (set-up %s, prepared %s, online %s), %d rounds (online %d), %.2f s (online %.2f s)",
			Bytes(t.Bytes), Bytes(t.Setup.ClientToServer+t.Setup.ServerToClient), Bytes(p.ClientToServer+p.ServerToClient), Bytes(t.Online.ClientToServer+t.Online.ServerToClient),
			t.Rounds, t.Online.Rounds, t.Seconds, t.Online.Seconds)
	}
	return fmt.Sprintf("%s (set-up %s, online %s), %d rounds, %.2f s (set-up %.2f s, online %.2f s)",
		Bytes(t.Bytes), Bytes(t.Setup.ClientToServer+t.Setup.ServerToClient), Bytes(t.Online.ClientToServer+t.Online.ServerToClient),
		t.Rounds, t.Seconds, t.Setup.Seconds, t.Online.Seconds)
}

// Bytes prints a number of bytes for people.
func Bytes(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
