package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestSubset: the cases of testdata, two processes included, end as their index
// says.
func TestSubset(t *testing.T) {
	const dir = "../../testdata/cases"
	var want []struct{ Name, Expect string }
	b, err := os.ReadFile(dir + "/index.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := run(dir, "", -1, true, &out); err != nil {
		t.Fatal(err)
	}
	var got struct{ Cases []result }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Cases) != len(want) || len(want) < 8 {
		t.Fatalf("%d cases tried, %d in the index", len(got.Cases), len(want))
	}
	for i, w := range want {
		if g := got.Cases[i]; g.Name != w.Name || g.Verdict != w.Expect {
			t.Errorf("%+v, want %s to be %s", g, w.Name, w.Expect)
		}
	}
}

// TestVerdict: by hand.
func TestVerdict(t *testing.T) {
	want := []output{{shape: []int{2, 2}, values: []float64{10, -2, 1, 3}}}
	for _, c := range []struct {
		got     []float32
		verdict string
		close   bool
	}{
		{[]float32{10.09, -2, 1, 3}, verdictRight, true},
		{[]float32{10.11, -2, 1, 3}, verdictRight, false}, // off by 1.1 %, both classes right
		{[]float32{10.11, -2, 3, 2.9}, verdictWrong, false},
	} {
		s := new(score)
		if err := s.add([][]float32{c.got}, want); err != nil {
			t.Fatal(err)
		}
		if v, _ := verdictOf(s, nil); v != c.verdict || s.close() != c.close {
			t.Errorf("%v: %s, close %v; want %s, %v", c.got, v, s.close(), c.verdict, c.close)
		}
	}
	if err := new(score).add([][]float32{{1}}, want); err == nil {
		t.Error("one element passes for four")
	}
}

// TestFresh: the second input's error counts by the first input's reference.
func TestFresh(t *testing.T) {
	all := new(score)
	if err := all.add([][]float32{{10, -10}}, []output{{shape: []int{1, 2}, values: []float64{10, -10}}}); err != nil {
		t.Fatal(err)
	}
	for off, close := range map[float32]bool{0.09: true, 0.11: false} {
		s := all.fresh()
		if err := s.add([][]float32{{1 + off, 1}}, []output{{shape: []int{1, 2}, values: []float64{1, 1}}}); err != nil {
			t.Fatal(err)
		}
		if s.close() != close || s.rows != 1 {
			t.Errorf("off by %g: close %v of %d rows", off, s.close(), s.rows)
		}
	}
}

// TestClasses: images have their classes along the channels, whole numbers are
// answers each, and a lone number is no class.
func TestClasses(t *testing.T) {
	image := output{shape: []int{1, 2, 1, 2}, values: []float64{1, 0, 0, 1}}
	s := new(score)
	if err := s.add([][]float32{{0.6, 0.6, 0.5, 0.5}}, []output{image}); err != nil {
		t.Fatal(err)
	}
	if s.rows != 2 || s.agree != 1 {
		t.Errorf("image: %d of %d, want 1 of 2", s.agree, s.rows)
	}
	s = new(score)
	if err := s.add([][]float32{{6, 4}}, []output{{shape: []int{2}, values: []float64{6, 5}, integer: true}}); err != nil {
		t.Fatal(err)
	}
	if s.rows != 2 || s.agree != 1 {
		t.Errorf("integers: %d of %d, want 1 of 2", s.agree, s.rows)
	}
	s = new(score)
	if err := s.add([][]float32{{2}}, []output{{shape: []int{1, 1}, values: []float64{1}}}); err != nil {
		t.Fatal(err)
	}
	if s.right() {
		t.Error("one number that is twice too large passes for a class")
	}
}

// TestClear: a name and a remedy, in every line of a list.
func TestClear(t *testing.T) {
	for text, want := range map[string]bool{
		`secc: error: m.onnx: onnx: 1 of 2 nodes not supported` + "\n" + `  node "y" (TopK, opset 11): in the middle; compute it after the answer`:                                                    true,
		`secc: error: m.onnx: onnx: 2 of 2 nodes not supported` + "\n" + `  node "y" (TopK, opset 11): in the middle; compute it after the answer` + "\n" + `  node "z" (If, opset 1): not supported`: false,
		`secc: error: onnx: input "x": dimension 2 ("h") is not fixed; give --input-shape x=1,3,H,W`:                                                                                                  true,
		`secc: error: onnx: node "x" (Slice): not supported`: false,
		`secc: error: node "x": BUG: use another compiler`:   false,
	} {
		if got := clear(text); got != want {
			t.Errorf("%s: %v", strings.ReplaceAll(text, "\n", " | "), got)
		}
	}
}
