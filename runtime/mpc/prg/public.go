package prg

import (
	"math/bits"

	"secc.example/secc/internal/kernel"
)

// publicRounds is the number of rounds of a public stream.
const publicRounds = 5

// Public is a stream for choices that everybody may know, and that need only be as if drawn at
// random: AES-128 reduced to five rounds, as a counter mode. No secret may come out of it. For what
// it is good see docs/security/ot.md, "The code".
type Public struct{ cipher Cipher }

// NewPublic expands key.
func NewPublic(key Block) *Public {
	p := new(Public)
	p.cipher.Reset(key)
	if p.cipher.soft != nil {
		p.cipher.soft.keys = p.cipher.soft.keys[:publicRounds+1]
	}
	return p
}

// Fill writes blocks first, first+1, ... of the stream: the counters are those of Cipher.Fill.
func (p *Public) Fill(dst []Block, first uint64) {
	c := &p.cipher
	switch {
	case len(dst) == 0:
	case c.variant == kernel.Portable:
		c.soft.Fill(dst, Block{}, first)
	case whole(c.variant):
		public(c.variant, &c.rounds, dst, first)
	default:
		for i := range dst {
			dst[i] = Block{0, bits.ReverseBytes64(first + uint64(i))}
		}
		encryptPublic(&c.rounds, dst)
	}
}
