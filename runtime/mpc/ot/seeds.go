package ot

import "secc.example/secc/runtime/mpc/prg"

// seedTweak tells the second half of a seed apart from pads: no session makes
// so many OTs that an index reaches it.
const seedTweak = 1 << 62

// SeedsInto uses the batch as random OTs of seeds: 128 bits each, to be
// stretched by a generator where a pad of 64 bits is too short.
func (b *SendBatch) SeedsInto(s0, s1 []prg.Block) {
	b.consume()
	b.seeds(s0, prg.Block{})
	b.seeds(s1, b.delta)
	b.release()
}

// SeedsInto is the receiver's side: the choices, bit-packed, and the chosen seeds.
func (b *RecvBatch) SeedsInto(choice []uint64, s []prg.Block) {
	b.consume()
	b.seeds(s, prg.Block{})
	b.choices(choice)
	b.release()
}

// seeds hashes every block, off added, twice, under tweaks that nothing else uses.
func (b *batch) seeds(dst []prg.Block, off prg.Block) {
	if len(dst) != b.n {
		panic("BUG: ot: wrong length for seeds")
	}
	var lo, hi [512]uint64
	at := b.index
	for _, p := range b.parts {
		for x := p.blocks; len(x) > 0; {
			n := min(len(x), len(lo))
			b.hash.Words(64, lo[:n], x[:n], off, at)
			b.hash.Words(64, hi[:n], x[:n], off, at+seedTweak)
			for i := range n {
				dst[i] = prg.Block{lo[i], hi[i]}
			}
			dst, x, at = dst[n:], x[n:], at+uint64(n)
		}
	}
}
