package poly

import (
	"fmt"

	"secc.example/secc/runtime/mpc/ring"
)

// Packer is ring.Pack and ring.Unpack for one number of bits, with kernels. Immutable.
type Packer struct {
	bits int
	fast *packTables
}

// NewPacker returns the packer for values of b bits, 1 <= b <= 64.
func NewPacker(b int, v Variant) *Packer {
	if b < 1 || b > 64 {
		panic(fmt.Sprintf("BUG: poly: packing values of %d bits", b))
	}
	p := &Packer{bits: b}
	if b >= 8 && b <= 57 {
		p.fast = newPackTables(b, v.resolve())
	}
	return p
}

// Len returns the bytes that n values occupy.
func (p *Packer) Len(n int) int { return ring.PackedLen(n, p.bits) }

// Pack writes the low bits of every value; len(dst) = Len(len(v)).
func (p *Packer) Pack(dst []byte, v []uint64) {
	p.check(len(dst), len(v))
	groups := 0
	if p.fast != nil {
		groups = p.packFast(dst, v)
	}
	ring.Pack(dst[groups*p.bits:], v[groups*8:], p.bits)
}

// Unpack reads len(dst) values; len(src) = Len(len(dst)). Like ring.Unpack it refuses
// nothing but padding that is not zero: ranges are the caller's to check (AllBelow).
func (p *Packer) Unpack(dst []uint64, src []byte) error {
	p.check(len(src), len(dst))
	groups := 0
	if p.fast != nil {
		groups = p.unpackFast(dst, src)
	}
	return ring.Unpack(dst[groups*8:], src[groups*p.bits:], p.bits)
}

func (p *Packer) check(bytes, n int) {
	if bytes != p.Len(n) {
		panic(fmt.Sprintf("BUG: poly: %d values of %d bits in %d bytes", n, p.bits, bytes))
	}
}
