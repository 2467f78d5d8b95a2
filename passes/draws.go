package passes

import (
	"math"
	"sync"
)

// Roundings are drawn anew in every run. The outputs of one run of a few inputs tell
// how far they scatter where there are hundreds of numbers; of a network with two
// scores they are a handful, which may happen to lie close. So such a network answers
// several times.

// An output with fewer than enoughNumbers over all inputs is drawn again until it has
// given that many, and manyNumbers where that is cheap: the largest of a thousand
// deviations is rarely passed by much, the largest of a hundred by half.
const (
	enoughNumbers = 64
	manyNumbers   = 1024
	cheapNumbers  = 1 << 22 // what networks may compute in all these runs
)

// draws is how many more runs of every input are wanted, and the outputs that have few
// numbers.
func (t *trials) draws() (n int, few []int) {
	cheap := cheapNumbers / (max(t.numbers, 1) * len(t.want))
	for o, first := range t.want[0] {
		if have := len(first) * len(t.want); have > 0 && have < enoughNumbers {
			must, want := (enoughNumbers+have-1)/have, (manyNumbers+have-1)/have
			n, few = max(n, must, min(want, cheap)), append(few, o)
		}
	}
	return n, few
}

// farther is how many times its root mean square a deviation may reach without being seen in
// a few runs: one in fifty of a normal distribution does.
const farther = 2.3

// scatter runs the inputs again, and gives how far an output that has few numbers is off
// at most, relative to its largest: the most that was seen, or what the root mean square
// makes likely.
func (t *trials) scatter(count *counter) (worst float64, err error) {
	n, few := t.draws()
	seen := map[int][]float64{} // by output
	var mu sync.Mutex
	err = overInputs(n*len(t.inputs), func(k, _ int) error {
		defer count.add(1)
		i := k % len(t.inputs)
		run, err := t.start(i, uint64(signSamples+k)+1)
		if err != nil {
			return err
		}
		r, err := run.Finish()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, o := range few {
			seen[o] = append(seen[o], t.off(r.Outputs[o].Floats(), i, o)...)
		}
		return nil
	})
	for _, ds := range seen {
		worst = max(worst, strays(ds))
	}
	return worst, err
}

// strays is how far from 0 numbers like these may be expected.
func strays(ds []float64) (far float64) {
	square := 0.0
	for _, d := range ds {
		far = max(far, math.Abs(d))
		square += d * d / float64(len(ds))
	}
	return max(far, farther*math.Sqrt(square))
}

// off is how far the numbers of an output are off, relative to the largest that it has for
// any input.
func (t *trials) off(got []float32, input, output int) []float64 {
	size := 0.0
	for _, want := range t.want {
		for _, x := range want[output] {
			size = max(size, math.Abs(float64(x)))
		}
	}
	ds := make([]float64, len(got))
	for j, x := range t.want[input][output] {
		if d := float64(got[j]) - float64(x); d != 0 { // 0 also of a size of 0
			ds[j] = d / size
		}
	}
	return ds
}
