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

// Stream is an AES-CTR generator that remembers where it stands. It is not
// safe for concurrent use.
type Stream struct {
	c    *Cipher
	next uint64
}

// NewStream starts the stream of a seed.
func NewStream(seed Block) *Stream { return &Stream{c: NewCipher(seed)} }

// Blocks fills dst with the next blocks.
func (s *Stream) Blocks(dst []Block) {
	s.c.Fill(dst, s.next)
	s.next += uint64(len(dst))
}

// Read fills p; it never fails. A call always starts at a fresh block.
func (s *Stream) Read(p []byte) (int, error) {
	var b [64]Block
	for done := 0; done < len(p); {
		n := min(len(b), (len(p)-done+BlockSize-1)/BlockSize)
		s.Blocks(b[:n])
		for i := range b[:n] {
			w := b[i].Bytes()
			done += copy(p[done:], w[:])
		}
	}
	return len(p), nil
}
