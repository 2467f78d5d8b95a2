package input

import (
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
)

// An input like those of calibration passes; one of another range, mean, contrast
// or colour is told apart.
func TestUnlike(t *testing.T) {
	w := Spec{"x", []int{1, 3, 4, 4}, plan.Preprocess{Preset: "custom", Scale: []float64{0.01, 0.02, 0.01}, Shift: []float64{-1, -2, 0}}, nil, 0}
	picture := func(level func(k, i int) float32) []float32 {
		v := make([]float32, 48)
		for j := range v {
			v[j] = w.pixel(level(j/16, j%16), j/16)
		}
		return v
	}
	grey := func(_, i int) float32 { return float32(40 + 10*i) }
	colour := func(k, i int) float32 { return float32(40 + 10*i + 20*k) }
	for name, c := range map[string]struct {
		seen  func(k, i int) float32
		input func(k, i int) float32
		want  string
	}{
		"alike":       {grey, func(_, i int) float32 { return float32(60 + 8*i) }, ""},
		"colour":      {grey, colour, "in colour"},
		"grey":        {colour, grey, "a grey picture"},
		"alike too":   {colour, func(k, i int) float32 { return float32(50 + 9*i + 30*k) }, ""},
		"range":       {grey, func(_, i int) float32 { return float32(-200 + 40*i) }, "values from"},
		"mean":        {grey, func(_, i int) float32 { return float32(180 + 3*i) }, "the mean of channel 1"},
		"no contrast": {grey, func(_, i int) float32 { return float32(110 + i%2) }, "hardly any contrast"},
	} {
		s := w
		s.Seen = w.Figures([][]float32{picture(c.seen), picture(c.seen)})
		if s.Seen.Inputs != 2 || len(s.Seen.Mean) != 3 {
			t.Fatalf("%+v", s.Seen)
		}
		got := strings.Join(s.Unlike(picture(c.input)), "; ")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if w.Figures(nil) != nil || w.Unlike([]float32{1}) != nil {
		t.Error("figures of nothing")
	}
}
