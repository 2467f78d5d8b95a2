package ot

import (
	"bytes"
	"crypto/aes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/prg"
)

// child is the definition: block number side of the AES-CTR stream under a node.
func child(t *testing.T, node prg.Block, side int) prg.Block {
	t.Helper()
	key := node.Bytes()
	c, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	var p [16]byte
	binary.BigEndian.PutUint64(p[8:], uint64(side))
	c.Encrypt(p[:], p[:])
	return prg.Load(p[:])
}

// treeKeys are keys of base OTs and what delta's complement opens of them.
func treeKeys(delta prg.Block) (both [wire.BaseOTs][2]prg.Block, known [wire.BaseOTs]prg.Block) {
	v := randomVector(2 * wire.BaseOTs)
	for i := range both {
		both[i] = [2]prg.Block{v[2*i], v[2*i+1]}
		known[i] = both[i][1-delta[i/64]>>(i%64)&1]
	}
	return both, known
}

// TestAllButOneSeeds: leaf x of a tree is reached by the bits of x, lowest
// first; the other party has all seeds but Delta's, in the order of their distance from it.
func TestAllButOneSeeds(t *testing.T) {
	for _, k := range []int{2, 4, 8} {
		for _, delta := range []prg.Block{{1, 0}, {^uint64(0), ^uint64(0)}, {0x9249249249249249, 0x0123456789abcdef}} {
			both, known := treeKeys(delta)
			roots := randomVector(wire.BaseOTs / k)
			a, b := mpctest.Pipe()
			seeds, sent, err := sendSeeds(a, k, roots, &both)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Flush(); err != nil {
				t.Fatal(err)
			}
			got, heard, err := receiveSeeds(b, k, delta, &known)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(sent, heard) || int64(len(sent)) != wire.TreesBytes(k) {
				t.Fatalf("k = %d: %d bytes were sent and %d came", k, len(sent), len(heard))
			}
			for g, root := range roots {
				hidden := int(delta[g*k/64]>>(g*k%64)) & (1<<k - 1)
				for x := range 1 << k {
					want := root
					for j := range k {
						want = child(t, want, x>>j&1)
					}
					if seeds[g<<k+x] != want {
						t.Fatalf("k = %d, tree %d: seed %d is %x, want %x", k, g, x, seeds[g<<k+x], want)
					}
					if x == hidden {
						want = prg.Block{}
					}
					if y := x ^ hidden; got[g<<k+y] != want {
						t.Fatalf("k = %d, tree %d: at distance %d stands %x, want %x", k, g, y, got[g<<k+y], want)
					}
				}
			}
		}
	}
}

// Known answers, so that the format cannot change unnoticed: seeds and message for given roots and keys.
func TestSeedsKnownAnswers(t *testing.T) {
	for k, want := range map[int]string{2: "5fd021bca4282ad7ad007d01a401c606", 4: "1d2f739211669eeaa4eb464729e3f232", 8: "a7f53bcbfe3d21176dfb299bf1243280"} {
		both, _ := treeKeys(prg.Block{1, 0})
		a, b := mpctest.Pipe()
		seeds, _, err := sendSeeds(a, k, randomVector(wire.BaseOTs/k), &both)
		if err != nil {
			t.Fatal(err)
		}
		msg := make([]byte, wire.TreesBytes(k))
		if err := a.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := b.Recv(msg); err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		for _, s := range seeds {
			p := s.Bytes()
			h.Write(p[:])
		}
		h.Write(msg)
		if got := fmt.Sprintf("%x", h.Sum(nil)[:16]); got != want {
			t.Errorf("k = %d: %s, want %s", k, got, want)
		}
	}
}
