package answer

import (
	"encoding/json"
	"fmt"
	"io"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/out"
)

// Show prints the answers of a session's inferences as they come.
type Show struct {
	To      io.Writer
	Plan    *plan.Plan
	Labels  []string
	Most    Most
	JSON    bool // a line for each inference; of several, one more for all together
	Sources []string
	Warned  [][]string // of each inference
	Peak    func() int64
}

// Answer prints one inference's answer, of several.
func (s *Show) Answer(i int, r *plan.Report) error {
	if len(s.Sources) == 1 {
		return nil // printed with all that the session took
	}
	r.Source = s.Sources[i]
	if !s.JSON {
		fmt.Fprintf(s.To, "%s (%d of %d)\n", out.Line(r.Source), i+1, len(s.Sources))
	}
	return s.print(i, r)
}

// Session prints what all took, and the answer if it was the only one.
func (s *Show) Session(r *plan.Report) error {
	if len(s.Sources) == 1 {
		return s.print(0, r)
	}
	r.PeakRSS = s.Peak()
	if s.JSON {
		return line(s.To, r)
	}
	n := float64(len(s.Sources))
	_, err := fmt.Fprintf(s.To, "%d inferences: %s; each %s and %.2f s\n", len(s.Sources), Summary(r), Bytes(int64(float64(r.Total.Bytes)/n)), r.Total.Seconds/n)
	return err
}

func (s *Show) print(i int, r *plan.Report) error {
	Fill(r, s.Plan, s.Labels, s.Most)
	r.Warnings = s.Warned[i]
	if !s.JSON {
		return Print(s.To, r)
	}
	r.PeakRSS = s.Peak()
	return line(s.To, r)
}

func line(w io.Writer, r *plan.Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
