package ir

// kernelSet is one way to multiply; tests run over all of them.
type kernelSet struct {
	name  string
	float micro[float32]
	int   micro[int64]
}

func kernelSets() []kernelSet {
	sets := []kernelSet{{"go", microGo[float32](), microGo[int64]()}}
	return append(sets, machineKernels()...)
}

// elementSet is what the simulator does to every element, eight at a time.
type elementSet struct {
	round   func(r rounding, acc []int64, first int) int
	shared  func(c signer, out, x []int64, from, step uint64) int
	largest func(x []int64) (top int64, n int)
}
