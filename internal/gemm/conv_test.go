package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"secc.example/secc/internal/kernel"
	"secc.example/secc/internal/kernel/kerneltest"
)

// window is one without padding, dilation and strides but those given.
func window(in, kernel []int, change func(w *Window)) Window {
	ones := func() []int {
		s := make([]int, len(in))
		for d := range s {
			s[d] = 1
		}
		return s
	}
	w := Window{In: in, Kernel: kernel, Stride: ones(), Dilation: ones(), Origin: make([]int, len(in)), Spread: ones(), Out: make([]int, len(in))}
	if change != nil {
		change(&w)
	}
	for d := range w.Out { // as much as fits, with what stands before repeated behind
		have := (in[d]-1)*w.Spread[d] + 1 + 2*w.Origin[d]
		w.Out[d] = (have-(kernel[d]-1)*w.Dilation[d]-1)/w.Stride[d] + 1
	}
	return w
}

func pads(p ...int) func(*Window) { return func(w *Window) { w.Origin = p } }

func padsAndStrides(p, s []int) func(*Window) {
	return func(w *Window) { w.Origin, w.Stride = p, s }
}

var shapes = map[string]Shape{
	"same 3x3":               {1, 5, 19, window([]int{11, 13}, []int{3, 3}, pads(1, 1))},
	"many channels":          {1, 70, 17, window([]int{5, 5}, []int{3, 3}, pads(1, 1))}, // more than kBlock terms
	"pointwise":              {1, 33, 40, window([]int{9, 9}, []int{1, 1}, nil)},
	"pointwise, stride":      {1, 6, 9, window([]int{9, 8}, []int{1, 1}, padsAndStrides([]int{0, 0}, []int{2, 2}))},
	"7x7, stride":            {1, 3, 16, window([]int{31, 30}, []int{7, 7}, padsAndStrides([]int{3, 3}, []int{2, 2}))},
	"stride beyond kernel":   {1, 3, 8, window([]int{17, 17}, []int{2, 2}, padsAndStrides([]int{1, 0}, []int{3, 5}))},
	"depthwise":              {24, 24, 24, window([]int{14, 14}, []int{3, 3}, pads(1, 1))},
	"depthwise, stride":      {7, 7, 7, window([]int{15, 13}, []int{3, 3}, padsAndStrides([]int{1, 1}, []int{2, 2}))},
	"depthwise, wide":        {2, 2, 4, window([]int{40, 70}, []int{5, 5}, pads(2, 2))},
	"depthwise, to a point":  {9, 9, 9, window([]int{7, 7}, []int{7, 7}, nil)},
	"groups":                 {3, 12, 27, window([]int{8, 8}, []int{3, 3}, pads(1, 1))},
	"dilation":               {1, 4, 8, window([]int{15, 15}, []int{3, 3}, func(w *Window) { w.Origin, w.Dilation = []int{2, 4}, []int{2, 4} })},
	"dilation and stride":    {1, 4, 8, window([]int{15, 15}, []int{3, 3}, func(w *Window) { w.Dilation, w.Stride = []int{2, 3}, []int{2, 2} })},
	"transposed":             {1, 6, 10, window([]int{6, 7}, []int{4, 4}, func(w *Window) { w.Origin, w.Spread = []int{2, 2}, []int{2, 3} })},
	"spread and stride":      {1, 2, 4, window([]int{6, 7}, []int{3, 3}, func(w *Window) { w.Stride, w.Spread = []int{2, 3}, []int{3, 2} })},
	"padding beyond kernel":  {1, 2, 4, window([]int{3, 3}, []int{2, 2}, pads(4, 3))},
	"negative padding":       {1, 2, 6, window([]int{9, 9}, []int{2, 2}, pads(-1, -2))},
	"line":                   {1, 8, 12, window([]int{50}, []int{5}, padsAndStrides([]int{2}, []int{2}))},
	"volume":                 {1, 3, 8, window([]int{5, 6, 7}, []int{3, 2, 3}, pads(1, 0, 1))},
	"column":                 {1, 3, 9, window([]int{40, 1}, []int{3, 1}, pads(1, 0))},
	"vector":                 {1, 101, 37, window([]int{1}, []int{1}, nil)},
	"vector, one output":     {1, 67, 1, window([]int{1}, []int{1}, nil)},
	"matrix":                 {1, 45, 30, window([]int{21}, []int{1}, nil)},
	"matrix, few columns":    {1, 45, 30, window([]int{3}, []int{1}, nil)},
	"matrix, few rows":       {1, 300, 2, window([]int{2100}, []int{1}, nil)},
	"matrix, rows and tiles": {1, 520, 130, window([]int{150}, []int{1}, nil)},
}

// direct is the definition, modulo 2^64.
func direct(s Shape, x []uint64, w []int64) []uint64 {
	out := make([]uint64, s.NumOut())
	c, no, ni, nk := s.In/s.Groups, numel(s.Window.Out), numel(s.Window.In), numel(s.Kernel)
	for m := range s.Out {
		first := m / (s.Out / s.Groups) * c
		for o := range no {
			for i := range c {
				for k := range nk {
					if at, ok := tapAt(s.Window, o, k); ok {
						out[m*no+o] += x[(first+i)*ni+at] * uint64(w[(m*c+i)*nk+k])
					}
				}
			}
		}
	}
	return out
}

