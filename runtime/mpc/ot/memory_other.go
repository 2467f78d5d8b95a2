//go:build !linux

package ot

import "secc.example/secc/runtime/mpc/prg"

// There are no large pages to ask for.
const largePage = 1 << 62

func alignedTo([]prg.Block, uintptr) int { return 0 }

func advise([]prg.Block) {}
