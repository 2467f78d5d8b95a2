package ot

import (
	"bytes"
	"crypto/aes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/prg"
)

// reference is Ferret's sender written down once more, from the definitions and
// with crypto/aes only.
type reference struct {
	wire.FerretSet
	treeKeys, checkKey prg.Block
	code               *prg.Public
	delta              prg.Block
	messages           []byte
}

// counter is block i of the AES-CTR stream of a key.
func counter(key prg.Block, i uint64) prg.Block {
	var p [16]byte
	binary.BigEndian.PutUint64(p[8:], i)
	return aesOf(key, p)
}

func aesOf(key prg.Block, p [16]byte) prg.Block {
	k := key.Bytes()
	c, err := aes.NewCipher(k[:])
	if err != nil {
		panic(err)
	}
	c.Encrypt(p[:], p[:])
	return prg.Load(p[:])
}

// leaves grows tree number i level by level, children of node j at j and j + n.
func (r *reference) leaves(i uint64, ots []prg.Block) []prg.Block {
	key := counter(r.treeKeys, i)
	level := []prg.Block{ots[0], ots[0].Xor(r.delta)}
	for _, ot := range ots[1:] {
		var left, right []prg.Block
		var sum prg.Block
		for _, x := range level {
			s := prg.Block{x[1], x[0] ^ x[1]}
			h := aesOf(key, s.Bytes()).Xor(s)
			left, right, sum = append(left, h), append(right, h.Xor(x)), sum.Xor(h)
		}
		m := sum.Xor(ot).Bytes()
		r.messages = append(r.messages, m[:]...)
		level = append(left, right...)
	}
	for j := range level {
		level[j][0] &^= 1
	}
	r.vouch(i, level)
	return level
}

// vouch ends the message of tree number i with the xor of what the sums of its sixteenths hash to, and
// a digest of these hashes. Leaf
// number 4k+t of a sixteenth counts times x^(n/4-1-k) * (x+1)^t.
func (r *reference) vouch(i uint64, leaves []prg.Block) {
	word, hashes := uint64(0), []byte(nil)
	for g := range uint64(16) {
		n := uint64(len(leaves) / 16)
		var sum prg.Block
		for j, x := range leaves[g*n : (g+1)*n] {
			for range n/4 - 1 - uint64(j)/4 {
				x = prg.Block{double(x[0]), double(x[1])}
			}
			for range j % 4 {
				x = x.Xor(prg.Block{double(x[0]), double(x[1])})
			}
			sum = sum.Xor(x)
		}
		at := i*16 + g
		s := prg.Block{sum[1], sum[0] ^ sum[1]}
		h := aesOf(counter(r.checkKey, at>>8), s.Xor(prg.Block{at}).Bytes()).Xor(s)[0]
		hashes = binary.LittleEndian.AppendUint64(hashes, h)
		word ^= h
	}
	digest := sha256.Sum256(hashes)
	r.messages = append(binary.LittleEndian.AppendUint64(r.messages, word), digest[:8]...)
}

// wordOf is a word of a code's stream.
func wordOf(code *prg.Public, at uint64) uint32 {
	var block [1]prg.Block
	code.Fill(block[:], at/4)
	b := block[0].Bytes()
	return binary.LittleEndian.Uint32(b[at%4*4:])
}

// row adds ten entries of x to a leaf, the same ten lines of four for four rows,
// each line turned; row numbers go on over all iterations.
func (r *reference) row(number uint64, leaf prg.Block, x []prg.Block) prg.Block {
	for j := range uint64(10) {
		at := number/4*10 + j
		word := wordOf(r.code, at)
		line := word >> 6 % uint32(len(x)/4)
		leaf = leaf.Xor(x[4*line+(uint32(number)+word>>30)%4])
	}
	return leaf
}

