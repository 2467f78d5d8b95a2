package ask

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/store"
)

// openRuns gets ready what sessions know of prepared inferences.
func (r *run) openRuns() (err error) {
	r.session.Prepare = r.prepare
	if r.store == "" {
		return nil
	}
	if r.session.Store, err = store.OpenFolder(r.store, r.storeKey, 0); err != nil {
		return exit.Usagef("--store: %w", err)
	}
	r.session.Keep, r.session.Peer = r.prepare, "host "+r.URL.Host
	r.session.Note = func(text string) { r.log.Info(text) }
	if !r.quiet {
		r.session.Kept = func(n, of int) { r.log.Info("a prepared inference is kept", "number", n, "of", of) }
	}
	return nil
}

func (r *run) closeRuns() {
	if s := r.session.Store; s != nil {
		if err := s.Close(); err != nil {
			r.log.Error("--store", "error", err)
		}
	}
}

// preparing prepares inferences for later, and asks nothing.
func (r *run) preparing(ctx context.Context) error {
	report, _, err := r.infer(ctx, nil, r.show.At(0, 1), func(int, *plan.Report, *remote.Opened) error { return nil })
	if err != nil {
		return err
	}
	if r.format == "json" {
		r.printed++
		return printJSON(r.stdout, report)
	}
	_, err = fmt.Fprintln(r.stdout, answer.Summary(report))
	return err
}
