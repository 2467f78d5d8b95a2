package ask

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/progress"
	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/client"
	"secc.example/secc/runtime/receipt"
	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/transport"
)

// run is a call of the command that has begun.
type run struct {
	*Command
	stdin          io.Reader
	stdout, stderr io.Writer
	log            *slog.Logger

	plan    *plan.Plan
	known   *memory
	key     *receipt.Key // by which this client signs receipts
	named   []string     // labels
	show    *progress.Progress
	printed int  // records on stdout
	told    bool // what went wrong stands there
	noDICOM sync.Once
	hashed  struct{ of, sum string }
	reports map[string]*reportSeries

	total, asked, failed, skipped int
	silent                        int   // inputs in a row that found nobody to ask
	alone                         bool  // budgets have no room for more than one inference a session
	first                         error // what went wrong first
}

// inference is one question: the values of all inputs, and where they are from.
type inference struct {
	name   string   // its own among all of the run
	paths  []string // files that it was read from
	digest string   // SHA-256 of those
	values input.Case
	warned []string
}

// lost is after how many inputs in a row that nobody could be asked about a run ends.
const lost = 3

// asking asks about everything that the command line names.
func (r *run) asking(ctx context.Context) error {
	files, err := r.files(ctx)
	if err != nil {
		return err
	}
	if len(files) == 1 && r.out == "" && r.format != "csv" {
		return r.single(ctx, files[0])
	}
	if err := r.each(ctx, files); err != nil {
		return err
	}
	return r.verdict()
}

