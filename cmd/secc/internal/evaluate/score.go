package evaluate

import (
	"math"
	"slices"
)

// Score compares answers with a reference and with labels. Rates are nil where
// there is nothing to compare with.
type Score struct {
	Top1Agreement *float64       `json:"top1_agreement,omitempty"` // same best class as the reference
	Top5Agreement *float64       `json:"top5_agreement,omitempty"` // its best class among the best five
	Top1          *float64       `json:"top1,omitempty"`
	Top5          *float64       `json:"top5,omitempty"`
	AUROC         *float64       `json:"auroc,omitempty"` // mean over the classes that have both kinds of cases
	MaxAbsError   *float64       `json:"max_abs_error,omitempty"`
	MeanAbsError  *float64       `json:"mean_abs_error,omitempty"`
	MaxAbs        *float64       `json:"max_abs,omitempty"` // the reference's largest magnitude
	Disagree      []Disagreement `json:"disagreements,omitempty"`
	Cases         int            `json:"cases"`
	Seconds       float64        `json:"seconds_per_input"`
}

// Disagreement is a case whose best class is not the reference's.
type Disagreement struct {
	Example int     `json:"example"` // counted from 1
	Got     int     `json:"got"`
	Want    int     `json:"want"`
	Margin  float64 `json:"margin"` // how much larger the reference's answer for its class is than for the other
}

// rate scores one form's answers. ref and t may be nil.
func rate(a answers, ref [][]float32, t *Truth) *Score {
	got := a.values
	s := &Score{Cases: len(got), Seconds: a.seconds / float64(max(len(got), 1))}
	if ref != nil {
		ref = ref[:len(got)]
		s.Top1Agreement = share(len(got), func(i int) bool { return argmax(got[i]) == argmax(ref[i]) })
		s.Top5Agreement = share(len(got), func(i int) bool { return slices.Contains(best(got[i], 5), argmax(ref[i])) })
		worst, mean := deviation(got, ref)
		s.MaxAbsError, s.MeanAbsError, s.MaxAbs = &worst, &mean, magnitude(ref)
		s.Disagree = disagreements(got, ref)
	}
	if t != nil && t.class != nil {
		s.Top1 = share(len(got), func(i int) bool { return argmax(got[i]) == t.class[i] })
		s.Top5 = share(len(got), func(i int) bool { return slices.Contains(best(got[i], 5), t.class[i]) })
	}
	if t != nil && t.multi != nil {
		s.AUROC = auroc(got, t.multi)
	}
	return s
}

func disagreements(got, ref [][]float32) (all []Disagreement) {
	for i := range got {
		if g, w := argmax(got[i]), argmax(ref[i]); g != w {
			all = append(all, Disagreement{i + 1, g, w, float64(ref[i][w]) - float64(ref[i][g])})
		}
	}
	return all
}

func magnitude(x [][]float32) *float64 {
	top := 0.0
	for _, row := range x {
		for _, v := range row {
			top = max(top, math.Abs(float64(v)))
		}
	}
	return &top
}

func share(n int, is func(int) bool) *float64 {
	if n == 0 {
		return nil
	}
	hits := 0
	for i := range n {
		if is(i) {
			hits++
		}
	}
	r := float64(hits) / float64(n)
	return &r
}

// argmax is the first of the largest elements, -1 of none.
func argmax(x []float32) int {
	at := -1
	for i, v := range x {
		if at < 0 || v > x[at] {
			at = i
		}
	}
	return at
}

// best gives the indices of the k largest, the largest first.
func best(x []float32, k int) []int {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case x[a] > x[b]:
			return -1
		case x[a] < x[b]:
			return 1
		}
		return 0
	})
	return order[:min(k, len(order))]
}

func deviation(a, b [][]float32) (worst, mean float64) {
	n := 0
	for i := range a {
		for j := range a[i] {
			d := math.Abs(float64(a[i][j]) - float64(b[i][j]))
			worst, mean, n = max(worst, d), mean+d, n+1
		}
	}
	return worst, mean / float64(max(n, 1))
}

// auroc is the mean area under the ROC curve: for every class the share of
// (positive, negative) pairs of cases that the score orders right, ties half.
func auroc(scores [][]float32, is [][]bool) *float64 {
	sum, classes := 0.0, 0
	for c := range scores[0] {
		right, pairs := 0.0, 0
		for i := range scores {
			for j := range scores {
				if !is[i][c] || is[j][c] {
					continue
				}
				pairs++
				switch {
				case scores[i][c] > scores[j][c]:
					right++
				case scores[i][c] == scores[j][c]:
					right += 0.5
				}
			}
		}
		if pairs > 0 {
			sum, classes = sum+right/float64(pairs), classes+1
		}
	}
	if classes == 0 {
		return nil
	}
	r := sum / float64(classes)
	return &r
}
