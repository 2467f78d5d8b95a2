package ask

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/frontend/input"
	"secc.example/secc/internal/safefile"
	"secc.example/secc/runtime/remote"
)

// Schema names the JSON shape of an answer.
const Schema = "secc.answer/1"

// Record is what is kept of one inference.
type Record struct {
	Schema     string              `json:"schema"`
	Input      string              `json:"input,omitempty"`        // name of the file, or of the folder of several
	Digest     string              `json:"input_sha256,omitempty"` // of the file, or of all of them in order
	Images     []Image             `json:"images,omitempty"`       // of a run of several examples, and of DICOM files: which is which
	Address    string              `json:"address"`
	Model      string              `json:"model,omitempty"`
	PlanDigest string              `json:"plan_digest,omitempty"`
	Version    string              `json:"version,omitempty"` // of the model, as the service calls it
	Session    string              `json:"session,omitempty"` // likewise
	Time       string              `json:"time,omitempty"`    // RFC 3339, when the answer was there
	Answers    []plan.Answer       `json:"answers,omitempty"`
	Outputs    []plan.OutputValues `json:"outputs,omitempty"`
	Warnings   []string            `json:"warnings,omitempty"`
	Bytes      int64               `json:"bytes,omitempty"`
	Rounds     int                 `json:"rounds,omitempty"`
	Seconds    float64             `json:"seconds,omitempty"`
	Receipt    *Receipt            `json:"receipt,omitempty"` // none: the service signs none
	Failure    *Failure            `json:"error,omitempty"`
}

// Image is one file of an input, or a frame of one; UIDs are those of DICOM.
type Image struct {
	File     string `json:"file"`
	Study    string `json:"study_uid,omitempty"`
	Series   string `json:"series_uid,omitempty"`
	Instance string `json:"instance_uid,omitempty"`
	Number   *int   `json:"instance_number,omitempty"`
	Frame    int    `json:"frame,omitempty"` // of several, counted from 1
}

// imagesOf says which images an input consists of, if there is more to say than its name.
func imagesOf(q inference) (all []Image) {
	said := len(q.paths) > 1
	for _, p := range q.paths {
		m := Image{File: filepath.Base(p)}
		if i := input.ImageOf(p); i != nil {
			said = true
			m.Study, m.Series, m.Instance = i.Study, i.Series, i.Instance
			if i.Numbered {
				m.Number = &i.Number
			}
			if i.Frames > 1 {
				m.Frame = max(1, i.Frame)
			}
		}
		all = append(all, m)
	}
	if !said {
		return nil
	}
	return all
}

// image is which of them an answer is about.
func (rec *Record) image(a plan.Answer) Image {
	if n := len(rec.Images); n == 1 || a.Input < 1 || a.Input > n { // or several inputs of one network
		if n == 0 {
			return Image{}
		}
		return rec.Images[0]
	}
	return rec.Images[a.Input-1]
}

// Failure is why there is no answer.
type Failure struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Code    int    `json:"code"` // exit code of the command if this is all that went wrong
}

// record describes an inference; without a report, one that failed.
func (r *run) record(q inference, report *plan.Report, session *remote.Opened) *Record {
	rec := &Record{Schema: Schema, Input: q.name, Digest: q.digest, Address: r.URL.String(), Model: modelName(r.URL.Path),
		Time: time.Now().UTC().Format(time.RFC3339), Warnings: q.warned, Images: imagesOf(q), Receipt: unsealed(session)}
	if session != nil {
		rec.Session, rec.Version = session.Name, session.Version
	}
	if d, err := r.plan.Digest(); err == nil {
		rec.PlanDigest = d.String()
	}
	if report != nil {
		rec.Answers, rec.Outputs = report.Answers, report.Outputs
		rec.Bytes, rec.Rounds, rec.Seconds = report.Total.Bytes, report.Total.Rounds, report.Total.Seconds
	}
	return rec
}

// place is where a kind of answer to an input stands.
func (r *run) place(name, suffix string) string {
	clean := strings.NewReplacer("#", ".", "\\", "_", ":", "_").Replace(name)
	return filepath.Join(r.out, filepath.FromSlash(clean)) + suffix
}

