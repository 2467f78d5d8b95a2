package num

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Images of one window each, multiplied as the rows of a matrix, give what each gives
// alone, whatever kernel multiplies and however few or many there are.
func TestImagesOfOneWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, images := range []int{1, 2, 5, 40} {
		for _, kernel := range [][]int{{1, 1}, {2, 3}, {5}} {
			for _, m := range []int{1, 7, 33} {
				one := slices.Repeat([]int{1}, len(kernel))
				w := Window{In: kernel, Out: one, Kernel: kernel, Stride: one, Dilation: one, Origin: make([]int, len(kernel)), Spread: one}
				c := 3
				n := c * Numel(kernel)
				x, weights, out := make([]int64, images*n), make([]int64, m*n), make([]int64, images*m)
				for i := range x {
					x[i] = r.Int64N(1<<20) - 1<<19
				}
				for i := range weights {
					weights[i] = r.Int64N(1<<12) - 1<<11
				}
				for i := range out {
					out[i] = int64(i)
				}
				want := slices.Clone(out)
				for i := range images {
					for o := range m {
						for k := range n {
							want[i*m+o] += x[i*n+k] * weights[o*n+k]
						}
					}
				}
				Convolve(out, x, weights, nil, images, 1, c, m, w, MicroInt(func() bool { return true }), 2)
				if !slices.Equal(out, want) {
					t.Errorf("%d images, kernel %v, %d filters: %v, want %v", images, kernel, m, out, want)
				}
			}
		}
	}
}
