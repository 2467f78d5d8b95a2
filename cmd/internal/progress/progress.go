// Package progress shows how far a run has come.
package progress

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/runtime"
)

// Progress shows how far a run has come: a bar with the current operator and
// the time left on a terminal, a line now and then elsewhere.
type Progress struct {
	Tell func(done float64, operator string) // is told at every step, quiet or not; may be nil

	w     io.Writer
	bar   *progressbar.ProgressBar // nil off a terminal
	quiet bool
	share []float64 // predicted fraction of the work done before each call
	next  time.Time // when the next plain line is due

	at, of int // which inference of how many
	begun  time.Time
}

// At says that the next inference is number at, from 0, of so many.
func (s *Progress) At(at, of int) *Progress {
	s.at, s.of = at, max(of, 1)
	return s
}

// barSteps is the resolution of the bar.
const barSteps = 1000

// New shows the progress of runs of p on w; quiet: nothing.
func New(w io.Writer, quiet bool, p *plan.Plan) *Progress {
	s := &Progress{w: w, quiet: quiet, share: workShares(p), next: time.Now().Add(time.Second), of: 1, begun: time.Now()}
	if f, ok := out.File(w); ok && !quiet && term.IsTerminal(int(f.Fd())) {
		s.bar = progressbar.NewOptions(barSteps, progressbar.OptionSetWriter(f), progressbar.OptionSetWidth(24),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(60*time.Millisecond),
			progressbar.OptionSetElapsedTime(true))
	}
	return s
}

// workShares weighs the calls by what they send and compute, roughly.
func workShares(p *plan.Plan) []float64 {
	var done []float64
	total := 0.0
	for _, call := range p.Calls() {
		done = append(done, total)
		c := p.CallCost(call)
		total += 1 + float64(c.ToServer()+c.ToClient())/64 + float64(c.COTs.ServerSends+c.COTs.ClientSends)/16
		total += 50 * (c.Work.Server[plan.UnitNTT] + c.Work.Server[plan.UnitMAC]/8 + 4*c.Work.Client[plan.UnitEncrypt])
	}
	for i := range done {
		done[i] /= total
	}
	return append(done, 1)
}

// Step is called before each call.
func (s *Progress) Step(p runtime.Progress) {
	at, of := s.at+p.Inference, max(s.of, s.at+p.Inferences)
	done := (float64(at) + s.share[min(p.Call, len(s.share)-1)]) / float64(of)
	name := ""
	if p.Next != nil {
		name = out.Line(fmt.Sprintf("%s %s", p.Next.Op, p.Next.Name))
	}
	if s.Tell != nil {
		s.Tell(done, name)
	}
	if s.quiet {
		return
	}
	if of > 1 {
		name = fmt.Sprintf("input %d of %d  %s", at+1, of, name)
	}
	if s.bar != nil {
		s.bar.Describe(fmt.Sprintf("%-32.32s", name))
		_ = s.bar.Set(int(done * barSteps)) // a broken terminal must not stop the run
		return
	}
	if time.Now().Before(s.next) || p.Next == nil {
		return
	}
	s.next = time.Now().Add(5 * time.Second)
	left := "?"
	if done > 0.01 {
		elapsed := time.Since(s.begun)
		left = (time.Duration(float64(elapsed)/done) - elapsed).Round(time.Second).String()
	}
	fmt.Fprintf(s.w, "secc: %3.0f %%  %d/%d  %s  about %s left\n", 100*done, p.Call, p.Calls, name, left)
}

// End clears the bar.
func (s *Progress) End() {
	if s.bar != nil {
		_ = s.bar.Clear()
	}
}
