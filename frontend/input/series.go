package input

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"secc.example/secc/frontend/input/dicom"
)

// maxFrames is how many frames of a file are taken apart.
const maxFrames = 1 << 16

// Image says which image of a study a file is, or a frame of one.
type Image struct {
	dicom.Head
	Frame int // counted from 1; 0: the file has but one
}

// ImageOf looks at the head of a file; nil if it is no DICOM file, or not to be read as one.
func ImageOf(path string) *Image {
	file, frame := splitFrame(path)
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	first := make([]byte, 132)
	if _, err := io.ReadFull(f, first); err != nil || !dicom.Is(first) {
		return nil
	}
	h, err := dicom.HeadOf(io.MultiReader(bytes.NewReader(first), f))
	if err != nil {
		return nil // reading it says why
	}
	return &Image{*h, frame}
}

// slice is a file and which image it is.
type slice struct {
	File
	image *Image // nil: none of a series
}

// Slices puts the files of DICOM series together, each series in its order: along the patient
// where positions say so, else by instance number, else by name. Every frame of a file stands for
// itself. An image that is there twice is taken once. Other files keep their places, and a series
// stands where its first file stood. It says what it left out or took for odd, and tells how far
// it is; an error of tell ends it.
func Slices(files []File, tell func(done, of int) error) (all []File, notes []string, err error) {
	var order [][]slice // a series each, or a file that is none of one
	series := map[string]int{}
	seen := map[string]File{}
	for i, f := range files {
		if err := tell(i, len(files)); err != nil {
			return nil, nil, err
		}
		s := slice{File: f}
		if len(f.Paths) == 1 {
			s.image = ImageOf(f.Paths[0])
		}
		if note, again := s.twice(seen); note != "" {
			notes = append(notes, note)
			if again {
				continue
			}
		}
		if s.image == nil || s.image.Series == "" {
			order = append(order, []slice{s})
			continue
		}
		key := s.image.Study + " " + s.image.Series
		at, known := series[key]
		if !known {
			at, series[key] = len(order), len(order)
			order = append(order, nil)
		}
		order[at] = append(order[at], s)
	}
	for _, group := range order {
		sortSeries(group)
		for _, s := range group {
			all = append(all, s.frames()...)
		}
	}
	return all, notes, nil
}

// twice tells whether an image was seen before, and what there is to say of that.
func (s slice) twice(seen map[string]File) (note string, again bool) {
	if s.image == nil || s.image.Instance == "" {
		return "", false
	}
	key := fmt.Sprintf("%s %d", s.image.Instance, s.image.Frame)
	first, is := seen[key]
	if !is {
		seen[key] = s.File
		return "", false
	}
	if sameFiles(Plain(first.Paths[0]), Plain(s.Paths[0])) {
		return fmt.Sprintf("%s is the same image as %s, and left out", s.Name, first.Name), true
	}
	return fmt.Sprintf("%s calls itself the same image as %s, and is another: both are taken", s.Name, first.Name), false
}

// sameFiles compares two files' bytes.
func sameFiles(a, b string) bool {
	var sums [2][]byte
	for i, path := range []string{a, b} {
		f, err := os.Open(path)
		if err != nil {
			return false
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return false
		}
		sums[i] = h.Sum(nil)
	}
	return bytes.Equal(sums[0], sums[1])
}

// frames gives a file for each frame.
func (s slice) frames() []File {
	if s.image == nil || s.image.Frame > 0 || s.image.Frames < 2 || s.image.Frames > maxFrames {
		return []File{s.File}
	}
	var all []File
	for k := 1; k <= s.image.Frames; k++ {
		f := s.File
		f.Name, f.Paths = fmt.Sprintf("%s#%d", s.Name, k), []string{fmt.Sprintf("%s#%d", s.Paths[0], k)}
		all = append(all, f)
	}
	return all
}

// sortSeries puts the slices of a series in order. Those that were in no order of their own, or
// in two at once (a heart that beats), keep that of their names.
func sortSeries(group []slice) {
	if len(group) < 2 {
		return
	}
	byNumber := func(a, b slice) int { return cmp.Compare(a.image.Number, b.image.Number) }
	numbered := !slices.ContainsFunc(group, func(s slice) bool { return !s.image.Numbered })
	depths := along(group)
	switch {
	case depths != nil:
		slices.SortStableFunc(group, func(a, b slice) int { return cmp.Compare(depths[a.image], depths[b.image]) })
		if first, last := group[0].image, group[len(group)-1].image; numbered && first.Number > last.Number {
			slices.Reverse(group) // counted from the other end
		}
	case numbered:
		slices.SortStableFunc(group, byNumber)
	}
}

// apart is the least distance, in millimetres, between two slices that are not the same place.
const apart = 1e-3

// along gives the places of slices along the normal of their plane; nil unless all have one of
// their own, in planes that are parallel.
func along(group []slice) map[*Image]float64 {
	depths := map[*Image]float64{}
	var all []float64
	for _, s := range group {
		normal := group[0].image.Normal
		if s.image.Position == nil || s.image.Normal == nil || !parallel(normal, s.image.Normal) {
			return nil
		}
		d := dot(normal, s.image.Position)
		depths[s.image], all = d, append(all, d)
	}
	slices.Sort(all)
	for i := range all[1:] {
		if all[i+1]-all[i] < apart {
			return nil
		}
	}
	return depths
}

func dot(a, b *[3]float64) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }

// parallel takes planes for parallel that are tilted by less than about a degree.
func parallel(a, b *[3]float64) bool {
	norms := math.Sqrt(dot(a, a) * dot(b, b))
	return norms > 0 && dot(a, b) > 0.9998*norms
}