// files lists the inputs of the command line.
func (r *run) files(ctx context.Context) (all []input.File, err error) {
	want := input.Specs(r.plan)
	if len(want) > 1 && !folder(r.inputs[0]) && r.inputs[0] != "-" {
		paths, err := input.Assign(r.inputs, want)
		if err != nil {
			return nil, exit.Usagef("%w", err)
		}
		return []input.File{{Name: filepath.Base(paths[0]), Paths: paths}}, nil
	}
	for _, source := range r.inputs {
		var more []input.File
		if source == "-" {
			more, err = r.listed(ctx, want)
		} else {
			more, err = r.found(ctx, withoutName(source, want), want)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	if len(all) == 0 {
		return nil, exit.Hinted(exit.Usagef("no inputs found in %s", strings.Join(r.inputs, ", ")), "inputs are PNG, JPEG, DICOM, .npy, .pb, .f32 and, in .txt, numbers")
	}
	if all, err = r.distinct(all); err != nil {
		return nil, err
	}
	return r.slices(ctx, all)
}

// found lists the inputs of a file or a folder.
func (r *run) found(ctx context.Context, source string, want []input.Spec) ([]input.File, error) {
	all, skipped, err := input.Files(ctx, source, want)
	if err != nil {
		return nil, exit.Usagef("%w", err)
	}
	if len(skipped) > 0 {
		r.log.Warn("files that are no inputs were left out", "from", source, "files", strings.Join(skipped, ", "))
	}
	return all, nil
}

// slices takes the frames of files apart, puts series in order, and fills the runs of plans that
// take several examples.
func (r *run) slices(ctx context.Context, files []input.File) ([]input.File, error) {
	next := time.Now().Add(time.Second)
	all, notes, err := input.Slices(files, func(done, of int) error {
		if !r.quiet && time.Now().After(next) {
			next = time.Now().Add(5 * time.Second)
			r.log.Info("looking at files", "done", done, "of", of)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		r.log.Warn(n)
	}
	if all, err = input.Batches(all, input.Specs(r.plan)); err != nil {
		return nil, exit.Coded(exit.Usage, err)
	}
	return all, nil
}

// listed reads names of files and folders, one a line. Their answers are named as they are: what
// is listed together need not lie together. One that is not there is an input that fails.
func (r *run) listed(ctx context.Context, want []input.Spec) (all []input.File, err error) {
	s := bufio.NewScanner(r.stdin)
	for s.Scan() {
		path := strings.TrimRight(s.Text(), "\r")
		if path == "" {
			continue
		}
		more := []input.File{{Paths: []string{path}}}
		if folder(path) || len(want) > 1 {
			if more, err = r.found(ctx, path, want); err != nil {
				return nil, err
			}
		}
		for _, f := range more {
			f.Name = local(path, f.Name)
			all = append(all, f)
		}
	}
	if err := s.Err(); err != nil {
		return nil, exit.Usagef("standard input: %w", err)
	}
	return all, nil
}

// local is a name for what lies under a path, or for the path itself, that stays below the folder
// of answers.
func local(at, name string) string {
	at = strings.TrimPrefix(filepath.Clean(at), filepath.VolumeName(at))
	at = strings.TrimLeft(path.Join(filepath.ToSlash(at), name), "/")
	for strings.HasPrefix(at, "../") {
		at = at[len("../"):]
	}
	return at
}

// distinct makes sure that no two inputs have the same answer's name: those of several sources
// that would are named by their paths. One that is given twice is asked about once.
func (r *run) distinct(files []input.File) (all []input.File, err error) {
	given, names := map[string]bool{}, map[string]int{}
	for _, f := range files {
		paths := strings.Join(f.Paths, "\x00")
		if given[paths] {
			r.log.Warn("the file is given twice, and asked about once", "file", f.Name)
			continue
		}
		given[paths] = true
		names[f.Name]++
		all = append(all, f)
	}
	places := map[string]string{}
	for i, f := range all {
		if names[f.Name] > 1 {
			all[i].Name = local(f.Paths[0], "")
		}
		place := r.place(all[i].Name, "")
		if other, taken := places[place]; taken {
			return nil, exit.Hinted(exit.Usagef("%s and %s would have the same answer file, %s.json", other, f.Paths[0], place), "ask about them one after the other, with another --out")
		}
		places[place] = f.Paths[0]
	}
	return all, nil
}

// withoutName takes the input's name off NAME=FILE.
func withoutName(source string, want []input.Spec) string {
	return strings.TrimPrefix(source, want[0].Name+"=")
}

func folder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// single asks about one file and prints all that there is to say.
func (r *run) single(ctx context.Context, f input.File) error {
	cases, warnings, err := f.Read(input.Specs(r.plan))
	if err != nil {
		return exit.Coded(exit.Usage, fmt.Errorf("%s: %w", f.Paths[0], err))
	}
	if len(cases) > 1 {
		if err := r.each(ctx, []input.File{f}); err != nil {
			return err
		}
		return r.verdict()
	}
	r.warn(f.Name, r.unlike(cases[0], warnings))
	var outputs []plan.OutputValues
	report, _, err := r.infer(ctx, cases, r.show.At(0, 1), func(_ int, one *plan.Report, session *remote.Opened) error {
		if outputs = one.Outputs; r.verbose {
			r.log.Info("done", "session", session.Name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	report.Outputs = outputs
	answer.Fill(report, r.plan, r.named, r.most)
	report.Warnings = r.unlike(cases[0], warnings)
	if r.format == "json" {
		r.printed++
		return printJSON(r.stdout, report)
	}
	return answer.Print(r.stdout, report)
}

// A session makes at most so many inferences, whose inputs are held until then and have no
// more than so many elements together: what a session is set up with is made once.
const (
	maxGroup    = 16
	maxElements = 1 << 24
)

// each asks about files in turn. What goes wrong with one is no matter of the others; when
// nobody is there to be asked, it ends.
func (r *run) each(ctx context.Context, files []input.File) error {
	group := r.group()
	var waiting []inference
	for i, f := range files {
		waiting = append(waiting, r.read(f)...)
		r.total = r.asked + r.failed + r.skipped + len(waiting) + len(files) - i - 1
		for len(waiting) >= group || i+1 == len(files) && len(waiting) > 0 {
			n := min(group, len(waiting))
			if err := r.questions(ctx, waiting[:n]); err != nil {
				return err
			}
			waiting = waiting[n:]
		}
	}
	return nil
}

// group is how many inferences share a session.
func (r *run) group() int {
	n := 0
	for _, w := range input.Specs(r.plan) {
		n += w.N()
	}
	return min(maxGroup, max(1, maxElements/max(n, 1)))
}

// read gives what is to be asked about a file. What cannot be read was told.
func (r *run) read(f input.File) (list []inference) {
	digest, err := r.digestOf(slices.Clone(f.Paths))
	if err == nil && r.answered(f.Name, digest) != nil && len(r.lacking(f.Name)) == 0 {
		r.skipped++
		return nil
	}
	cases, warnings, readErr := f.Read(input.Specs(r.plan))
	if err = errors.Join(err, readErr); errors.Is(err, input.ErrNoInput) {
		r.log.Warn("left out: it holds no input", "file", f.Name)
		return nil
	}
	if err != nil {
		r.fail(inference{name: f.Name, paths: f.Paths, digest: digest}, exit.Coded(exit.Usage, err))
		return nil
	}
	for i, c := range cases {
		q := inference{f.Name, f.Paths, digest, c, r.unlike(c, warnings)}
		if len(cases) > 1 {
			q.name = fmt.Sprintf("%s#%d", f.Name, i+1)
		}
		if rec := r.answered(q.name, digest); rec == nil {
			r.warn(q.name, q.warned)
			list = append(list, q)
		} else if err := r.also(q, rec, r.lacking(q.name)); err != nil {
			r.fail(q, err)
		} else {
			r.skipped++
		}
	}
	return list
}

// questions asks about several in one session. If that ends early, the inference that was
// under way has failed, and those behind it are asked about in another.
func (r *run) questions(ctx context.Context, list []inference) error {
	var unkept *lostError
	for len(list) > 0 {
		n := len(list)
		if r.alone {
			n = 1
		}
		done, err := r.several(ctx, list[:n])
		list = list[done:]
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			r.silent = 0
			continue
		case n > 1 && done == 0 && overBudget(err): // there may be room for one
			r.alone = true
			continue
		case errors.As(err, &unkept):
			return exit.Hinted(fmt.Errorf("%d inputs have no answer: %w", r.left(), err), "make room, or give another --out; the same command goes on where it was")
		case done == n: // the end was not as it should be
			r.log.Warn("the session broke off behind its last answer", "error", err)
			continue
		}
		r.fail(list[0], err)
		list = list[1:]
		if err := r.goingOn(err); err != nil {
			return err
		}
	}
	return nil
}

// goingOn ends a run when what went wrong with an input will go wrong with all of them: the
// parties do not agree, nobody lets this client in, nobody is there.
func (r *run) goingOn(err error) error {
	var unreached *client.ConnectError
	if r.silent++; !errors.As(err, &unreached) {
		r.silent = 0
	}
	left := r.left()
	switch {
	case left == 0:
		return nil
	case errors.Is(err, transport.ErrMismatch), errors.Is(err, transport.ErrAuth):
		return &vainError{fmt.Errorf("%d inputs were not tried: %w", left, err)}
	case r.silent == lost:
		return fmt.Errorf("%d inputs in a row found nobody to ask, %d were not tried: %w", lost, left, err)
	}
	return nil
}

// vainError says that asking again would be in vain.
type vainError struct{ error }

func (e *vainError) Unwrap() error { return e.error }

// left is how many inputs were not tried yet.
func (r *run) left() int { return r.total - r.asked - r.failed - r.skipped }

// overBudget tells whether the service refuses as many as were asked for.
func overBudget(err error) bool {
	var refused *remote.StatusError
	return errors.As(err, &refused) && refused.Status == http.StatusTooManyRequests
}

// several asks in one session and keeps the answers as they come; it says how many there were.
func (r *run) several(ctx context.Context, list []inference) (done int, err error) {
	var cases []input.Case
	for _, q := range list {
		cases = append(cases, q.values)
	}
	var records []*Record
	_, signed, err := r.infer(ctx, cases, r.show.At(r.asked+r.failed+r.skipped, r.total), func(i int, report *plan.Report, session *remote.Opened) error {
		answer.Fill(report, r.plan, r.named, r.most)
		record := r.record(list[i], report, session)
		if err := r.keep(list[i], record); err != nil {
			return &lostError{err}
		}
		records = append(records, record)
		r.asked++
		return r.line(record)
	})
	if bad := r.sealed(list, records, signed); bad != nil {
		err = errors.Join(&lostError{bad}, err)
	}
	return len(records), err
}

// lostError says that an answer could not be kept: the next one could not be either.
type lostError struct{ err error }

func (e *lostError) Error() string { return "the answer cannot be kept: " + e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// infer runs inferences in one session, and says what the service signed of it, if it does.
func (r *run) infer(ctx context.Context, cases []input.Case, show *progress.Progress, take func(i int, report *plan.Report, session *remote.Opened) error) (report *plan.Report, signed *Receipt, err error) {
	defer show.End()
	d, err := r.plan.Digest()
	if err != nil {
		return nil, nil, err
	}
	var open remote.Opened
	said := new(transport.Transcript)
	with := client.Client{Plan: r.plan, Session: r.session, Connect: func(ctx context.Context) (net.Conn, error) {
		err := r.trying(ctx, func() error {
			o, err := r.Open(ctx, d, len(cases), r.session.Keep)
			if err == nil {
				open = *o
			}
			return unreachable(err)
		})
		if err == nil {
			if err = r.signer(&open); err != nil { // before a byte is sent
				open.Conn.Close()
			}
		}
		return open.Conn, err
	}}
	ready := r.unlessQuick("setting up the session")
	defer ready()
	with.Session.Transport.Transcript = said
	with.Session.Progress = func(p runtime.Progress) { ready(); show.Step(p) }
	record := &recording{run: r}
	defer record.discard()
	if r.recordings != "" {
		with.Begin = func(g *runtime.Program, q runtime.Inferences, cfg runtime.Config) (runtime.Inferences, runtime.Config) {
			return record.begin(open.Name, g, q, cfg)
		}
	}
	var values [][][]float32
	for _, c := range cases {
		values = append(values, c)
	}
	report, err = with.InferMany(ctx, values, func(i int, one *plan.Report) error { return take(i, one, &open) })
	if err != nil && open.Name != "" {
		err = fmt.Errorf("session %s: %w", open.Name, err)
	}
	if err == nil {
		record.end()
		signed = r.receipt(ctx, &open, d, said)
	}
	return report, signed, exit.OfClient(err)
}

// signer makes sure that a session's receipt is going to be signed by the key that is known.
func (r *run) signer(o *remote.Opened) error {
	first, err := r.known.signer(r.receiptKey, o.ReceiptKey)
	if err == nil && first {
		r.log.Info("this service signs receipts: its key is remembered", "key", o.ReceiptKey)
	}
	return err
}

// unlike adds to the warnings of reading what about the values looks odd to the plan.
func (r *run) unlike(values input.Case, warnings []string) []string {
	all := append([]string(nil), warnings...)
	for i, w := range input.Specs(r.plan) {
		all = append(all, w.Unlike(values[i])...)
	}
	return append(all, runtime.Clipped(r.plan, values)...)
}

func (r *run) warn(name string, warnings []string) {
	for _, text := range warnings {
		r.log.Warn(text, "file", name)
	}
}

// fail notes what went wrong with an input.
func (r *run) fail(q inference, err error) {
	r.failed++
	if r.first == nil {
		r.first = fmt.Errorf("%s: %w", q.name, err)
	}
	r.log.Error(err.Error(), "file", q.name)
	record := r.record(q, nil, nil)
	record.Failure = failureOf(err)
	_ = r.line(record) // a stdout that is lost is told at the end
}

// verdict ends a run of many inputs.
func (r *run) verdict() error {
	if !r.quiet {
		r.log.Info("done", "answered", r.asked, "answered before", r.skipped, "failed", r.failed)
	}
	if r.failed == 0 {
		return nil
	}
	r.told = true // of each
	return exit.Coded(exit.Code(r.first), fmt.Errorf("%d of %d inputs have no answer; the first: %w", r.failed, r.asked+r.failed+r.skipped, r.first))
}

// digestOf is the SHA-256 of files, one after the other. That of the file before is remembered:
// frames of one come in a row.
func (r *run) digestOf(paths []string) (string, error) {
	h := sha256.New()
	for i, p := range paths {
		paths[i] = input.Plain(p)
	}
	now := strings.Join(paths, "\x00") + stamp(paths)
	if now == r.hashed.of {
		return r.hashed.sum, nil
	}
	for _, p := range paths {
		b, err := input.ReadFile(p)
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	r.hashed.of, r.hashed.sum = now, hex.EncodeToString(h.Sum(nil))
	return r.hashed.sum, nil
}
