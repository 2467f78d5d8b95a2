package input

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"secc.example/secc/frontend/input/dicom"
	"secc.example/secc/frontend/input/internal/hint"
)

// maxFolders bounds how deep directories are read.
const maxFolders = 16

// Case is one example: the values of every input.
type Case [][]float32

// Set is what a file or a directory holds.
type Set struct {
	Cases   []Case
	Sources []string // the file of each, seen from the directory that was named, with slashes
	Skipped []string // files that are no inputs

	warnings [][]string // of each case
}

// add takes one case.
func (s *Set) add(c Case, source string, warnings []string) {
	s.Cases, s.Sources, s.warnings = append(s.Cases, c), append(s.Sources, source), append(s.warnings, warnings)
}

// Join takes the cases of another set.
func (s *Set) Join(more *Set) {
	s.Cases, s.Sources = append(s.Cases, more.Cases...), append(s.Sources, more.Sources...)
	s.Skipped, s.warnings = append(s.Skipped, more.Skipped...), append(s.warnings, more.warnings...)
}

// Warnings sums up what was left out of a directory, and what about the inputs
// looks as if it were not meant so: each kind once, with its first file.
func (s *Set) Warnings() (all []string) {
	if n := len(s.Skipped); n > 0 {
		all = append(all, fmt.Sprintf("%d files that are no inputs were left out: %s", n, some(s.Skipped, 10)))
	}
	times, first, order := map[string]int{}, map[string]string{}, []string{}
	for i, texts := range s.warnings {
		for _, text := range texts {
			kind := withoutNumbers(text)
			if times[kind]++; times[kind] == 1 {
				order, first[kind] = append(order, kind), s.Sources[i]+": "+text
			}
		}
	}
	for _, kind := range order {
		text := first[kind]
		if n := times[kind]; n > 1 {
			text += fmt.Sprintf(" (and so %d of %d inputs)", n, len(s.Cases))
		}
		all = append(all, text)
	}
	return all
}

// withoutNumbers makes warnings alike that differ in their figures only.
func withoutNumbers(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("0123456789.-+e", r) {
			return -1
		}
		return r
	}, text)
}

