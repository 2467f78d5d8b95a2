package poly

import (
	"fmt"
	"runtime"

	"secc.example/secc/internal/kernel"
)

// Kernel is all arithmetic of a ring: transforms, products, sampling, packing.
var Kernel = kernel.New("poly.ring", kernel.When(kernel.WASM, runtime.GOARCH == "wasm"), kernel.When(kernel.NEON, kernel.ARM64.NEON), kernel.When(kernel.AVX2, kernel.X86.AVX2), kernel.When(kernel.IFMA, kernel.X86.IFMA && kernel.X86.VAES512))

// Variant names an implementation of the kernels. A ring keeps to the one it was
// made with, since accumulators differ.
type Variant uint8

const (
	// Auto takes the fastest variant the processor has.
	Auto Variant = iota
	// Generic is portable Go.
	Generic
	// Halves is portable Go that multiplies halves of words, for WebAssembly: transforms and
	// products. Tests force it anywhere.
	Halves
	// FMA is AVX2 or NEON: transforms and products in double precision. With AVX2 the rest goes by
	// four lanes, with NEON it is portable.
	FMA
	// IFMA is AVX-512 with IFMA, VBMI, VPOPCNTDQ and VAES (amd64).
	IFMA
)

// ofKernel names the ring's arithmetic for what a kernel is called.
var ofKernel = map[kernel.Variant]Variant{kernel.Portable: Generic, kernel.WASM: Halves, kernel.NEON: FMA, kernel.AVX2: FMA, kernel.IFMA: IFMA}

// String returns the name used in benchmark rows.
func (v Variant) String() string {
	if v == Auto {
		return "auto"
	}
	if v == Halves {
		return kernel.WASM.String()
	}
	for _, k := range Kernel.Variants() {
		if ofKernel[k] == v {
			return k.String()
		}
	}
	return fmt.Sprintf("variant %d", v)
}

// Available reports whether v can run here.
func (v Variant) Available() bool {
	for _, w := range Variants() {
		if v == w {
			return true
		}
	}
	return v == Auto || v == Halves && bringHalves != nil
}

// ringKernels are transforms and products of a variant that not every program brings.
type ringKernels interface {
	forward(p []uint64, m int)
	inverse(p []uint64)
	mul(dst, a, b []uint64)
}

// bringHalves makes those of the variant Halves: of programs for WebAssembly, and of tests. Others leave
// its code out.
var bringHalves func(*Ring) ringKernels

// resolve turns Auto into a concrete variant.
func (v Variant) resolve() Variant {
	if v != Auto {
		return v
	}
	return ofKernel[Kernel.Variant()]
}

// Variants lists what can run here, fastest last.
func Variants() (vs []Variant) {
	for _, k := range Kernel.Variants() {
		vs = append(vs, ofKernel[k])
	}
	return vs
}
