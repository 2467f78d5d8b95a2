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

// What follows composes the kernels of Encrypt, for variants that have no others.

// composedWidth is the number of blocks that are encrypted together.
const composedWidth = 32

func (c *Cipher) composedFill(dst []Block, first uint64) {
	for i := range dst {
		dst[i] = Block{0, bits.ReverseBytes64(first + uint64(i))}
	}
	c.Encrypt(dst)
}

// composedHash replaces x by its hashes; len(x) <= composedWidth.
func (c *Cipher) composedHash(x []Block, index uint64) {
	var plain [composedWidth]Block
	for i := range x {
		plain[i] = x[i].Sigma()
		x[i] = Block{plain[i][0] ^ (index + uint64(i)), plain[i][1]}
	}
	c.Encrypt(x)
	for i := range x {
		x[i] = x[i].Xor(plain[i])
	}
}

func (c *Cipher) composedWords(dst []uint64, x []Block, off Block, index uint64) {
	var buf [composedWidth]Block
	for len(x) > 0 {
		n := min(len(x), len(buf))
		for i := range n {
			buf[i] = x[i].Xor(off)
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
	for from := 0; from < n; from += len(buf) {
		h := buf[:min(len(buf), n-from)]
		low, high := nodes[from:][:len(h)], nodes[n+from:][:len(h)]
		for i := range h {
			x := low[i].Xor(fix.And(equalMask(uint64(from+i)&m, at)))
			low[i], h[i] = x, x.Sigma()
		}
		c.Encrypt(h)
		for i, y := range h {
			x := low[i]
			y = y.Xor(x.Sigma())
			sum = sum.Xor(y)
			low[i], high[i] = y, y.Xor(x)
		}
	}
	return sum
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
	for i := range src {
		dst[i] = dst[i].Xor(src[i])
	}
}
