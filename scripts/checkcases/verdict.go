package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// The verdicts.
const (
	verdictRight   = "right"
	verdictClear   = "refused_clearly" // the message names the node and a remedy
	verdictRefused = "refused"
	verdictWrong   = "wrong"
)

// tolerance is the largest error, as a share of the largest reference.
const tolerance = 0.01

// mapRows is how many answers make a map of which one may differ.
const mapRows = 200

// output is one output of one inference.
type output struct {
	shape   []int
	values  []float64
	integer bool
}

// score is how far one form of a network is from the reference over all its
// inputs: per output the largest error by the largest reference, and the share
// of rows with the same best class.
type score struct {
	worst, largest []float64
	rows, agree    int
}

// fresh is a score of the same network's answers to some of its inputs: an error is
// measured by the largest reference of all of them, whichever inputs are run.
func (s *score) fresh() *score {
	return &score{worst: make([]float64, len(s.worst)), largest: slices.Clone(s.largest)}
}

// add compares the outputs of one inference.
func (s *score) add(got [][]float32, want []output) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d outputs, the reference has %d", len(got), len(want))
	}
	if s.worst == nil {
		s.worst, s.largest = make([]float64, len(want)), make([]float64, len(want))
	}
	for i, w := range want {
		if len(got[i]) != len(w.values) {
			return fmt.Errorf("output %d has %d elements, the reference %d", i, len(got[i]), len(w.values))
		}
		for j, x := range w.values {
			s.worst[i] = max(s.worst[i], distance(float64(got[i][j]), x))
			if !math.IsInf(x, 0) && !math.IsNaN(x) {
				s.largest[i] = max(s.largest[i], math.Abs(x))
			}
		}
		s.classes(got[i], w)
	}
	return nil
}

// distance is how far a number is off; numbers that are not finite must be met.
func distance(got, want float64) float64 {
	if got == want || math.IsNaN(got) && math.IsNaN(want) {
		return 0
	}
	if d := math.Abs(got - want); !math.IsNaN(d) {
		return d
	}
	return math.Inf(1)
}

// verdictOf judges the forms of a network that were run; one may be nil.
func verdictOf(forms ...*score) (verdict, message string) {
	for _, s := range forms {
		switch {
		case s == nil:
		case !s.right():
			return verdictWrong, ""
		case !s.close():
			message = "by its classes"
		}
	}
	return verdictRight, message
}

// classes counts the rows whose best class is one of the reference's best. Of
// whole numbers every element is a row.
func (s *score) classes(got []float32, want output) {
	if want.integer {
		for j, x := range want.values {
			s.rows++
			if math.Abs(float64(got[j])-x) < 0.5 {
				s.agree++
			}
		}
		return
	}
	n, step := rowOf(want.shape)
	if n < 2 {
		return
	}
	for base := range len(want.values) / n {
		start := base/step*step*n + base%step
		best, top := start, start
		for j := range n {
			at := start + j*step
			if got[at] > got[best] {
				best = at
			}
			if want.values[at] > want.values[top] {
				top = at
			}
		}
		s.rows++
		if want.values[best] == want.values[top] {
			s.agree++
		}
	}
}

// rowOf gives the number of classes and the distance between their scores:
// channels of an image, else the last dimension.
func rowOf(shape []int) (n, step int) {
	if len(shape) == 0 {
		return 1, 1
	}
	d := len(shape) - 1
	if len(shape) > 3 {
		d = 1
	}
	step = 1
	for _, m := range shape[d+1:] {
		step *= m
	}
	return shape[d], step
}

// error is the largest error of all outputs.
func (s *score) error() (e float64) {
	for i := range s.worst {
		switch {
		case s.worst[i] == 0:
		case s.largest[i] == 0:
			e = max(e, s.worst[i])
		default:
			e = max(e, s.worst[i]/s.largest[i])
		}
	}
	return e
}

// close says that the values themselves are right.
func (s *score) close() bool { return s.error() <= tolerance }

// right says that values or all classes are. In a map of hundreds of answers one
// may fall on the other side of a tie.
func (s *score) right() bool {
	return s.close() || s.rows > 0 && s.rows-s.agree <= s.rows/mapRows
}

func (s *score) String() string {
	switch {
	case s == nil:
		return "-"
	case s.rows == 0:
		return fmt.Sprintf("%.1e", s.error())
	}
	return fmt.Sprintf("%.1e/%.2f", s.error(), float64(s.agree)/float64(s.rows))
}

var (
	quoted = regexp.MustCompile(`(node|input|output|initialiser|operator) "[^"]+"`)
	remedy = regexp.MustCompile(`(?i)--[a-z]|\b(export|convert|give|use|set|fix|replace|move|compute|cut|train|name|call|add|calibrate|split|remove|simplify|quantise|feed|clean|fill|choose|keep|take|multiply)\b`)
	broken = regexp.MustCompile(`(?i)\b(BUG|panic|internal|no valid model)\b`)
)

// clear says whether a refusal names what is refused and what to do: every line
// of a list of nodes by itself, else the message as a whole.
func clear(message string) bool {
	if broken.MatchString(message) {
		return false
	}
	var nodes []string
	for _, line := range strings.Split(message, "\n") {
		if strings.HasPrefix(line, "  ") {
			nodes = append(nodes, line)
		}
	}
	if nodes == nil {
		nodes = []string{message}
	}
	for _, text := range nodes {
		name := quoted.FindStringIndex(text)
		if name == nil || !remedy.MatchString(text[name[1]:]) {
			return false
		}
	}
	return true
}
