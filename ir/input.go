package ir

import (
	"fmt"
	"math"
	"slices"
)

// InputAttrs is what the client does to an input before anything else reads it,
// in the clear and in every phase: elements below Min become Min (0: none do),
// then element i is multiplied by 2^Shift[i/Inner mod len(Shift)]. Columns of very
// different scale share one format so, and what stands for minus infinity needs no room.
type InputAttrs struct {
	Min   float64
	Shift []int
	Inner int
}

// MaxInputShift bounds the exponents of an input's factors.
const MaxInputShift = 64

func (a *InputAttrs) check(n int) error {
	if a.Min-a.Min != 0 || len(a.Shift) == 0 && a.Inner != 0 {
		return fmt.Errorf("an input from %v on, %d exponents over %d", a.Min, len(a.Shift), a.Inner)
	}
	if len(a.Shift) > 0 && (a.Inner < 1 || n%a.Inner != 0 || n/a.Inner%len(a.Shift) != 0) {
		return fmt.Errorf("%d exponents over %d elements each for %d elements", len(a.Shift), a.Inner, n)
	}
	if slices.ContainsFunc(a.Shift, func(s int) bool { return s < -MaxInputShift || s > MaxInputShift }) {
		return fmt.Errorf("exponents beyond %d", MaxInputShift)
	}
	return nil
}

// Apply gives the elements that the network reads; x stays as it is.
func (a *InputAttrs) Apply(x []float32) []float32 {
	if a.Min == 0 && len(a.Shift) == 0 {
		return x
	}
	y := slices.Clone(x)
	for i := range y {
		if a.Min != 0 {
			y[i] = max(y[i], float32(a.Min))
		}
		if n := len(a.Shift); n > 0 {
			y[i] = float32(math.Ldexp(float64(y[i]), a.Shift[i/a.Inner%n]))
		}
	}
	return y
}
