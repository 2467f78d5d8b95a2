package poly

import (
	"encoding/binary"
	"fmt"
)

// PackedLen returns the bytes that n values of b bits occupy.
func PackedLen(n, b int) int { return (n*b + 7) / 8 }

// Packer packs values of a fixed number of bits into bytes, without gaps, least
// significant bit first; unused bits of the last byte are zero. Immutable.
type Packer struct {
	bits int
	mask uint64
	fast *packTables
}

// NewPacker returns the packer for values of b bits, 1 <= b <= 64.
func NewPacker(b int, v Variant) *Packer {
	if b < 1 || b > 64 {
		panic(fmt.Sprintf("BUG: poly: packing values of %d bits", b))
	}
	p := &Packer{bits: b, mask: ^uint64(0) >> (64 - b)}
	if b >= 8 && b <= 57 {
		p.fast = newPackTables(b, v.resolve())
	}
	return p
}

// PackBits packs v at b bits a value; see Packer.
func PackBits(dst []byte, v []uint64, b int) { NewPacker(b, Auto).Pack(dst, v) }

// UnpackBits undoes PackBits.
func UnpackBits(dst []uint64, src []byte, b int) { NewPacker(b, Auto).Unpack(dst, src) }

// Bits returns the bits a value.
func (p *Packer) Bits() int { return p.bits }

// Len returns the bytes that n values occupy.
func (p *Packer) Len(n int) int { return PackedLen(n, p.bits) }

// Pack writes the low bits of every value; len(dst) = Len(len(v)).
func (p *Packer) Pack(dst []byte, v []uint64) {
	p.check(len(dst), len(v))
	groups := 0
	if p.fast != nil {
		groups = p.packFast(dst, v)
	}
	p.packGeneric(dst[groups*p.bits:], v[groups*8:])
}

// Unpack reads len(dst) values; len(src) = Len(len(dst)). It rejects nothing:
// ranges are the caller's to check (AllBelow).
func (p *Packer) Unpack(dst []uint64, src []byte) {
	p.check(len(src), len(dst))
	groups := 0
	if p.fast != nil {
		groups = p.unpackFast(dst, src)
	}
	p.unpackGeneric(dst[groups*8:], src[groups*p.bits:])
}

// PaddingZero reports whether the unused bits of the last byte of src, holding n
// values, are zero.
func (p *Packer) PaddingZero(src []byte, n int) bool {
	used := n * p.bits % 8
	return used == 0 || src[len(src)-1]>>used == 0
}

func (p *Packer) check(bytes, n int) {
	if bytes != p.Len(n) {
		panic(fmt.Sprintf("BUG: poly: %d values of %d bits in %d bytes", n, p.bits, bytes))
	}
}

// packGeneric keeps fewer than 64 pending bits in acc.
func (p *Packer) packGeneric(dst []byte, v []uint64) {
	b := uint(p.bits)
	var acc uint64
	var have uint
	for _, x := range v {
		x &= p.mask
		acc |= x << have
		if have+b < 64 {
			have += b
			continue
		}
		binary.LittleEndian.PutUint64(dst, acc)
		dst = dst[8:]
		acc = x >> (64 - have) // zero when have is zero: then b is 64
		have += b - 64
	}
	for ; len(dst) > 0; dst = dst[1:] {
		dst[0] = byte(acc)
		acc >>= 8
	}
}

// unpackGeneric keeps fewer than 64 bits not yet used in acc.
func (p *Packer) unpackGeneric(dst []uint64, src []byte) {
	b := uint(p.bits)
	var acc uint64
	var have uint
	for i := range dst {
		if have >= b {
			dst[i] = acc & p.mask
			acc >>= b
			have -= b
			continue
		}
		next, got := loadWord(src)
		src = src[min(8, len(src)):]
		dst[i] = (acc | next<<have) & p.mask
		acc = next >> (b - have)
		have += got - b
	}
}

// loadWord reads up to 8 bytes and says how many bits they are.
func loadWord(src []byte) (w uint64, n uint) {
	if len(src) >= 8 {
		return binary.LittleEndian.Uint64(src), 64
	}
	for i, c := range src {
		w |= uint64(c) << (8 * i)
	}
	return w, uint(8 * len(src))
}
