//go:build !purego

package prg

import "secc.example/secc/internal/kernel"

// NEON encrypts blocks; all else is composed of that.
func whole(kernel.Variant) bool { return false }

func expandKey(key *Block, rounds *[11]Block) {
	k := key.Bytes()
	w := keyWords(k[:])
	for i := range rounds {
		rounds[i] = blockOf([4]uint32(w[4*i:]))
	}
}

func encryptBlocks(rounds *[11]Block, x []Block) { encryptNEON(&rounds[0][0], &x[0][0], len(x)) }

func encryptPublic(rounds *[11]Block, x []Block) { publicNEON(&rounds[0][0], &x[0][0], len(x)) }

// encryptNEON encrypts n blocks in place.
//
//go:noescape
func encryptNEON(rounds, x *uint64, n int)

// publicNEON is encryptNEON with publicRounds.
//
//go:noescape
func publicNEON(rounds, x *uint64, n int)
