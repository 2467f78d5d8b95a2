package ring

import (
	"encoding/binary"

	"secc.example/secc/internal/kernel"
)

// Eight elements of some bits are as many bytes, so every eighth element begins a byte. Those that
// have at most mostEights bits lie within the eight bytes from where they begin, wherever in a byte
// that is: a load, a shift and a mask each.

// packing is Pack, which has no variant for AVX2, and Unpack.
var packing = kernel.New("ring.pack", kernel.When(kernel.AVX2, kernel.X86.AVX2), kernel.When(kernel.IFMA, kernel.X86.IFMA))

const (
	mostEights = 56
	// slackEights is how many bytes the kernels touch from where eight elements begin.
	slackEights = 64
	// leastAlternate: of elements with fewer bits the first and the third may share a byte.
	leastAlternate = 7
)

// wholeEights is how many of n elements, in so many bytes, are packed or unpacked by eights.
func wholeEights(n, size, bits int) int {
	if bits > mostEights || size < slackEights {
		return 0
	}
	return min(n/8, (size-slackEights)/bits+1) * 8
}

// packLayout is where elements of some bits lie among the bytes of eight.
type packLayout struct {
	// words are, for each byte of eight words, the byte that it is taken from, and behind them by how
	// many bits words are shifted then.
	words [64 + 64]byte
	// lanes are the same for pairs of words in 16 bytes each, and where a lane's bytes begin.
	lanes [64 + 64 + 32]byte
	// alternate are, for each byte of the result, the byte that it takes from even words and from odd
	// ones, by how many bits words are shifted before, and masks of what is taken from each.
	alternate [64 + 64 + 64 + 16]byte
}

var packLayouts = makePackLayouts()

func makePackLayouts() *[mostEights + 1]packLayout {
	all := new([mostEights + 1]packLayout)
	for bits := 1; bits <= mostEights; bits++ {
		l := &all[bits]
		var masks [2]uint64
		for i := range 8 {
			first, shift := i*bits/8, i*bits%8
			lane := i / 2 * 2 * bits / 8
			for j := range 8 {
				l.words[8*i+j] = byte(first + j)
				l.lanes[8*i+j] = byte(first - lane + j)
			}
			l.words[64+8*i], l.lanes[64+8*i] = byte(shift), byte(shift)
			l.lanes[128+4*(i/2)] = byte(lane)
			l.alternate[128+8*i] = byte(shift)
			for j := first; j <= (i*bits+bits-1)/8; j++ {
				l.alternate[64*(i%2)+j] = byte(8*i + j - first)
				masks[i%2] |= 1 << j
			}
		}
		binary.LittleEndian.PutUint64(l.alternate[192:], masks[0])
		binary.LittleEndian.PutUint64(l.alternate[200:], masks[1])
	}
	return all
}

// unpackEights unpacks elements.
func unpackEights(x []uint64, src []byte, bits int) {
	m, at := Mask(bits), 0
	for i := range x {
		x[i] = binary.LittleEndian.Uint64(src[at>>3:]) >> (at & 7) & m
		at += bits
	}
}
