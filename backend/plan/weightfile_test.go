package plan

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
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

// Sections tile the file: none may overlap another, leave a gap, or reach beyond
// the end, and none may be of a type that nobody reads.
func TestWeightsLayout(t *testing.T) {
	section := func(dtype string, n int, from, to int64) WeightInfo {
		return WeightInfo{dtype, []int{n}, [2]int64{from, to}}
	}
	for _, c := range []struct {
		what string
		ok   bool
		all  []WeightInfo
		size int
	}{
		{"two side by side", true, []WeightInfo{section("I16", 2, 0, 4), section("I8", 4, 4, 8)}, 8},
		{"one over another", false, []WeightInfo{section("I16", 2, 0, 4), section("I16", 3, 2, 8)}, 8},
		{"twice the same", false, []WeightInfo{section("I8", 4, 0, 4), section("I8", 4, 0, 4)}, 4},
		{"begins inside another", false, []WeightInfo{section("I8", 4, 0, 4), section("I8", 4, 2, 8)}, 8},
		{"begins before the file", false, []WeightInfo{section("I8", 4, -2, 4)}, 4},
		{"a gap", false, []WeightInfo{section("I8", 2, 0, 2), section("I8", 2, 4, 6)}, 6},
		{"a gap before the first", false, []WeightInfo{section("I8", 2, 2, 4)}, 4},
		{"bytes behind the last", false, []WeightInfo{section("I8", 2, 0, 2)}, 4},
		{"beyond the end", false, []WeightInfo{section("I8", 4, 0, 4)}, 2},
		{"fewer bytes than elements", false, []WeightInfo{section("I16", 4, 0, 4)}, 4},
		{"from behind to the front", false, []WeightInfo{section("I8", 2, 4, 2)}, 4},
		{"an unknown type", false, []WeightInfo{section("F32", 1, 0, 4)}, 4},
		{"no elements", false, []WeightInfo{section("I8", 0, 0, 0)}, 0},
	} {
		head := map[string]any{metadata: weightsMeta{weightsSchema, Digest{}.String(), checksum{}.String()}}
		for i, s := range c.all {
			head[string(rune('a'+i))] = s
		}
		text, err := json.Marshal(head)
		if err != nil {
			t.Fatal(err)
		}
		b := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
		b = append(b, make([]byte, c.size)...)
		if _, err := OpenWeights(bytes.NewReader(b), int64(len(b))); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	for _, twice := range [][]WeightTensor{{{"a", []int{1}, []int64{1}}, {"a", []int{1}, []int64{2}}}, {{metadata, []int{1}, []int64{1}}}, {{"\xff", []int{1}, []int64{1}}}} {
		if err := WriteWeights(io.Discard, Digest{}, twice); err == nil {
			t.Errorf("%v was written", twice)
		}
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

// A number at either end of a type's range, and the next beyond it.
func TestWeightsAtTheEndsOfTypes(t *testing.T) {
	for _, x := range []int64{1<<7 - 1, 1 << 7, -1 << 7, -1<<7 - 1, 1<<15 - 1, 1 << 15, -1 << 15, -1<<15 - 1, 1<<31 - 1, 1 << 31, -1 << 31, -1<<31 - 1} {
		var b bytes.Buffer
		if err := WriteWeights(&b, Digest{}, []WeightTensor{{"w", []int{2}, []int64{x, 1}}}); err != nil {
			t.Fatal(err)
		}
		w, err := OpenWeights(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := w.Ints("w", 2); err != nil || got[0] != x {
			t.Errorf("%d is read as %v, %v", x, got, err)
		}
	}
}

// Weights that are given to another plan by its digest alone are not what was written.
func TestChecksumCoversThePlan(t *testing.T) {
	b, _ := testWeights(t)
	b = bytes.Replace(b, []byte(Digest{1, 2, 3}.String()), []byte(Digest{3, 2, 1}.String()), 1)
	w, err := OpenWeights(bytes.NewReader(b), int64(len(b)))
	if err != nil || w.PlanDigest() != (Digest{3, 2, 1}) {
		t.Fatal(err, w)
	}
	if w.Verify() == nil {
		t.Error("the checksum holds")
	}
}
