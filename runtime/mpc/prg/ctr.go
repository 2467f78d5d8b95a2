package prg

// Fill writes blocks first, first+1, ... of the AES-CTR stream to dst: block i
// is AES_key(i) with i as a 128-bit big-endian counter, which is the standard
// library's CTR mode from a zero IV.
func (c *Cipher) Fill(dst []Block, first uint64) {
	switch {
	case len(dst) == 0:
	case whole(c.variant):
		ctr(c.variant, &c.rounds, dst, first)
	default:
		c.composedFill(dst, first)
	}
}
