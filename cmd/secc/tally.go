package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"secc.example/secc/cmd/internal/out"
)

// tally shows how many examples are done: a bar on a terminal, elsewhere a line
// now and then, once it takes long enough to ask.
type tally struct {
	w           io.Writer
	n           int
	quiet       bool
	bar         *progressbar.ProgressBar // nil off a terminal
	start, next time.Time
}

func newTally(w io.Writer, quiet bool, n int) *tally {
	t := &tally{w: w, n: n, quiet: quiet, start: time.Now(), next: time.Now().Add(2 * time.Second)}
	if f, ok := out.File(w); ok && !quiet && term.IsTerminal(int(f.Fd())) {
		t.bar = progressbar.NewOptions(n, progressbar.OptionSetWriter(f), progressbar.OptionSetWidth(24),
			progressbar.OptionSetDescription("examples"), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(60*time.Millisecond), progressbar.OptionSetElapsedTime(true))
	}
	return t
}

// step is called before example i.
func (t *tally) step(i int) {
	switch {
	case t.quiet:
	case t.bar != nil:
		_ = t.bar.Set(i) // a broken terminal must not stop the work
	case i > 0 && time.Now().After(t.next):
		t.next = time.Now().Add(5 * time.Second)
		left := time.Duration(float64(time.Since(t.start)) / float64(i) * float64(t.n-i)).Round(time.Second)
		fmt.Fprintf(t.w, "secc: %d of %d examples, about %s left\n", i, t.n, left)
	}
}

func (t *tally) end() {
	if t.bar != nil {
		_ = t.bar.Clear()
	}
}
