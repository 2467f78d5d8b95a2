package runtime

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
)

// SeedSize is the size of the seed of a party's randomness, in bytes.
const SeedSize = 32

// seed is all that a party draws for a session. Whatever else is random is expanded from it, so
// that whoever has it, and what the peer said, can make the party's messages again.
type seed [SeedSize]byte

// drawSeed draws the seed of a session.
func drawSeed(rand io.Reader) (s seed, err error) {
	if _, err = io.ReadFull(rand, s[:]); err != nil {
		return s, fmt.Errorf("randomness: %w", err)
	}
	return s, nil
}

// expand is 32 bytes for one purpose; those of different purposes have nothing to do with each
// other (HKDF-Expand, the seed being uniform).
func (s seed) expand(purpose string) []byte {
	b, err := hkdf.Expand(sha256.New, s[:], "secc session seed 1: "+purpose, SeedSize)
	if err != nil {
		panic("BUG: " + err.Error()) // only for absurd lengths
	}
	return b
}

// commitment binds a party to its seed and tells nothing of it.
func (s seed) commitment() (c [SeedSize]byte) {
	copy(c[:], s.expand("commitment"))
	return c
}

// stream is the randomness of one purpose. It must be asked for once, or bytes are used twice.
func (s seed) stream(purpose string) io.Reader {
	block, err := aes.NewCipher(s.expand(purpose))
	if err != nil {
		panic("BUG: " + err.Error()) // the key has its length
	}
	return &stream{ctr: cipher.NewCTR(block, make([]byte, aes.BlockSize))}
}

// fork draws a stream of its own for one of several that read side by side, so that their order
// does not matter.
func fork(from io.Reader) (io.Reader, error) {
	s, err := drawSeed(from)
	if err != nil {
		return nil, err
	}
	return s.stream("fork"), nil
}

// stream is AES-256 in counter mode. Readers that share one get different bytes; which, depends
// on their order, so one that is to be made again has a single reader at a time.
type stream struct {
	mu  sync.Mutex
	ctr cipher.Stream
}

func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(p)
	s.ctr.XORKeyStream(p, p)
	return len(p), nil
}
