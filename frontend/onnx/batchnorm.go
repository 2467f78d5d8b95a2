package onnx

import (
	"fmt"
	"math"
)

// foldBatchNorm turns scale, bias, mean and variance into y = x*scale + shift.
// A channel that never varied in training has a variance near zero; only one
// that makes the result infinite is an error.
func foldBatchNorm(p [4][]float32, eps float64) (scale, shift []float32, err error) {
	scale, shift = make([]float32, len(p[0])), make([]float32, len(p[0]))
	for i := range scale {
		s := float64(p[0][i]) / math.Sqrt(float64(p[3][i])+eps)
		b := float64(p[1][i]) - float64(p[2][i])*s
		scale[i], shift[i] = float32(s), float32(b)
		if bad := s - s + b - b; bad != 0 || math.Abs(s) > math.MaxFloat32 || math.Abs(b) > math.MaxFloat32 {
			return nil, nil, fmt.Errorf("channel %d has scale %g and variance %g: its result is not finite", i, p[0][i], p[3][i])
		}
	}
	return scale, shift, nil
}
