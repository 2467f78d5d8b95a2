package kernel

import (
	"slices"
	"strings"
	"testing"
)

func TestTheFastestVariantRuns(t *testing.T) {
	defer func(were []*Kernel, was Variant) { all, limit = were, was }(all, limit)
	all = nil
	for _, tc := range []struct {
		limit Variant
		cases []Case
		want  Variant
	}{
		{IFMA, nil, Portable},
		{IFMA, []Case{{IFMA, false}, {AVX2, true}}, AVX2}, // each kernel its own test
		{IFMA, []Case{{IFMA, true}, {AVX2, true}}, IFMA},
		{VAES, []Case{{IFMA, true}, {AVX2, true}}, AVX2},
		{Portable, []Case{{IFMA, true}, {AVX2, true}}, Portable},
	} {
		limit = tc.limit
		if k := New("x", tc.cases...); k.Variant() != tc.want {
			t.Errorf("limit %v, %v: %v runs, want %v", tc.limit, tc.cases, k.Variant(), tc.want)
		}
	}
}

func TestForce(t *testing.T) {
	defer func(were []*Kernel) { all = were }(all)
	all = nil
	k := New("a.b", Case{NEON, true}, Case{AVX2, false})
	if got := k.Variants(); !slices.Equal(got, []Variant{Portable, NEON}) {
		t.Fatalf("variants %v", got)
	}
	undo := k.Force(Portable)
	if k.Variant() != Portable || Summary() != "portable: a.b" {
		t.Errorf("%v runs: %s", k.Variant(), Summary())
	}
	undo()
	if k.Variant() == Portable && limit >= NEON {
		t.Error("not undone")
	}
	defer func() {
		if recover() == nil {
			t.Error("forced a variant that does not run")
		}
	}()
	k.Force(AVX2)
}

func TestLimit(t *testing.T) {
	for i, name := range names {
		if v, err := readLimit(name); v != Variant(i) || err != nil {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	if v, err := readLimit("AVX"); v != IFMA || err == nil || !strings.Contains(err.Error(), "SECC_KERNELS=AVX") {
		t.Errorf("AVX: %v, %v", v, err)
	}
}
