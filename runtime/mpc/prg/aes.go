package prg

import (
	"math/bits"

	"secc.example/secc/internal/kernel"
)

// Kernel is AES-128 and all that is made of it: streams, hashes, trees, folds.
var Kernel = kernel.New("prg.aes", kernel.When(kernel.NEON, kernel.ARM64.AES), kernel.When(kernel.AVX2, kernel.X86.AES),
	kernel.When(kernel.VAES, kernel.X86.VAES), kernel.When(kernel.AVX512, kernel.X86.VAES512))

// Cipher is AES-128 under one key. It keeps to the variant of the kernel that ran
// when the key was expanded. It is immutable, but for Reset, and may be shared by goroutines.
type Cipher struct {
	variant kernel.Variant
	rounds  [11]Block // all variants but the portable one
	soft    *Soft     // the portable one
}

// NewCipher expands key.
func NewCipher(key Block) *Cipher {
	c := new(Cipher)
	c.Reset(key)
	return c
}

// Reset replaces the key.
func (c *Cipher) Reset(key Block) {
	c.variant = Kernel.Variant()
	if c.variant != kernel.Portable {
		expandKey(&key, &c.rounds)
		return
	}
	if c.soft == nil {
		c.soft = new(Soft)
	}
	k := key.Bytes()
	c.soft.Reset(k[:])
}

// take is Reset with a key of a portable schedule.
func (c *Cipher) take(l *lanes, lane int) {
	c.variant = kernel.Portable
	if c.soft == nil {
		c.soft = new(Soft)
	}
	c.soft.take(l, lane)
}

// Encrypt encrypts every block in place.
func (c *Cipher) Encrypt(x []Block) {
	switch {
	case len(x) == 0:
	case c.variant == kernel.Portable:
		c.soft.Encrypt(x)
	default:
		encryptBlocks(&c.rounds, x)
	}
}

// What follows composes the kernels of Encrypt, for variants that have no others,
// word by word: the compiler keeps arrays in memory.

// composedWidth is the number of blocks that are encrypted together.
const composedWidth = 32

func (c *Cipher) composedFill(dst []Block, first uint64) {
	if c.variant == kernel.Portable {
		c.soft.Fill(dst, Block{}, first)
		return
	}
	for i := range dst {
		dst[i] = Block{0, bits.ReverseBytes64(first + uint64(i))}
	}
	c.Encrypt(dst)
}

// composedHash replaces x by its hashes; len(x) <= composedWidth.
func (c *Cipher) composedHash(x []Block, index uint64) {
	var plain [composedWidth]Block
	for i := range x {
		p := &plain[i]
		p[0], p[1] = x[i][1], x[i][0]^x[i][1] // Sigma
		x[i][0], x[i][1] = p[0]^(index+uint64(i)), p[1]
	}
	c.Encrypt(x)
	for i := range x {
		x[i][0] ^= plain[i][0]
		x[i][1] ^= plain[i][1]
	}
}

func (c *Cipher) composedWords(dst []uint64, x []Block, off Block, index uint64) {
	var buf [composedWidth]Block
	for len(x) > 0 {
		n := min(len(x), len(buf))
		for i := range n {
			buf[i][0], buf[i][1] = x[i][0]^off[0], x[i][1]^off[1]
		}
		c.composedHash(buf[:n], index)
		for i := range n {
			dst[i] = buf[i][0]
		}
		dst, x, index = dst[n:], x[n:], index+uint64(n)
	}
}

func (c *Cipher) composedExpand(nodes []Block, n int, fix Block, at, m uint64) (sum Block) {
	var buf [composedWidth]Block
	fix0, fix1 := fix[0], fix[1]
	var sum0, sum1 uint64
	for from := 0; from < n; from += len(buf) {
		h := buf[:min(len(buf), n-from)]
		low, high := nodes[from:][:len(h)], nodes[n+from:][:len(h)]
		for i := range h {
			mask := equalMask(uint64(from+i)&m, at)
			x0, x1 := low[i][0]^fix0&mask, low[i][1]^fix1&mask
			low[i][0], low[i][1] = x0, x1
			h[i][0], h[i][1] = x1, x0^x1 // Sigma
		}
		c.Encrypt(h)
		for i := range h {
			x0, x1 := low[i][0], low[i][1]
			y0, y1 := h[i][0]^x1, h[i][1]^x0^x1
			sum0, sum1 = sum0^y0, sum1^y1
			low[i][0], low[i][1] = y0, y1
			high[i][0], high[i][1] = y0^x0, y1^x1
		}
	}
	return Block{sum0, sum1}
}

// composedFold gathers a piece of all streams after the other.
func composedFold(seeds []Cipher, cols, sum []Block, first uint64) {
	clear(sum)
	clear(cols)
	var buf [composedWidth]Block
	for from := 0; from < len(sum); from += len(buf) {
		part := buf[:min(len(buf), len(sum)-from)]
		for x := range seeds {
			seeds[x].composedFill(part, first+uint64(from))
			addTo(sum[from:], part)
			for j := 0; 1<<j < len(seeds); j++ {
				if x>>j&1 == 1 {
					addTo(cols[j*len(sum)+from:], part)
				}
			}
		}
	}
}

func addTo(dst, src []Block) {
	dst = dst[:len(src)]
	for i := range src {
		dst[i][0] ^= src[i][0]
		dst[i][1] ^= src[i][1]
	}
}
