package prg

import (
	"crypto/aes"
	"crypto/cipher"
)

// Cipher is AES-128 under one key, with a schedule in the layout the assembly
// kernels read. It is immutable and may be shared by goroutines.
type Cipher struct {
	key     Block
	rounds  [11]Block    // assembly
	generic cipher.Block // portable
}

// NewCipher expands key.
func NewCipher(key Block) *Cipher {
	c := new(Cipher)
	c.Reset(key)
	return c
}

// Reset replaces the key.
func (c *Cipher) Reset(key Block) {
	c.key = key
	if accelerated() {
		expandKey(&key, &c.rounds)
		return
	}
	c.generic = newAES(key)
}

// portable returns the standard library's cipher for the key, for kernels that
// have no assembly on this machine.
func (c *Cipher) portable() cipher.Block {
	if c.generic == nil {
		return newAES(c.key)
	}
	return c.generic
}

func newAES(key Block) cipher.Block {
	k := key.Bytes()
	b, err := aes.NewCipher(k[:])
	if err != nil {
		panic("BUG: prg: 16-byte AES key refused: " + err.Error())
	}
	return b
}

// encrypt is one block through a portable cipher.
func encrypt(c cipher.Block, x Block) Block {
	var p [BlockSize]byte
	x.Put(p[:])
	c.Encrypt(p[:], p[:])
	return Load(p[:])
}
