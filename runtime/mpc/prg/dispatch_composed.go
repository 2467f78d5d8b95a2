//go:build !amd64 || purego

package prg

import "secc.example/secc/internal/kernel"

// Nothing is called in builds where no variant is whole.

const unreachable = "BUG: prg: a kernel that this build composes was called"

func ctr(kernel.Variant, *[11]Block, []Block, uint64) { panic(unreachable) }

func public(kernel.Variant, *[11]Block, []Block, uint64) { panic(unreachable) }

func hashWords(kernel.Variant, *[11]Block, []uint64, []Block, *Block, uint64) { panic(unreachable) }

func expand(kernel.Variant, *[11]Block, []Block, int, *Block, uint64, uint64) Block {
	panic(unreachable)
}

func finish(kernel.Variant, []Block, *Block, uint64, uint64, uint64, uint64) { panic(unreachable) }

func fold(kernel.Variant, []Cipher, []Block, []Block, uint64) { panic(unreachable) }
