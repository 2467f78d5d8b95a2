package ask

import (
	"context"
	"errors"
	"time"

	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/frontend/input"
)

// watch is a folder that files come into.
type watch struct {
	seen map[string]string // by name: size and time at the last look
	done map[string]string // when it was asked about
	told string            // the last error
}

// watching asks for every file that comes into a folder. A file is read when it has stood
// still from one look to the next.
func (r *run) watching(ctx context.Context) error {
	if !folder(r.watch) {
		return exit.Usagef("--watch: %s is no folder", r.watch)
	}
	r.log.Info("watching", "folder", r.watch, "answers", r.out)
	w := watch{seen: map[string]string{}, done: map[string]string{}}
	for {
		files, _, err := input.Files(ctx, r.watch, input.Specs(r.plan))
		if err != nil {
			r.log.Warn("the folder cannot be read", "error", err)
		}
		if err := r.looked(ctx, &w, w.still(files)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(r.poll):
		}
	}
}

// still gives the files that have stood still and were not asked about as they are now.
func (w *watch) still(files []input.File) (ready []input.File) {
	for _, f := range files {
		now := stamp(f.Paths)
		if now == "" || w.seen[f.Name] != now {
			w.seen[f.Name] = now
			continue
		}
		if w.done[f.Name] != now {
			w.done[f.Name] = now
			ready = append(ready, f)
		}
	}
	return ready
}

// looked asks about the files of a look. Where nobody was there to be asked, or a run lacks
// examples, those without an answer are tried again at the next; where answers cannot be kept, or
// all would be in vain, it ends.
func (r *run) looked(ctx context.Context, w *watch, ready []input.File) error {
	r.silent = 0
	files, err := r.slices(ctx, ready)
	again := err != nil
	if err == nil {
		err = r.each(ctx, files)
	}
	if again = again || r.silent > 0; again {
		for _, f := range ready {
			delete(w.done, f.Name)
		}
	}
	var unkept *lostError
	var vain *vainError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &unkept), errors.As(err, &vain):
		return err
	case err != nil && err.Error() != w.told:
		w.told = err.Error()
		r.log.Error(w.told)
	}
	return nil
}