// some joins the first names of many.
func some(names []string, most int) string {
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// File is an example that was not read yet: a file with one input or more of a network
// that takes one, or the files of all inputs.
type File struct {
	Name  string   // seen from the source, with slashes
	Paths []string // of every input; or, for the one input of a network, of every example of a run

	inside bool // of a directory: it may turn out to be no input
}

// Files lists the examples of a source in natural order, and the files that are none. A
// source is a file or a directory of files, with sub-directories. For networks of several
// inputs a directory with input_0.pb, input_1.pb and so on is one example; .npy and the
// others do as well. The list ends with the context.
func Files(ctx context.Context, source string, want []Spec) (files []File, skipped []string, err error) {
	path, _ := splitFrame(source)
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.IsDir() {
		if len(want) != 1 {
			return nil, nil, fmt.Errorf("the network takes %d inputs: give directories with input_0.pb, input_1.pb and so on", len(want))
		}
		return []File{{Name: filepath.Base(source), Paths: []string{source}}}, nil, nil
	}
	l := &listing{stop: ctx.Err, root: source, want: want}
	err = l.folder("", 0)
	return l.files, l.skipped, err
}

// listing walks over a directory.
type listing struct {
	stop    func() error
	root    string
	want    []Spec
	files   []File
	skipped []string
}

// folder lists the directory under of the root.
func (l *listing) folder(under string, depth int) error {
	entries, err := os.ReadDir(filepath.Join(l.root, under))
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return Natural(a.Name(), b.Name()) })
	if parts := numbered(entries); parts != nil {
		return l.several(under, parts)
	}
	for _, e := range entries {
		if err := l.stop(); err != nil {
			return err
		}
		name := filepath.Join(under, e.Name())
		if strings.HasPrefix(e.Name(), ".") { // what systems leave behind
			continue
		}
		if e.IsDir() {
			if depth == maxFolders {
				return fmt.Errorf("%s: directories more than %d deep", name, maxFolders)
			}
			if err := l.folder(name, depth+1); err != nil {
				return err
			}
			continue
		}
		if err := l.entry(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// entry lists a file of a directory, or notes that it is none to be read.
func (l *listing) entry(name string) error {
	path := filepath.Join(l.root, name)
	is, err := readable(path)
	switch {
	case err != nil:
		return err
	case !is:
		l.skipped = append(l.skipped, filepath.ToSlash(name))
	case len(l.want) != 1:
		return fmt.Errorf("the network takes %d inputs: give directories with input_0.pb, input_1.pb and so on", len(l.want))
	default:
		l.files = append(l.files, File{Name: filepath.ToSlash(name), Paths: []string{path}, inside: true})
	}
	return nil
}

// several lists one example of several inputs.
func (l *listing) several(under string, parts []string) error {
	if len(parts) < len(l.want) {
		return fmt.Errorf("%s: input_0 to input_%d, the network takes %d inputs", filepath.Join(l.root, under), len(parts)-1, len(l.want))
	}
	f := File{Name: filepath.ToSlash(under)}
	for i, w := range l.want {
		part := parts[i]
		if w.Part > 0 && w.Part <= len(parts) && len(parts) > len(l.want) { // inputs that are set have files as well
			part = parts[w.Part-1]
		}
		f.Paths = append(f.Paths, filepath.Join(l.root, under, part))
	}
	l.files = append(l.files, f)
	return nil
}

// readable says whether a file in a directory is meant as an input: by its first
// bytes, or by a name that only inputs have.
func readable(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	head := make([]byte, 132)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	switch kindOf(path, head[:n]) {
	case kindText: // and no notes
		return numeric(head[:n]), nil
	case kindNumbers:
	default:
		return true, nil
	}
	return strings.EqualFold(filepath.Ext(path), ".f32"), nil
}

// ErrNoInput is the error of files that were found in a directory and are no inputs after
// all: a report, a directory of a disc.
var ErrNoInput = errors.New("no input")

// Read gives the examples that a file holds, and what about it looks as if it were not
// meant so.
func (f File) Read(want []Spec) (cases []Case, warnings []string, err error) {
	if len(want) > 1 {
		return f.readParts(want)
	}
	if len(f.Paths) > 1 {
		return f.readBatch(want[0])
	}
	a, err := Read(f.Paths[0], want[0])
	if f.inside && errors.Is(err, dicom.ErrNoImage) {
		return nil, nil, fmt.Errorf("%w: %w", ErrNoInput, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("input %q: %w", want[0].Name, err)
	}
	inputs, err := a.Cases(want[0])
	if err != nil {
		return nil, nil, fmt.Errorf("input %q: %w", want[0].Name, err)
	}
	for _, in := range inputs {
		cases = append(cases, Case{in})
	}
	return cases, a.Warnings, nil
}

// readParts reads the files of all inputs.
func (f File) readParts(want []Spec) ([]Case, []string, error) {
	var c Case
	var warnings []string
	for i, w := range want {
		a, err := Read(f.Paths[i], w)
		if err != nil {
			return nil, nil, fmt.Errorf("input %q: %s: %w", w.Name, filepath.Base(f.Paths[i]), err)
		}
		if len(a.Values) != w.N() || !a.fits(w) {
			return nil, nil, a.turned(w, fmt.Errorf("input %q: %s has shape %v, the network wants %v", w.Name, filepath.Base(f.Paths[i]), a.Shape, w.Shape))
		}
		c, warnings = append(c, a.Values), append(warnings, a.Warnings...)
	}
	return []Case{c}, warnings, nil
}

// readBatch reads the examples of one run from a file each.
func (f File) readBatch(w Spec) ([]Case, []string, error) {
	t, err := w.load(f.Paths)
	if err != nil {
		return nil, nil, fmt.Errorf("input %q: %w", w.Name, err)
	}
	return []Case{{t.Values}}, t.Warnings, nil
}

// Batches puts pictures together that one run takes: n by n, in order, where the only
// input of a network holds n examples.
func Batches(files []File, want []Spec) ([]File, error) {
	if len(want) != 1 || want[0].Examples() == 1 || len(want[0].Shape) != 4 {
		return files, nil
	}
	n := want[0].Examples()
	var all []File
	var run File
	for _, f := range files {
		is, err := isPicture(f)
		if err != nil {
			return nil, err
		}
		if !is {
			all = append(all, f)
			continue
		}
		if run.Paths = append(run.Paths, f.Paths...); len(run.Paths) == 1 {
			run.Name = f.Name
		}
		if len(run.Paths) == n {
			run.Name += fmt.Sprintf(" and %d more", n-1)
			all, run = append(all, run), File{}
		}
	}
	if len(run.Paths) > 0 {
		return nil, hint.With(fmt.Errorf("%d pictures are left over: a run takes %d", len(run.Paths), n), "add some or take some away, or compile with --batch 1")
	}
	return all, nil
}

// isPicture looks at the first bytes of a file.
func isPicture(file File) (bool, error) {
	path, _ := splitFrame(file.Paths[0])
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 132)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	kind := kindOf(path, head[:n])
	return kind == kindImage || kind == kindDICOM, nil
}

// Examples reads what Files lists, until the context ends.
func Examples(ctx context.Context, source string, want []Spec) (*Set, error) {
	files, skipped, err := Files(ctx, source, want)
	if err != nil {
		return nil, err
	}
	if files, err = Batches(files, want); err != nil {
		return nil, err
	}
	set := &Set{Skipped: skipped}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		cases, warnings, err := f.Read(want)
		switch {
		case errors.Is(err, ErrNoInput):
			set.Skipped = append(set.Skipped, f.Name)
		case err != nil && f.inside:
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		case err != nil:
			return nil, err
		}
		for _, c := range cases {
			set.add(c, f.Name, warnings)
		}
	}
	if len(set.Cases) == 0 {
		return nil, errors.New("no inputs found")
	}
	return set, nil
}

// numbered finds input_0, input_1 and so on, whatever they end in; nil if there
// are none.
func numbered(entries []os.DirEntry) (names []string) {
	for {
		stem := fmt.Sprintf("input_%d", len(names))
		at := slices.IndexFunc(entries, func(e os.DirEntry) bool {
			return !e.IsDir() && strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())) == stem
		})
		if at < 0 {
			return names
		}
		names = append(names, entries[at].Name())
	}
}

// Natural orders names as people count: scan2 before scan10.
func Natural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		n, m := leadingDigits(x), leadingDigits(y)
		if n == 0 || m == 0 {
			if x[0] != y[0] {
				return cmp.Compare(x[0], y[0])
			}
			x, y = x[1:], y[1:]
			continue
		}
		p, q := strings.TrimLeft(x[:n], "0"), strings.TrimLeft(y[:m], "0")
		if c := cmp.Or(cmp.Compare(len(p), len(q)), strings.Compare(p, q)); c != 0 {
			return c
		}
		x, y = x[n:], y[m:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

func leadingDigits(s string) (n int) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
