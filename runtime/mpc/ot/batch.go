package ot

import (
	"secc.example/secc/runtime/mpc/prg"
)

// part is what a batch holds of one slab.
type part struct {
	from   *slab
	blocks []prg.Block
}

// batch is a run of OTs that can be used once.
type batch struct {
	parts []part
	n     int
	index uint64 // of the first OT, counted from the start of the direction: the hash's tweak
	hash  *prg.Hash
	home  *stock
	used  bool
}

// SendBatch is a sender's batch.
type SendBatch struct {
	batch
	delta prg.Block
}

// RecvBatch is a receiver's batch.
type RecvBatch struct{ batch }

// Len is the number of OTs.
func (b *batch) Len() int { return b.n }

// consume marks the batch as used.
func (b *batch) consume() {
	if b.used {
		panic("BUG: ot: batch of correlated OTs used twice")
	}
	b.used = true
}

// release gives the slabs back; the batch cannot reach them any more.
func (b *batch) release() {
	for _, p := range b.parts {
		if p.from.unused.Add(-int64(len(p.blocks))) == 0 {
			b.home.takeBack(p.from)
		}
	}
	b.parts = nil
}

// Words returns the number of 64-bit words that hold n pads of the given width.
func Words(n, bits int) int {
	if bits == 1 {
		return (n + 63) / 64
	}
	return n
}

func checkBits(bits int) {
	if bits < 1 || bits > 64 {
		panic("BUG: ot: pads of 1 to 64 bits only")
	}
}

// Pads uses the batch as random OTs of the given width and returns both pads of
// each: bit-packed for width 1 (64 a word, lowest first), else one word each.
func (b *SendBatch) Pads(bits int) (p0, p1 []uint64) {
	p0, p1 = make([]uint64, Words(b.n, bits)), make([]uint64, Words(b.n, bits))
	b.PadsInto(bits, p0, p1)
	return p0, p1
}

// PadsInto is Pads into the caller's memory.
func (b *SendBatch) PadsInto(bits int, p0, p1 []uint64) {
	checkBits(bits)
	b.consume()
	b.pairs(bits, p0, p1, prg.Block{}, b.delta)
	b.release()
}

// Pads uses the batch as random OTs and returns the choice bits, bit-packed,
// and the chosen pads.
func (b *RecvBatch) Pads(bits int) (choice, p []uint64) {
	choice, p = make([]uint64, Words(b.n, 1)), make([]uint64, Words(b.n, bits))
	b.PadsInto(bits, choice, p)
	return choice, p
}

// PadsInto is Pads into the caller's memory.
func (b *RecvBatch) PadsInto(bits int, choice, p []uint64) {
	checkBits(bits)
	b.consume()
	b.pads(bits, p, prg.Block{})
	b.choices(choice)
	b.release()
}

// pads hashes every block, off added, to one pad.
func (b *batch) pads(bits int, dst []uint64, off prg.Block) {
	if len(dst) != Words(b.n, bits) {
		panic("BUG: ot: wrong length for pads")
	}
	pk := packer{dst: dst}
	var w [512]uint64
	at := b.index
	for _, p := range b.parts {
		for x := p.blocks; len(x) > 0; {
			n := min(len(x), len(w), pk.room())
			to := pk.place(bits, w[:n])
			b.hash.Words(bits, to, x[:n], off, at)
			pk.take(bits, to)
			x, at = x[n:], at+uint64(n)
		}
	}
	pk.flush()
}

