// Package kerneltest runs tests over the variants of kernels.
package kerneltest

import (
	"testing"

	"secc.example/secc/internal/kernel"
)

// Each runs a test with every variant that some of the kernels can run here, all
// of them forced to it, or to the fastest before it that they have. Not for parallel tests.
func Each(t *testing.T, test func(t *testing.T), kernels ...*kernel.Kernel) {
	t.Helper()
	for v := kernel.Portable; v <= kernel.IFMA; v++ {
		if !some(kernels, v) {
			continue
		}
		t.Run(v.String(), func(t *testing.T) {
			force(t, v, kernels)
			test(t)
		})
	}
}

// Bench is Each for benchmarks; it adds the processor time of an iteration, for
// machines that are not idle.
func Bench(b *testing.B, bench func(b *testing.B), kernels ...*kernel.Kernel) {
	b.Helper()
	for v := kernel.Portable; v <= kernel.IFMA; v++ {
		if !some(kernels, v) {
			continue
		}
		b.Run(v.String(), func(b *testing.B) {
			force(b, v, kernels)
			before := CPU()
			bench(b)
			b.ReportMetric(float64((CPU()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

func some(kernels []*kernel.Kernel, v kernel.Variant) bool {
	for _, k := range kernels {
		for _, has := range k.Variants() {
			if has == v {
				return true
			}
		}
	}
	return false
}

func force(t testing.TB, limit kernel.Variant, kernels []*kernel.Kernel) {
	for _, k := range kernels {
		best := kernel.Portable
		for _, v := range k.Variants() {
			if v <= limit {
				best = v
			}
		}
		t.Cleanup(k.Force(best))
	}
}
