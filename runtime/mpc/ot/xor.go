package ot

import (
	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime/mpc/prg"
)

//go:generate sh -c "cd _asm && go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg ot"

var adding = kernel.New("ot.xor", kernel.When(kernel.NEON, kernel.ARM64.NEON), kernel.When(kernel.AVX2, kernel.X86.AVX2), kernel.When(kernel.AVX512, kernel.X86.AVX512))

// The vectors of SoftSpoken have a multiple of 4 blocks (wire.SoftRowsUnit).

// xorInto sets dst = a ^ b.
func xorInto(dst, a, b []prg.Block) {
	a, b = a[:len(dst)], b[:len(dst)]
	switch v := adding.Variant(); {
	case len(dst) == 0:
	case v == kernel.Portable:
		xorGeneric(dst, a, b)
	default:
		xorVectors(v, &dst[0][0], &a[0][0], &b[0][0], len(dst))
	}
}

func xorGeneric(dst, a, b []prg.Block) {
	for i := range dst {
		dst[i] = a[i].Xor(b[i])
	}
}

// xorWire writes a ^ b to dst in wire form.
func xorWire(dst []byte, a, b []prg.Block) {
	dst, b = dst[:len(a)*prg.BlockSize], b[:len(a)]
	switch v := adding.Variant(); {
	case len(a) == 0:
	case v == kernel.Portable:
		xorWireGeneric(dst, a, b)
	default:
		xorWireVectors(v, &dst[0], &a[0][0], &b[0][0], len(a))
	}
}

func xorWireGeneric(dst []byte, a, b []prg.Block) {
	for i := range a {
		a[i].Xor(b[i]).Put(dst[i*prg.BlockSize:])
	}
}

// addMasked adds blocks in wire form, masked, to dst. Time does not depend on mask.
func addMasked(dst []prg.Block, src []byte, mask uint64) {
	src = src[:len(dst)*prg.BlockSize]
	switch v := adding.Variant(); {
	case len(dst) == 0:
	case v == kernel.Portable:
		addMaskedGeneric(dst, src, mask)
	default:
		addMaskedVectors(v, &dst[0][0], &src[0], mask, len(dst))
	}
}

func addMaskedGeneric(dst []prg.Block, src []byte, mask uint64) {
	for i := range dst {
		dst[i] = dst[i].Xor(prg.Load(src[i*prg.BlockSize:]).And(mask))
	}
}