// pairs is pads with off0 and with off1.
func (b *batch) pairs(bits int, dst0, dst1 []uint64, off0, off1 prg.Block) {
	if n := Words(b.n, bits); len(dst0) != n || len(dst1) != n {
		panic("BUG: ot: wrong length for pads")
	}
	pk0, pk1 := packer{dst: dst0}, packer{dst: dst1}
	var w0, w1 [512]uint64
	at := b.index
	for _, p := range b.parts {
		for x := p.blocks; len(x) > 0; {
			n := min(len(x), len(w0), pk0.room())
			to0, to1 := pk0.place(bits, w0[:n]), pk1.place(bits, w1[:n])
			b.hash.WordPairs(bits, to0, to1, x[:n], off0, off1, at)
			pk0.take(bits, to0)
			pk1.take(bits, to1)
			x, at = x[n:], at+uint64(n)
		}
	}
	pk0.flush()
	pk1.flush()
}

// choices packs the lowest bits of the blocks.
func (b *batch) choices(dst []uint64) {
	if len(dst) != Words(b.n, 1) {
		panic("BUG: ot: wrong length for choice bits")
	}
	pk := packer{dst: dst}
	for _, p := range b.parts {
		x := p.blocks
		for len(x) >= 64 && pk.n == 0 {
			pk.dst[0] = lowBitsOf((*[64]prg.Block)(x))
			pk.dst, x = pk.dst[1:], x[64:]
		}
		for i := range x {
			pk.bit(x[i][0])
		}
	}
	pk.flush()
}

// packer collects lowest bits into words.
type packer struct {
	dst []uint64
	acc uint64
	n   int // bits in acc
}

// place is where pads of the given width are made: aside those of one bit, which are packed, and
// words where they go.
func (p *packer) place(bits int, aside []uint64) []uint64 {
	if bits == 1 {
		return aside
	}
	return p.dst[:len(aside)]
}

// take puts pads that were made there.
func (p *packer) take(bits int, w []uint64) {
	if bits == 1 {
		p.put(w)
		return
	}
	mask := ^uint64(0) >> (64 - bits)
	for i := range w {
		w[i] &= mask
	}
	p.dst = p.dst[len(w):]
}

// room is a number of bits that may be put such that words stay aligned.
func (p *packer) room() int { return 512 - p.n }

func (p *packer) put(w []uint64) {
	for len(w) >= 64 && p.n == 0 {
		p.dst[0] = lowBits((*[64]uint64)(w))
		p.dst, w = p.dst[1:], w[64:]
	}
	for _, x := range w {
		p.bit(x)
	}
}

func (p *packer) bit(x uint64) {
	p.acc |= x & 1 << p.n
	if p.n++; p.n == 64 {
		p.flush()
	}
}

func (p *packer) flush() {
	if p.n > 0 {
		p.dst[0] = p.acc
		p.dst, p.acc, p.n = p.dst[1:], 0, 0
	}
}

func lowBitsOf(w *[64]prg.Block) (x uint64) {
	for i := range w {
		x |= w[i][0] & 1 << i
	}
	return x
}

func lowBits(w *[64]uint64) (x uint64) {
	for i := range w {
		x |= w[i] & 1 << i
	}
	return x
}

// Blocks uses the batch raw: the sender's q. The caller hashes them or knows
// why that is not needed.
func (b *SendBatch) Blocks() (q []prg.Block, delta prg.Block) {
	q = make([]prg.Block, b.n)
	return q, b.BlocksInto(q)
}

// BlocksInto is Blocks into the caller's memory; it returns Delta.
func (b *SendBatch) BlocksInto(q []prg.Block) (delta prg.Block) {
	b.raw(q)
	return b.delta
}

// Blocks uses the batch raw: the receiver's t, whose lowest bits are the choices.
func (b *RecvBatch) Blocks() []prg.Block {
	t := make([]prg.Block, b.n)
	b.raw(t)
	return t
}

// BlocksInto is Blocks into the caller's memory.
func (b *RecvBatch) BlocksInto(t []prg.Block) { b.raw(t) }

func (b *batch) raw(dst []prg.Block) {
	if len(dst) != b.n {
		panic("BUG: ot: wrong length for blocks")
	}
	b.consume()
	for _, p := range b.parts {
		dst = dst[copy(dst, p.blocks):]
	}
	b.release()
}