func TestFerretIsItsDefinition(t *testing.T) {
	a, b := mpctest.Pipe()
	defer a.Close()
	p := wire.FerretSet{K: 64, Trees: 5, Depth: 6} // 320 rows, 128 of which are kept: three iterations
	const total = 192 + 192 + 130
	if p.Reserve() != 128 {
		t.Fatalf("reserve %d", p.Reserve())
	}
	key := prg.Block{4, 5}
	first := randomVector(p.First(total))
	for i := range first {
		first[i][0] &^= 1
	}
	f := newFerret(a, p, key, total, append([]prg.Block{}, first...))
	f.delta = prg.Block{0x1235, 7}
	got := make([]prg.Block, total)
	if err := f.fill(got); err != nil {
		t.Fatal(err)
	}
	if err := f.flush(); err != nil {
		t.Fatal(err)
	}
	r := reference{FerretSet: p, treeKeys: counter(key, 0), code: prg.NewPublic(counter(key, 1)), checkKey: counter(key, 2), delta: f.delta}
	want := r.run(first, total)
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("row %d is %x, want %x", i, got[i], want[i])
		}
	}
	sent := make([]byte, len(r.messages))
	if err := b.Recv(sent); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sent, r.messages) || a.Stats().Sent != int64(len(sent)) {
		t.Error("messages differ")
	}
}

func (r *reference) run(first []prg.Block, total int) (out []prg.Block) {
	tree, number := uint64(0), uint64(0)
	for in := first; len(out) < total; {
		x, ots := in[:r.K], in[r.K:]
		trees := r.Trees
		if last := total-len(out) <= r.Rows(); last {
			trees = (total - len(out) + 1<<r.Depth - 1) >> r.Depth
		}
		var made []prg.Block
		for i := range trees {
			for _, leaf := range r.leaves(tree, ots[i*r.Depth:(i+1)*r.Depth]) {
				made = append(made, r.row(number, leaf, x))
				number++
			}
			tree++
		}
		if total-len(out) <= r.Rows() {
			return append(out, made[:total-len(out)]...)
		}
		in, out = made[:r.Reserve()], append(out, made[r.Reserve():]...)
	}
	return out
}

// Folding an instance gives a smaller one: sums over groups of rows are sums of ten sums over
// lines, but for one group of every block. By this much, and no more, lines that turn help an
// attacker (docs/security/ot.md): all attacks are counted against what is left.
func TestFoldedInstances(t *testing.T) {
	p := wire.FerretSet{K: 64, Trees: 12, Depth: 6}
	total := int64(p.Rows())
	key, delta := prg.Block{9, 8}, prg.Block{0x77 | 1, 0x55}
	a, b := mpctest.Pipe()
	defer a.Close()
	first := randomVector(p.First(total))
	other := make([]prg.Block, len(first))
	for i := range first {
		r := first[i][1] >> 7 & 1 // any bit
		first[i][0] &^= 1
		other[i] = first[i].Xor(delta.And(-r))
	}
	s, r := newFerret(a, p, key, total, first), newFerret(b, p, key, total, append([]prg.Block{}, other...))
	s.delta, r.receives = delta, true
	rows := make([]prg.Block, total)
	if err := errors.Join(s.fill(make([]prg.Block, total)), s.flush(), r.fill(rows)); err != nil {
		t.Fatal(err)
	}
	code := prg.NewPublic(counter(key, 1))
	for by := 2; by <= lineSize; by *= 2 {
		parts := lineSize / by // of a line, and of a group, that are left
		wrong := make([]int, p.Trees)
		for g := range len(rows) / lineSize {
			for part := range parts {
				e := uint64(0)
				for n := part; n < lineSize; n += parts {
					e ^= rows[g*lineSize+n][0]
				}
				for j := range uint64(wire.LPNWeight) {
					at := uint64(g)*wire.LPNWeight + j
					word := wordOf(code, at)
					line, turn := int(word>>6)%(p.K/lineSize), int(word>>30)
					for n := (part + turn) % parts; n < lineSize; n += parts {
						e ^= other[line*lineSize+n][0]
					}
				}
				wrong[g*lineSize>>p.Depth] += int(e & 1)
			}
		}
		for i, n := range wrong {
			if n != 1 {
				t.Errorf("folded by %d: block %d has %d errors", by, i, n)
			}
		}
	}
}
