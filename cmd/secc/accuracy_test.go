package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Who is beaten: less accurate for as much, dearer for the same, both.
func TestPareto(t *testing.T) {
	accuracy := []float64{0.8, 0.9, 0.85, 0.8, 0.7, 0.9}
	cost := []float64{10, 30, 40, 10, 5, 31}
	if got, want := pareto(accuracy, cost), []bool{true, true, false, true, true, false}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAccuracies(t *testing.T) {
	models := []string{"nets/a.onnx", "nets/b/model.onnx"}
	for text, want := range map[string][]float64{
		"model,accuracy\na,0.5\nb,75 %\n":            {0.5, 0.75},
		"a.onnx, 50%\nnets/b/model.onnx,0.75\nc,1\n": {0.5, 0.75},
		`{"nets/a.onnx": 0.5, "b": 0.75}`:            {0.5, 0.75},
		"# measured on 2,000\na,1,first\nb,0\n":      {1, 0},
		"\ufeffa,0.5\r\nb,0.75\r\n":                  {0.5, 0.75},
	} {
		got, err := accuraciesOf(t, text, models)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"a,0.5\n":                        "nothing about nets/b/model.onnx",
		"a,0.5\nb,75\n":                  `"75" is no accuracy`,
		"a,0.5\nb,NaN\n":                 `"NaN" is no accuracy`,
		"a,0.5\nb\n":                     "is not MODEL,ACCURACY",
		"a,0.5\na,0.6\nb,0.7\n":          `line 2: "a" once more`,
		`{"a": 0.5, "b": 75}`:            "does not lie between 0 and 1",
		`{"a": 0.5`:                      "unexpected end",
		"":                               "nothing about nets/a.onnx",
		"heading,accuracy\na,x\nb,0.1\n": `"x" is no accuracy`,
	} {
		if _, err := accuraciesOf(t, text, models); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	// A name that two files have is none; the paths tell them apart.
	models = []string{"one/model.onnx", "two/model.onnx"}
	if _, err := accuraciesOf(t, "model.onnx,0.5\n", models); err == nil || !strings.Contains(err.Error(), "several of the models") {
		t.Errorf("two models of one name: %v", err)
	}
	if got, err := accuraciesOf(t, "one,0.5\ntwo/model.onnx,0.6\n", models); err != nil || !slices.Equal(got, []float64{0.5, 0.6}) {
		t.Errorf("%v, %v", got, err)
	}
}

func accuraciesOf(t *testing.T, text string, models []string) ([]float64, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "accuracy")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadAccuracies(path, models)
}

// comparisonOf has three networks: the second is beaten by the first over OT and is
// the cheapest by plan, the third is the most accurate.
func comparisonOf() *backbones {
	a := &backbones{Profile: "lan", Ring: 60, Scale: 23, CrossTerms: 2}
	for _, c := range [][3]int64{{1e9, 5e8, 3e6}, {2e9, 1e9, 1e6}, {4e9, 2e9, 9e6}} {
		a.Rows = append(a.Rows, backboneRow{Model: hostile,
			OT: backboneCost{Bytes: c[0], Seconds: 9}, Winograd: backboneCost{Bytes: c[1]}, Secc: backboneCost{Bytes: c[2], Seconds: 1}})
	}
	a.rank([]float64{0.8, 0.79, 0.9})
	return a
}

func TestRank(t *testing.T) {
	a := comparisonOf()
	for i, want := range [][4]bool{{true, true, true, false}, {false, false, true, false}, {true, true, true, true}} {
		r := a.Rows[i]
		if got := [4]bool{r.OT.Pareto, r.Winograd.Pareto, r.Secc.Pareto, r.Secc.ParetoSeconds}; got != want {
			t.Errorf("row %d: %v, want %v", i, got, want)
		}
	}
}

// The page draws every network once for each system, fronts as steps, in a frame.
func TestComparisonPage(t *testing.T) {
	a := comparisonOf()
	var b bytes.Buffer
	if err := writeComparison(&b, a); err != nil {
		t.Fatal(err)
	}
	selfContained(t, "comparison", b.String(), "circle")
	p := plotOf(a)
	for _, s := range p.Series {
		if len(s.Points) != 3 {
			t.Fatalf("%s has %d points", s.Name, len(s.Points))
		}
		for _, q := range s.Points {
			if q.X < float64(p.Left) || q.X > float64(p.Right) || q.Y < float64(p.Top) || q.Y > float64(p.Bottom) {
				t.Errorf("%s, %d lies at (%g, %g), outside", s.Name, q.Number, q.X, q.Y)
			}
		}
	}
	secc := p.Series[2]
	if q := secc.Points; !(q[1].X < q[0].X && q[0].X < q[2].X && q[2].Y < q[0].Y && q[0].Y < q[1].Y) {
		t.Errorf("points out of order: %+v", q)
	}
	if n := strings.Count(secc.Front, "H"); n != 2 {
		t.Errorf("a front of three points is %q", secc.Front)
	}
	if n := strings.Count(p.Series[0].Front, "H"); n != 1 {
		t.Errorf("a front of two points is %q", p.Series[0].Front)
	}
	if len(p.X) < 3 || len(p.Y) < 3 {
		t.Errorf("%d and %d lines", len(p.X), len(p.Y))
	}
	for i := range a.Rows {
		a.Rows[i].Accuracy = nil
	}
	b.Reset()
	if err := writeComparison(&b, a); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<circle") {
		t.Error("a plot without accuracies")
	}
}
