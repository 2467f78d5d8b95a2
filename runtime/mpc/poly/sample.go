package poly

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Seed keys a Sampler. Public seeds give public polynomials, secret seeds give
// keys and noise; one seed must not serve both.
type Seed [32]byte

// NoiseEta is the parameter of the centred binomial noise: the sum of NoiseEta
// bits minus the sum of NoiseEta bits, variance NoiseEta/2 = 3.24^2.
const NoiseEta = 21

// Domains keep the streams of one seed apart.
const (
	domainUniform = 1 + iota
	domainNoise
	domainTernary
	domainWords
)

// Sampler expands a seed with AES-256 in counter mode. The initial counter block
// is (domain, 2 bytes; index, 8 bytes; block counter, 6 bytes; all big endian);
// the stream is read as little-endian 64-bit words. This is wire format: both
// parties expand the same public seeds. Not safe for concurrent use.
type Sampler struct {
	variant Variant
	block   cipher.Block
	buf     []byte
	words   []uint64
}

// chunkWords is how much stream is expanded at a time, so that it stays in the
// first-level cache.
const chunkWords = 1024

// NewSampler returns the expansion of seed.
func NewSampler(seed Seed, v Variant) *Sampler {
	block, err := aes.NewCipher(seed[:])
	if err != nil {
		panic(fmt.Sprintf("BUG: poly: %v", err)) // the key length is fixed
	}
	return &Sampler{variant: v.resolve(), block: block, buf: make([]byte, 8*chunkWords), words: make([]uint64, chunkWords)}
}

// stream is a position in one of the sampler's streams.
type stream struct {
	s   *Sampler
	ctr cipher.Stream
}

func (s *Sampler) open(domain uint16, index uint64) stream {
	var iv [16]byte
	binary.BigEndian.PutUint16(iv[:2], domain)
	binary.BigEndian.PutUint64(iv[2:10], index)
	return stream{s: s, ctr: cipher.NewCTR(s.block, iv[:])}
}

// next returns the next k <= chunkWords words, valid until the next call.
func (st *stream) next(k int) []uint64 {
	b, w := st.s.buf[:8*k], st.s.words[:k]
	clear(b)
	st.ctr.XORKeyStream(b, b)
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return w
}

// Words fills dst with uniform words.
func (s *Sampler) Words(dst []uint64, index uint64) {
	st := s.open(domainWords, index)
	for len(dst) > 0 {
		k := min(len(dst), chunkWords)
		copy(dst, st.next(k))
		dst = dst[k:]
	}
}

// Uniform fills dst (any length) with values uniform in [0,q). A word's low
// Bits() bits are a candidate, taken if below q.
func (s *Sampler) Uniform(r *Ring, dst []uint64, index uint64) {
	st := s.open(domainUniform, index)
	mask := uint64(1)<<r.Bits() - 1
	for len(dst) > 0 {
		k := 0
		for _, w := range st.next(chunkWords) {
			if k == len(dst) {
				break
			}
			dst[k] = w & mask
			_, below := bits.Sub64(dst[k], r.q, 0)
			k += int(below)
		}
		dst = dst[k:]
	}
}

// Noise fills dst (any length) with centred binomial noise modulo q, in
// constant time: a word's low 2*NoiseEta bits, counted, minus NoiseEta.
func (s *Sampler) Noise(r *Ring, dst []uint64, index uint64) {
	const mask = uint64(1)<<(2*NoiseEta) - 1
	st := s.open(domainNoise, index)
	for len(dst) > 0 {
		ws := st.next(min(len(dst), chunkWords))
		for i, w := range ws {
			dst[i] = r.fromSigned(int64(popCount(w&mask)) - NoiseEta)
		}
		dst = dst[len(ws):]
	}
}

// Ternary fills dst (any length) with values uniform in {-1,0,1} modulo q: the
// integer part of 3w/2^64, less one, which is within 2^-62 of uniform.
func (s *Sampler) Ternary(r *Ring, dst []uint64, index uint64) {
	st := s.open(domainTernary, index)
	for len(dst) > 0 {
		ws := st.next(min(len(dst), chunkWords))
		for i, w := range ws {
			hi, _ := bits.Mul64(w, 3)
			dst[i] = r.fromSigned(int64(hi) - 1)
		}
		dst = dst[len(ws):]
	}
}

// popCount counts bits without a table or a branch, so that it is constant-time
// also where the compiler has no instruction for it.
func popCount(x uint64) uint64 {
	x -= x >> 1 & 0x5555555555555555
	x = x&0x3333333333333333 + x>>2&0x3333333333333333
	x = (x + x>>4) & 0x0f0f0f0f0f0f0f0f
	return x * 0x0101010101010101 >> 56
}
