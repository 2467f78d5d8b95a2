package poly

import "testing"

func BenchmarkKernels(b *testing.B) {
	all, err := Benchmarks()
	if err != nil {
		b.Fatal(err)
	}
	for _, k := range all {
		b.Run(k.Name+"/"+k.Variant.String(), func(b *testing.B) {
			b.ReportAllocs()
			k.Run(b.N)
		})
	}
}
