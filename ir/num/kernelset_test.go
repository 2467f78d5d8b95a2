package num

// elementSet is what the simulator does to every element, eight at a time.
type elementSet struct {
	round   func(r Rounding, acc []int64, first int) int
	shared  func(c Signer, out, x []int64, from, step uint64) int
	largest func(x []int64) (top int64, n int)
}
