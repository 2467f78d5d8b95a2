package ot

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"filippo.io/edwards25519"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

const (
	seedSize  = wire.SeedBytes
	pointSize = wire.PointBytes
	// The three messages of the base OTs; the third also carries what follows it.
	helloSize  = wire.HelloBytes  // receiver to sender
	pointsSize = wire.PointsBytes // sender to receiver
)

// session is what both parties know of a direction after the base OTs: keys
// that neither of them chose alone.
type session struct{ id [sha256.Size]byte }

func newSession(tag [sha256.Size]byte, ofReceiver, ofSender []byte) session {
	h := sha256.New()
	h.Write([]byte("secc.ot/3 session"))
	h.Write(tag[:])
	h.Write(ofReceiver)
	h.Write(ofSender)
	var s session
	h.Sum(s.id[:0])
	return s
}

// key derives a public key for one purpose.
func (s session) key(purpose string) prg.Block {
	d := sha256.Sum256(append(append([]byte("secc.ot/3 key "), purpose...), s.id[:]...))
	return prg.Load(d[:])
}

// binding is what challenges to the receiver are drawn from once it has sent a message.
func (s session) binding(message []byte) [sha256.Size]byte {
	return sha256.Sum256(slices.Concat([]byte("secc.ot/3 binding "), s.id[:], message))
}

// baseKey hashes a Diffie-Hellman value to the key of base OT i. Everything
// that was sent for it goes in, so keys of different runs are unrelated.
func (s session) baseKey(i int, a, b []byte, dh *edwards25519.Point) prg.Block {
	h := sha256.New()
	h.Write([]byte("secc.ot/3 base"))
	h.Write(s.id[:])
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(i))
	h.Write(n[:])
	h.Write(a)
	h.Write(b)
	h.Write(new(edwards25519.Point).MultByCofactor(dh).Bytes())
	return prg.Load(h.Sum(nil))
}

// decodePoint accepts only canonical encodings of points that are not of small order.
func decodePoint(p []byte) (*edwards25519.Point, error) {
	q, err := new(edwards25519.Point).SetBytes(p)
	if err != nil {
		return nil, transport.Violation("base OT: invalid point: %v", err)
	}
	if string(q.Bytes()) != string(p) {
		return nil, transport.Violation("base OT: point is not canonical")
	}
	if new(edwards25519.Point).MultByCofactor(q).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return nil, transport.Violation("base OT: point of small order")
	}
	return q, nil
}

func randomScalar(rand io.Reader) (*edwards25519.Scalar, error) {
	var wide [64]byte
	if _, err := io.ReadFull(rand, wide[:]); err != nil {
		return nil, fmt.Errorf("randomness: %w", err)
	}
	return new(edwards25519.Scalar).SetUniformBytes(wide[:])
}

// baseSend runs the sending side of 128 random OTs on keys: the OT of Chou and
// Orlandi (Latincrypt 2015) with session and transcript in the key hash, secure
// against semi-honest parties under CDH on edwards25519 and a random oracle.
// The OT extension's receiver plays it.
//
// Rounds 2: hello (96 bytes) out, points (4,128 bytes) in.
func baseSend(conn transport.Conn, tag [sha256.Size]byte, rand io.Reader) (s session, keys [wire.BaseOTs][2]prg.Block, err error) {
	a, err := randomScalar(rand)
	if err != nil {
		return s, keys, err
	}
	hello := make([]byte, helloSize)
	copy(hello, tag[:])
	seed := hello[len(tag) : len(tag)+seedSize]
	if _, err = io.ReadFull(rand, seed); err != nil {
		return s, keys, fmt.Errorf("randomness: %w", err)
	}
	bigA := new(edwards25519.Point).ScalarBaseMult(a)
	aBytes := bigA.Bytes()
	copy(hello[len(tag)+seedSize:], aBytes)
	if err = conn.Send(hello); err != nil {
		return s, keys, err
	}
	in := make([]byte, pointsSize)
	if err = conn.Recv(in); err != nil {
		return s, keys, err
	}
	s = newSession(tag, seed, in[:seedSize])
	aOffset := new(edwards25519.Point).ScalarMult(a, bigA)
	aOffset.MultByCofactor(aOffset)
	for i := range keys {
		enc := in[seedSize+i*pointSize:][:pointSize]
		b, err := decodePoint(enc)
		if err != nil {
			return s, keys, err
		}
		aB := new(edwards25519.Point).ScalarMult(a, b)
		keys[i][0] = s.baseKey(i, aBytes, enc, aB)
		keys[i][1] = s.baseKey(i, aBytes, enc, aB.Subtract(aB, aOffset))
	}
	return s, keys, nil
}

// baseReceive is the other side: key i is the one that bit i of choice selects.
// The OT extension's sender plays it. Time does not depend on choice.
//
// What a choice adds to a point is 8A, not A: a sender that put a point of small
// order into A would read every choice off the torsion of the points it gets.
func baseReceive(conn transport.Conn, tag [sha256.Size]byte, choice prg.Block, rand io.Reader) (s session, keys [wire.BaseOTs]prg.Block, err error) {
	hello := make([]byte, helloSize)
	if err = conn.Recv(hello); err != nil {
		return s, keys, err
	}
	if string(hello[:len(tag)]) != string(tag[:]) {
		return s, keys, fmt.Errorf("configuration of the OT extension: %w", transport.ErrMismatch)
	}
	aBytes := hello[len(tag)+seedSize:]
	bigA, err := decodePoint(aBytes)
	if err != nil {
		return s, keys, err
	}
	out := make([]byte, pointsSize)
	if _, err = io.ReadFull(rand, out[:seedSize]); err != nil {
		return s, keys, fmt.Errorf("randomness: %w", err)
	}
	s = newSession(tag, hello[len(tag):len(tag)+seedSize], out[:seedSize])
	offset := new(edwards25519.Point).MultByCofactor(bigA)
	for i := range keys {
		b, err := randomScalar(rand)
		if err != nil {
			return s, keys, err
		}
		p := new(edwards25519.Point).ScalarBaseMult(b)
		p.Select(new(edwards25519.Point).Add(p, offset), p, int(choice[i/64]>>(i%64)&1))
		enc := out[seedSize+i*pointSize:][:pointSize]
		copy(enc, p.Bytes())
		keys[i] = s.baseKey(i, aBytes, enc, new(edwards25519.Point).ScalarMult(b, bigA))
	}
	if err = conn.Send(out); err != nil {
		return s, keys, err
	}
	return s, keys, conn.Flush()
}
