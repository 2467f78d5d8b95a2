package poly

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/bits"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime/mpc/prg"
)

// Seed keys a Sampler. Public seeds give public polynomials, secret seeds give
// keys and noise; one seed must not serve both.
type Seed [32]byte

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
	aes   kernel.Variant
	words []uint64

	keys *aesKeys // assembly

	block cipher.Block // AES instructions, by way of the standard library
	buf   []byte

	soft   *prg.Soft // no AES instructions
	blocks []prg.Block
}

// instructions is AES: the standard library's uses tables where it does not use the
// processor's, and is used for NEON only.
var instructions = kernel.New("poly.aes", kernel.When(kernel.NEON, kernel.ARM64.AES), kernel.When(kernel.AVX2, kernel.X86.AES),
	kernel.When(kernel.VAES, kernel.X86.VAES), kernel.When(kernel.AVX512, kernel.X86.VAES512))

// chunkWords is how much stream is expanded at a time, so that it stays in the
// first-level cache.
const chunkWords = 1024

// noiseMask selects the bits of a word that make one noise value.
const noiseMask = uint64(1)<<(2*wire.NoiseEta) - 1

// NewSampler returns the expansion of seed.
func NewSampler(seed Seed) *Sampler {
	s := &Sampler{aes: instructions.Variant(), words: make([]uint64, chunkWords)}
	switch {
	case s.aes == kernel.Portable:
		s.soft, s.blocks = prg.NewSoft(seed[:]), make([]prg.Block, chunkWords/2)
	case keyed(s.aes):
		s.keys = newAESKeys(&seed)
	default:
		block, err := aes.NewCipher(seed[:])
		if err != nil {
			panic(fmt.Sprintf("BUG: poly: %v", err)) // the key length is fixed
		}
		s.block, s.buf = block, make([]byte, 8*chunkWords)
	}
	return s
}

// stream is a position in one of the sampler's streams.
type stream struct {
	s       *Sampler
	iv      [16]byte
	counter uint64 // next block
	ctr     cipher.Stream
}

func (s *Sampler) open(domain uint16, index uint64) stream {
	st := stream{s: s}
	binary.BigEndian.PutUint16(st.iv[:2], domain)
	binary.BigEndian.PutUint64(st.iv[2:10], index)
	if s.block != nil {
		iv := st.iv // a copy: what the cipher is given escapes
		st.ctr = cipher.NewCTR(s.block, iv[:])
	}
	return st
}

// next returns the next k words, valid until the next call; k <= chunkWords is
// a multiple of 8.
func (st *stream) next(k int) []uint64 {
	w := st.s.words[:k]
	if st.s.keys != nil {
		st.s.keys.keystream(st.s.aes, w, &st.iv, st.counter)
		st.counter += uint64(k / 2)
		return w
	}
	if st.s.soft != nil {
		st.softWords(w)
		return w
	}
	b := st.s.buf[:8*k]
	clear(b)
	st.ctr.XORKeyStream(b, b)
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return w
}

// softWords fills words, a multiple of 8 of them.
func (st *stream) softWords(w []uint64) {
	b := st.s.blocks[:len(w)/2]
	st.s.soft.Fill(b, prg.Load(st.iv[:]), st.counter)
	for i, x := range b {
		w[2*i], w[2*i+1] = x[0], x[1]
	}
	st.counter += uint64(len(b))
}

// want returns the words to expand for n more values.
func want(n int) int { return min((n+7)&^7, chunkWords) }

// Words fills dst with uniform words.
func (s *Sampler) Words(dst []uint64, index uint64) {
	st := s.open(domainWords, index)
	for len(dst) > 0 {
		dst = dst[copy(dst, st.next(want(len(dst)))):]
	}
}

// candidateMask keeps as many bits as q has.
func (r *Ring) candidateMask() uint64 { return 1<<r.Bits() - 1 }

// Uniform fills dst (any length) with values uniform in [0,q). A word's low
// Bits() bits are a candidate, taken if below q. Use different indices for
// different moduli.
func (s *Sampler) Uniform(r *Ring, dst []uint64, index uint64) {
	st := s.open(domainUniform, index)
	for len(dst) > 0 {
		words := st.next(want(len(dst)))
		if r.lanes > 0 {
			k, used := r.uniformLanes(dst, words)
			dst, words = dst[k:], words[used:]
		}
		dst = dst[r.takeBelow(dst, words):]
	}
}

// takeBelow moves the candidates below q to dst and returns their number.
func (r *Ring) takeBelow(dst, words []uint64) int {
	k, mask := 0, r.candidateMask()
	for _, w := range words {
		if k == len(dst) {
			break
		}
		dst[k] = w & mask
		_, below := bits.Sub64(dst[k], r.q, 0)
		k += int(below)
	}
	return k
}

// Noise fills dst (any length) with centred binomial noise modulo q, in
// constant time: a word's low 2*wire.NoiseEta bits, counted, minus wire.NoiseEta.
// (OnesCount64 is an instruction or plain arithmetic, never a table.)
func (s *Sampler) Noise(r *Ring, dst []uint64, index uint64) {
	st := s.open(domainNoise, index)
	for len(dst) > 0 {
		words := st.next(want(len(dst)))
		words = words[:min(len(words), len(dst))]
		if r.lanes > 0 {
			k := r.noiseLanes(dst, words)
			dst, words = dst[k:], words[k:]
		}
		for i, w := range words {
			dst[i] = r.fromSigned(int64(bits.OnesCount64(w&noiseMask)) - wire.NoiseEta)
		}
		dst = dst[len(words):]
	}
}

// Ternary fills dst (any length) with values uniform in {-1,0,1} modulo q: the
// integer part of 3w/2^64, less one, which is within 2^-62 of uniform.
func (s *Sampler) Ternary(r *Ring, dst []uint64, index uint64) {
	st := s.open(domainTernary, index)
	for len(dst) > 0 {
		words := st.next(want(len(dst)))
		words = words[:min(len(words), len(dst))]
		if r.lanes > 0 {
			k := r.ternaryLanes(dst, words)
			dst, words = dst[k:], words[k:]
		}
		for i, w := range words {
			hi, _ := bits.Mul64(w, 3)
			dst[i] = r.fromSigned(int64(hi) - 1)
		}
		dst = dst[len(words):]
	}
}