// answered is the record of an input's answer by this plan, if there is one.
func (r *run) answered(name, digest string) *Record {
	if r.out == "" || r.again {
		return nil
	}
	b, err := os.ReadFile(r.place(name, ".json"))
	if err != nil {
		return nil
	}
	rec := new(Record)
	d, err := r.plan.Digest()
	if err != nil || json.Unmarshal(b, rec) != nil || rec.Failure != nil || rec.Digest != digest || rec.PlanDigest != d.String() {
		return nil
	}
	return rec
}

// lacking are the kinds of --write that an answer does not have. There may be no such for it.
func (r *run) lacking(name string) (kinds []string) {
	for _, kind := range r.write {
		suffix := suffixes[kind]
		if suffix == "" {
			continue
		}
		there := false
		for i := range r.plan.Batch() + 1 { // 0: of all examples of a run together
			of := suffix
			if i > 0 {
				of = fmt.Sprintf(".%d%s", i, suffix)
			}
			_, err := os.Stat(r.place(name, of))
			there = there || err == nil
		}
		if !there {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// also writes kinds of an answer, where there are such for it.
func (r *run) also(q inference, rec *Record, kinds []string) error {
	for _, kind := range kinds {
		if w := writers[kind]; w != nil {
			if err := w(r, q, rec); err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
		}
	}
	return nil
}

// keep writes what --out is to hold. The record comes last: it is what says that an input
// has its answer.
func (r *run) keep(q inference, rec *Record) error {
	if r.out == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(r.place(q.name, "")), 0o700); err != nil {
		return err
	}
	if err := r.also(q, rec, r.write); err != nil {
		return err
	}
	return r.keepRecord(q.name, rec)
}

func (r *run) keepRecord(name string, rec *Record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return safefile.Write(r.place(name, ".json"), append(b, '\n'), safefile.Private)
}

// line prints a record as --format says.
func (r *run) line(rec *Record) error {
	r.printed++
	switch r.format {
	case "json":
		return printJSON(r.stdout, rec)
	case "csv":
		return r.row(rec)
	}
	if rec.Failure != nil {
		_, err := fmt.Fprintf(r.stdout, "%-32s  -  no answer\n", out.Line(rec.Input))
		return err
	}
	_, err := fmt.Fprintf(r.stdout, "%-32s  %s\n", out.Line(rec.Input), brief(rec.Answers))
	return err
}

// brief is an answer in one line.
func brief(answers []plan.Answer) string {
	var all []string
	for _, a := range answers {
		var labels []string
		for _, l := range a.Labels[:min(3, len(a.Labels))] {
			labels = append(labels, answer.Brief(a.Kind, l))
		}
		if len(labels) == 0 {
			labels = []string{"values (see --out or --format json)"}
		}
		all = append(all, strings.Join(labels, ", "))
	}
	return strings.Join(all, "; ")
}

// row prints a record as lines of CSV, one for every label.
func (r *run) row(rec *Record) error {
	w := csv.NewWriter(r.stdout)
	write := func(row ...string) {
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) && !numeric(cell) {
				row[i] = "'" + cell // a spreadsheet would run it
			}
		}
		_ = w.Write(row) // Flush has the error
	}
	if r.printed == 1 {
		write("input", "output", "rank", "index", "label", "score", "model", "plan_digest", "session", "time", "error", "file", "series_uid", "instance_uid", "frame")
	}
	tail := func(failure string, m Image) []string {
		frame := ""
		if m.Frame > 0 {
			frame = strconv.Itoa(m.Frame)
		}
		return []string{rec.Model, rec.PlanDigest, rec.Session, rec.Time, failure, m.File, m.Series, m.Instance, frame}
	}
	if rec.Failure != nil {
		write(append([]string{rec.Input, "", "", "", "", ""}, tail(rec.Failure.Message, rec.image(plan.Answer{Input: 1}))...)...)
	}
	for _, a := range rec.Answers {
		for i, l := range a.Labels {
			write(append([]string{rec.Input, a.Output, strconv.Itoa(i + 1), strconv.Itoa(l.Index), l.Label, strconv.FormatFloat(l.Score, 'g', -1, 64)}, tail("", rec.image(a))...)...)
		}
	}
	w.Flush()
	return w.Error()
}

// stamp tells whether files have changed since the last look; "" while they cannot be seen.
func stamp(paths []string) string {
	var all strings.Builder
	for _, p := range paths {
		info, err := os.Stat(input.Plain(p))
		if err != nil {
			return ""
		}
		fmt.Fprintf(&all, "%d %d;", info.Size(), info.ModTime().UnixNano())
	}
	return all.String()
}

func numeric(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}
