//go:build (!amd64 && !arm64) || purego

package prg

import "secc.example/secc/internal/kernel"

// There is no assembly in this build: only whole is called.
func whole(kernel.Variant) bool { return false }

const absent = "BUG: prg: assembly kernel in a build without assembly"

func expandKey(*Block, *[11]Block)      { panic(absent) }
func encryptBlocks(*[11]Block, []Block) { panic(absent) }
func encryptPublic(*[11]Block, []Block) { panic(absent) }
