package poly

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestNTTWeights compares structured transforms with the plain transform.
func TestNTTWeights(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, r := range testRings(t, 16, 64, 256, 2048, 4096, 8192) {
		for stride := 1; stride <= r.n; stride *= 2 {
			for _, count := range []int{1, 3, 9, 70, r.n} {
				if count > r.n/stride {
					continue
				}
				checkWeights(t, r, rng, stride, count, count)
				checkWeights(t, r, rng, stride, count, r.n/stride)
			}
		}
	}
}

// checkWeights draws count positions among the first span multiples of stride.
func checkWeights(t *testing.T, r *Ring, rng *rand.Rand, stride, count, span int) {
	t.Helper()
	pos, w := make([]int, count), make([]int32, count)
	want := r.NewPoly()
	for i, p := range rng.Perm(span)[:count] {
		w[i] = rng.Int32N(1<<20+1)*2 - 1<<20
		v := int64(w[i])
		pos[i] = p * stride
		if rng.IntN(2) == 0 {
			pos[i] += r.n
			v = -v
		}
		want[p*stride] = r.fromSigned(v)
	}
	s, err := r.NewSupport(pos)
	if err != nil {
		t.Fatal(err)
	}
	if s.Stride()%stride != 0 || s.Block()*s.Stride() > max(2*span*stride, s.Stride()) || s.Len() != count {
		t.Fatalf("%v: support of stride %d block %d for stride %d count %d span %d", r, s.Stride(), s.Block(), stride, count, span)
	}
	r.NTT(want)
	what := fmt.Sprintf("%v stride %d count %d span %d", r, stride, count, span)
	got := constant(r, 12345) // stale values must not show
	r.NTTWeights(got, w, s)
	equal(t, what, got, want)
	compact := constant(r, 12345)[:s.CompactLen()]
	r.NTTWeights(compact, w, s)
	for i, v := range compact {
		if v != want[i*s.Stride()] {
			t.Fatalf("%s: compact position %d differs", what, i)
		}
	}
}

func TestNewSupportRefuses(t *testing.T) {
	r := testRings(t, 16)[0]
	for _, bad := range [][]int{{-1}, {32}, {3, 3}, {3, 19}} {
		if _, err := r.NewSupport(bad); err == nil {
			t.Errorf("%v accepted", bad)
		}
	}
}
