package ot

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// The consistency check of SoftSpoken (Roy, Crypto 2022, section 4): a receiver that does not use
// the same choices r in all groups would learn bits of Delta from what becomes of its OTs. Both
// parties hash the columns of a message by a linear function F that the receiver could not
// know when it chose the message. The receiver sends F(r) and a digest of F(t_j) for all columns;
// the sender has q_j = t_j ^ Delta_j*r, and so must find
//
//	F(q_j) ^ Delta_j*F(r) = F(t_j).
//
// F(c) = sum_i c_i*x_i over the blocks of a column, in GF(2^128), with factors drawn from all that
// the receiver has sent (Fiat-Shamir), so nothing waits. The last block of a column is of OTs that
// are thrown away: in F(r) it masks the others.

// columnCheck draws F for one message after the other: the challenge's hash, and room for the factors.
type columnCheck struct {
	challenge hash.Hash
	factors   []prg.Block
}

func newColumnCheck(rows int) columnCheck {
	return columnCheck{transport.NewDigest(), make([]prg.Block, rows/128)}
}

// draw is F for the corrections of the message of so many OTs that begins at a block of the streams;
// binding is of what was sent before. It is good until the next is drawn.
func (c *columnCheck) draw(binding [sha256.Size]byte, at uint64, corrections []byte, rows int) columnHash {
	var buf [transport.DigestSize]byte
	c.challenge.Reset()
	c.challenge.Write(binding[:])
	c.challenge.Write(binary.LittleEndian.AppendUint64(buf[:0], at))
	c.challenge.Write(corrections)
	factors := c.factors[:rows/128]
	prg.NewCipher(prg.Load(c.challenge.Sum(buf[:0]))).Fill(factors, 0)
	return factors
}

// columnHash is F of one message: its factors.
type columnHash []prg.Block

// of is F(column).
func (c columnHash) of(column []prg.Block) prg.Block { return inner(column, c) }

// digest is of F(c_j) ^ Delta_j*add for all columns.
func (c columnHash) digest(cols []prg.Block, delta, add prg.Block) (sum [sha256.Size]byte) {
	w := len(cols) / wire.BaseOTs
	var all [wire.BaseOTs * prg.BlockSize]byte
	for j := range wire.BaseOTs {
		mask := -(delta[j/64] >> (j % 64) & 1)
		c.of(cols[j*w : (j+1)*w]).Xor(add.And(mask)).Put(all[j*prg.BlockSize:])
	}
	return sha256.Sum256(all[:])
}

// respond writes what the receiver says of its columns, the first of which is r.
func (c columnHash) respond(to []byte, cols []prg.Block) {
	r := c.of(cols[:len(cols)/wire.BaseOTs])
	r.Put(to)
	sum := c.digest(cols, prg.Block{}, prg.Block{})
	copy(to[prg.BlockSize:], sum[:])
}

// check holds what the receiver says to the sender's columns.
func (c columnHash) check(said []byte, cols []prg.Block, delta prg.Block) error {
	sum := c.digest(cols, delta, prg.Load(said))
	if subtle.ConstantTimeCompare(sum[:], said[prg.BlockSize:]) != 1 {
		return transport.Violation("the correlated OTs fail their consistency check: the receiver's choices differ from group to group")
	}
	return nil
}
