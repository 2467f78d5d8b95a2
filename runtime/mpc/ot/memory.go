package ot

import "secc.example/secc/runtime/mpc/prg"

// table allocates n blocks that will be read at random: on large pages where the system
// has them, since on small ones half of such a read is finding the page.
func table(n int) []prg.Block {
	const room = largePage / prg.BlockSize
	if n < room {
		return make([]prg.Block, n)
	}
	x := make([]prg.Block, n+room) // what is never touched takes no memory
	x = x[alignedTo(x, largePage):][:n:n]
	advise(x)
	return x
}
