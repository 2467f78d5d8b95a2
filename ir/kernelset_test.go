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