// tapAt is the input element that tap k of output o reads, if it is one.
func tapAt(w Window, o, k int) (at int, ok bool) {
	stride := 1
	for d := len(w.In) - 1; d >= 0; d-- {
		p := o%w.Out[d]*w.Stride[d] + k%w.Kernel[d]*w.Dilation[d] - w.Origin[d]
		o, k = o/w.Out[d], k/w.Kernel[d]
		if p < 0 || p%w.Spread[d] != 0 || p/w.Spread[d] >= w.In[d] {
			return 0, false
		}
		at += p / w.Spread[d] * stride
		stride *= w.In[d]
	}
	return at, true
}

func uniform(rng *rand.Rand, n int) []uint64 {
	x := make([]uint64, n)
	for i := range x {
		x[i] = rng.Uint64()
	}
	return x
}

// weightsOf are of every size up to 32 bits, the ends among them.
func weightsOf(rng *rand.Rand, n int) []int64 {
	w := make([]int64, n)
	for i := range w {
		w[i] = int64(int32(rng.Uint32())) >> (8 * rng.IntN(4))
	}
	w[0] = math.MinInt32
	w[n-1] = math.MaxInt32
	return w
}

func TestConv(t *testing.T) {
	kerneltest.Each(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for name, s := range shapes {
			x, w, start := uniform(rng, s.NumIn()), weightsOf(rng, s.NumWeights()), uniform(rng, s.NumOut())
			want := direct(s, x, w)
			for _, bits := range []int{20, 32, 33, 64} {
				c, err := NewConv(s, w, bits)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for _, workers := range []int{1, 3} {
					out := append([]uint64{}, start...)
					c.Add(out, x, workers)
					for i := range out {
						if (out[i]-start[i]-want[i])<<(64-bits) != 0 {
							t.Fatalf("%s, %d bits, %d workers: output %d is %#x, want %#x", name, bits, workers, i, out[i]-start[i], want[i])
						}
					}
				}
			}
		}
	}, KernelRing32, KernelRing64)
}

func TestConvRefuses(t *testing.T) {
	ok := Shape{1, 2, 3, window([]int{4}, []int{2}, nil)}
	w := make([]int32, ok.NumWeights())
	if _, err := NewConv(ok, w, 64); err != nil {
		t.Fatal(err)
	}
	change := func(f func(s *Shape)) Shape {
		s := ok
		s.Window = window([]int{4}, []int{2}, nil)
		f(&s)
		return s
	}
	for name, s := range map[string]Shape{
		"groups":      change(func(s *Shape) { s.Groups = 2 }),
		"no channels": change(func(s *Shape) { s.In = 0 }),
		"no stride":   change(func(s *Shape) { s.Stride[0] = 0 }),
		"dimensions":  change(func(s *Shape) { s.Dilation = []int{1, 1} }),
		"too large":   change(func(s *Shape) { s.Window.Out[0] = math.MaxInt32 }),
		"weights":     change(func(s *Shape) { s.Out = 4 }),
	} {
		if _, err := NewConv(s, w, 64); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewConv(ok, w, 65); err == nil {
		t.Error("65 bits: accepted")
	}
	if _, err := NewConv(ok, append(make([]int64, ok.NumWeights()-1), 1<<31), 64); err == nil {
		t.Error("a weight of 33 bits: accepted")
	}
}

// BenchmarkConv multiplies layers of ResNet-50 and MobileNetV2.
func BenchmarkConv(b *testing.B) {
	for _, l := range []struct {
		name string
		s    Shape
	}{
		{"3x3, 64 to 64, 56x56", Shape{1, 64, 64, window([]int{56, 56}, []int{3, 3}, pads(1, 1))}},
		{"3x3, 512 to 512, 7x7", Shape{1, 512, 512, window([]int{7, 7}, []int{3, 3}, pads(1, 1))}},
		{"1x1, 256 to 64, 56x56", Shape{1, 256, 64, window([]int{56, 56}, []int{1, 1}, nil)}},
		{"7x7 stride 2, 3 to 64, 224x224", Shape{1, 3, 64, window([]int{224, 224}, []int{7, 7}, padsAndStrides([]int{3, 3}, []int{2, 2}))}},
		{"depthwise 3x3, 144, 56x56", Shape{144, 144, 144, window([]int{56, 56}, []int{3, 3}, pads(1, 1))}},
		{"depthwise 3x3, 960, 7x7", Shape{960, 960, 960, window([]int{7, 7}, []int{3, 3}, pads(1, 1))}},
		{"vector, 2048 to 1000", Shape{1, 2048, 1000, window([]int{1}, []int{1}, nil)}},
	} {
		for _, ring := range []struct {
			bits   int
			kernel *kernel.Kernel
		}{{32, KernelRing32}, {64, KernelRing64}} {
			b.Run(fmt.Sprintf("%s/%d", l.name, ring.bits), func(b *testing.B) {
				kerneltest.Bench(b, func(b *testing.B) {
					rng := rand.New(rand.NewPCG(3, 4))
					c, err := NewConv(l.s, weightsOf(rng, l.s.NumWeights()), ring.bits)
					if err != nil {
						b.Fatal(err)
					}
					x, out := uniform(rng, l.s.NumIn()), make([]uint64, l.s.NumOut())
					macs := float64(l.s.NumWeights()) * float64(numel(l.s.Window.Out))
					start := kerneltest.CPU()
					b.ResetTimer()
					for range b.N {
						c.Add(out, x, 1)
					}
					b.ReportMetric(float64((kerneltest.CPU()-start).Nanoseconds())/float64(b.N)/macs, "ns/MAC")
				}, ring.kernel)
			})
		}
	}
}
