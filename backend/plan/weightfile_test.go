package plan

import (
	"bytes"
	"math"
	"slices"
	"testing"
)

func testWeights(t testing.TB) ([]byte, []WeightTensor) {
	tensors := []WeightTensor{
		{"1/w", []int{2, 2}, []int64{-128, 127, 0, 5}},
		{"1/b", []int{2}, []int64{-1 << 31, 1<<31 - 1}},
		{"2/w", []int{3}, []int64{300, -32768, 32767}},
		{"2/b", []int{1}, []int64{math.MinInt64}},
	}
	var b bytes.Buffer
	if err := WriteWeights(&b, Digest{1, 2, 3}, tensors); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), tensors
}

func TestWeightsRoundTrip(t *testing.T) {
	b, tensors := testWeights(t)
	w, err := OpenWeights(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if w.PlanDigest() != (Digest{1, 2, 3}) {
		t.Error("plan digest lost")
	}
	for _, x := range tensors {
		got, err := w.Ints(x.Name, len(x.Data))
		if err != nil || !slices.Equal(got, x.Data) {
			t.Errorf("%s: %v %v", x.Name, got, err)
		}
	}
	if _, err := w.Ints("1/w", 5); err == nil {
		t.Error("wrong size accepted")
	}
}

// FuzzWeights: any bytes give an error or a file whose tensors can all be read.
func FuzzWeights(f *testing.F) {
	b, _ := testWeights(f)
	f.Add(b)
	f.Add(b[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := OpenWeights(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for name := range w.tensors {
			if _, err := w.Ints(name, w.Len(name)); err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
}
