package mpctest

import "secc.example/secc/runtime/mpc/prg"

// SeedsInto fills both seeds of every OT.
func (b *SendBatch) SeedsInto(s0, s1 []prg.Block) {
	b.spend()
	b.seeds(s0, &b.d.words[0], &b.d.words[0])
	b.seeds(s1, &b.d.words[1], &b.d.words[1])
}

// SeedsInto fills the choices (bit-packed) and the chosen seeds.
func (b *RecvBatch) SeedsInto(choice []uint64, s []prg.Block) {
	b.spend()
	b.fill(1, choice, &b.d.words[2], &b.d.words[2])
	b.seeds(s, &b.d.words[0], &b.d.words[1])
}

func (b *batch) seeds(dst []prg.Block, zero, one *[period]uint64) {
	for i := range dst {
		at := (b.first + int64(i)) % period
		m := -(b.d.words[2][at] & 1)
		v := zero[at]&^m | one[at]&m
		dst[i] = prg.Block{v, ^v * 0x9e3779b97f4a7c15}
	}
}
