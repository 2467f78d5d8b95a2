package plan

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// pair gives a plan and weights that were made with it.
func pair(t testing.TB) (*Plan, *Weights) {
	p := small()
	d, err := p.Digest()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteWeights(&b, d, []WeightTensor{{"1/w", []int{3}, []int64{1, -2, 300}}, {"2/w", []int{2}, []int64{5, 6}}}); err != nil {
		t.Fatal(err)
	}
	w, err := OpenWeights(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return p, w
}

// Weights are private however the place looked before, and what a symbolic link
// points to is left alone.
func TestSaveReplaces(t *testing.T) {
	p, w := pair(t)
	dir := t.TempDir()
	planPath, weights, elsewhere := filepath.Join(dir, "m.plan"), filepath.Join(dir, "m.weights"), filepath.Join(dir, "elsewhere")
	if err := errors.Join(os.WriteFile(elsewhere, []byte("mine"), 0o644), os.Symlink(elsewhere, weights)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time over a regular file
		if err := Save(planPath, weights, p, w); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(weights); err != nil || info.Mode() != 0o600 {
			t.Errorf("weights: %v, %v", info.Mode(), err)
		}
		if err := os.Chmod(weights, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if b, _ := os.ReadFile(elsewhere); string(b) != "mine" {
		t.Errorf("written through the link: %q", b)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 3 {
		t.Errorf("left over: %v", left)
	}
	again, done, err := OpenWeightsFile(weights, p)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if x, err := again.Ints("1/w", 3); err != nil || !slices.Equal(x, []int64{1, -2, 300}) {
		t.Errorf("%v, %v", x, err)
	}
}

// What cannot be written whole leaves the old pair, whichever half fails.
func TestSaveLeavesOldPair(t *testing.T) {
	p, w := pair(t)
	dir := t.TempDir()
	old := map[string]string{"m.plan": "old plan", "m.weights": "old weights"}
	for name, text := range old {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	missing := filepath.Join(dir, "none", "m")
	for _, paths := range [][2]string{{filepath.Join(dir, "m.plan"), missing}, {missing, filepath.Join(dir, "m.weights")}} {
		if err := Save(paths[0], paths[1], p, w); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
	}
	for name, text := range old {
		if b, _ := os.ReadFile(filepath.Join(dir, name)); string(b) != text {
			t.Errorf("%s holds %.20q", name, b)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left over: %v", left)
	}
}

// Every bit of a weights file counts, and the file that was checked is the one
// that is read, whatever takes its name.
func TestOpenWeightsFileVerifies(t *testing.T) {
	p, w := pair(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "m.weights")
	if err := Save(filepath.Join(dir, "m.plan"), path, p, w); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, done, err := OpenWeightsFile(path, p); err == nil {
			t.Errorf("byte %d (%q): a flipped bit was let in", i, good[max(0, i-8):min(len(good), i+8)])
			done()
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	open, done, err := OpenWeightsFile(path, p)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	other, _ := pair(t)
	other.Model = "other"
	if _, _, err := OpenWeightsFile(path, other); !errors.Is(err, ErrOtherPlan) {
		t.Errorf("weights of another plan: %v", err)
	}
	d, _ := other.Digest()
	var b bytes.Buffer
	if err := WriteWeights(&b, d, []WeightTensor{{"1/w", []int{3}, []int64{7, 7, 7}}}); err != nil {
		t.Fatal(err)
	}
	replacement, err := OpenWeights(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if err := Save(filepath.Join(dir, "m.plan"), path, other, replacement); err != nil {
		t.Fatal(err)
	}
	if x, err := open.Ints("1/w", 3); err != nil || !slices.Equal(x, []int64{1, -2, 300}) {
		t.Errorf("after another compilation: %v, %v", x, err)
	}
}
