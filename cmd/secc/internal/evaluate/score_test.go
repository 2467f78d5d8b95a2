package evaluate

import (
	"math"
	"slices"
	"testing"
)

func TestRates(t *testing.T) {
	ref := [][]float32{{1, 5, 2}, {9, 0, 0}, {0, 1, 2}, {3, 3, 1}}
	got := [][]float32{{1, 4, 2}, {0, 9, 0}, {0, 1, 2.5}, {3, 3, 1}}
	s := rate(answers{values: got, seconds: 8}, ref, &Truth{class: []int{1, 0, 0, 1}})
	for name, c := range map[string]struct {
		got  *float64
		want float64
	}{
		"top-1 agreement": {s.Top1Agreement, 0.75}, "top-5 agreement": {s.Top5Agreement, 1}, "top-1": {s.Top1, 0.25},
		"top-5": {s.Top5, 1}, "max error": {s.MaxAbsError, 9}, "mean error": {s.MeanAbsError, 19.5 / 12}, "seconds": {&s.Seconds, 2}, "max": {s.MaxAbs, 9},
	} {
		if c.got == nil || math.Abs(*c.got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", name, said(c.got), c.want)
		}
	}
	if want := []Disagreement{{2, 1, 0, 9}}; !slices.Equal(s.Disagree, want) {
		t.Errorf("disagreements %v, want %v", s.Disagree, want)
	}
	if s.AUROC != nil {
		t.Error("AUROC without positives and negatives")
	}
}

func TestAUROC(t *testing.T) {
	scores := [][]float32{{0.9, 1}, {0.5, 1}, {0.5, 1}, {0.1, 1}}
	// Class 0: positives 0.9 and 0.5, negatives 0.5 and 0.1: 3.5 of 4 pairs. Class 1 has no negatives.
	r := rate(answers{values: scores}, nil, &Truth{multi: [][]bool{{true, true}, {true, true}, {false, true}, {false, true}}})
	if r.AUROC == nil || *r.AUROC != 3.5/4 {
		t.Errorf("AUROC %v, want 0.875", said(r.AUROC))
	}
}

func TestBest(t *testing.T) {
	if got := best([]float32{1, 7, 3, 7}, 3); !slices.Equal(got, []int{1, 3, 2}) {
		t.Errorf("best three: %v", got)
	}
}

func TestDistance(t *testing.T) {
	worst, snr := distance([]float32{3, -4}, []float32{3.5, -4})
	if *worst != 0.5 || math.Abs(*snr-20) > 1e-9 { // 10 log10(25 / 0.25)
		t.Errorf("error %v at %v dB", *worst, *snr)
	}
}

func said(x *float64) any {
	if x == nil {
		return nil
	}
	return *x
}
