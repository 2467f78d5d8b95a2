//go:build purego || !amd64

package ir

func machineKernels() []kernelSet { return nil }

func elementKernels() *elementSet { return nil }
