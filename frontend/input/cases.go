package input

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"secc.example/secc/frontend/input/dicom"
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

// Examples reads example inputs. A source is a file with one or more inputs, or
// a directory of such files, with sub-directories, in natural order. For
// networks of several inputs a directory with input_0.pb, input_1.pb and so on
// is one example; .npy and the others do as well.
func Examples(source string, want []Spec) (*Set, error) {
	info, err := os.Stat(source)
	if err != nil {
		return nil, err
	}
	set := new(Set)
	if !info.IsDir() {
		err = set.file(source, filepath.Base(source), want)
	} else if err = set.folder(source, "", want, 0); err == nil && len(set.Cases) == 0 {
		err = errors.New("no inputs found")
	}
	return set, err
}

// folder reads the directory under of root.
func (s *Set) folder(root, under string, want []Spec, depth int) error {
	dir := filepath.Join(root, under)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return Natural(a.Name(), b.Name()) })
	if parts := numbered(entries); parts != nil {
		return s.several(root, under, parts, want)
	}
	for _, e := range entries {
		name := filepath.Join(under, e.Name())
		if strings.HasPrefix(e.Name(), ".") { // what systems leave behind
			continue
		}
		if e.IsDir() {
			if depth == maxFolders {
				return fmt.Errorf("%s: directories more than %d deep", name, maxFolders)
			}
			if err := s.folder(root, name, want, depth+1); err != nil {
				return err
			}
			continue
		}
		if err := s.entry(root, name, want); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// entry reads a file of a directory, or notes that it is none to be read.
func (s *Set) entry(root, name string, want []Spec) error {
	path := filepath.Join(root, name)
	is, err := readable(path)
	if err == nil && is {
		err = s.file(path, filepath.ToSlash(name), want)
	}
	if errors.Is(err, dicom.ErrNoImage) { // a report, a directory of a disc
		is, err = false, nil
	}
	if err == nil && !is {
		s.Skipped = append(s.Skipped, filepath.ToSlash(name))
	}
	return err
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
	if kindOf(path, head[:n]) != kindNumbers {
		return true, nil
	}
	return strings.EqualFold(filepath.Ext(path), ".f32"), nil
}

// file reads the inputs that one file holds.
func (s *Set) file(path, name string, want []Spec) error {
	if len(want) != 1 {
		return fmt.Errorf("the network takes %d inputs: give directories with input_0.pb, input_1.pb and so on", len(want))
	}
	a, err := Read(path, want[0])
	if err != nil {
		return fmt.Errorf("input %q: %w", want[0].Name, err)
	}
	inputs, err := a.Cases(want[0])
	if err != nil {
		return fmt.Errorf("input %q: %w", want[0].Name, err)
	}
	for _, in := range inputs {
		s.add(Case{in}, name, a.Warnings)
	}
	return nil
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

// several reads one case of several inputs.
func (s *Set) several(root, under string, parts []string, want []Spec) error {
	var c Case
	var warnings []string
	if len(parts) < len(want) {
		return fmt.Errorf("%s: input_0 to input_%d, the network takes %d inputs", filepath.Join(root, under), len(parts)-1, len(want))
	}
	for i, w := range want {
		part := parts[i]
		if w.Part > 0 && w.Part <= len(parts) && len(parts) > len(want) { // inputs that are set have files as well
			part = parts[w.Part-1]
		}
		a, err := Read(filepath.Join(root, under, part), w)
		if err != nil {
			return fmt.Errorf("input %q: %s: %w", w.Name, part, err)
		}
		if len(a.Values) != w.N() || !a.fits(w) {
			return fmt.Errorf("input %q: %s has shape %v, the network wants %v", w.Name, part, a.Shape, w.Shape)
		}
		c, warnings = append(c, a.Values), append(warnings, a.Warnings...)
	}
	s.add(c, filepath.ToSlash(under), warnings)
	return nil
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
