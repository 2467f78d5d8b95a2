package prg

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"secc.example/secc/internal/kernel"
	"secc.example/secc/internal/kernel/kerneltest"
)

func randomBlocks(n int) []Block {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	b := make([]Block, n)
	for i := range b {
		b[i] = Block{r.Uint64(), r.Uint64()}
	}
	return b
}

// aesOf is AES by the standard library on the wire form: the definition.
func aesOf(key, x Block) Block {
	k, p := key.Bytes(), x.Bytes()
	c, err := aes.NewCipher(k[:])
	if err != nil {
		panic(err)
	}
	c.Encrypt(p[:], p[:])
	return Load(p[:])
}

func TestFillIsCTR(t *testing.T) { kerneltest.Each(t, testFill, Kernel) }

func testFill(t *testing.T) {
	key := randomBlocks(1)[0]
	k := key.Bytes()
	std, _ := aes.NewCipher(k[:])
	for _, n := range []int{1, 2, 3, 4, 5, 31, 32, 33, 64, 100, 300, 601} {
		for _, first := range []uint64{0, 1, 255, 256, 1<<32 - 2, 1<<32 - 512, 1 << 40} {
			var iv [16]byte
			binary.BigEndian.PutUint64(iv[8:], first)
			want := make([]byte, 16*n)
			cipher.NewCTR(std, iv[:]).XORKeyStream(want, want)
			got := make([]Block, n+1)
			NewCipher(key).Fill(got[:n], first)
			if !bytes.Equal(wire(got[:n]), want) || got[n] != (Block{}) {
				t.Fatalf("n = %d, first = %d: stream differs from crypto/cipher", n, first)
			}
		}
	}
}

func wire(b []Block) (p []byte) {
	for _, x := range b {
		w := x.Bytes()
		p = append(p, w[:]...)
	}
	return p
}

// hashOf is the definition of Hash, from crypto/aes alone.
func hashOf(key, x Block, index uint64) Block {
	var e [16]byte
	binary.BigEndian.PutUint64(e[8:], index>>8)
	k := aesOf(key, Load(e[:]))
	y := Block{x[1], x[0] ^ x[1]}
	return aesOf(k, Block{y[0] ^ index, y[1]}).Xor(y)
}

func TestHashIsItsDefinition(t *testing.T) { kerneltest.Each(t, testHash, Kernel) }

func testHash(t *testing.T) {
	key, off := Block{1, 2}, Block{3, 1 << 63}
	for _, n := range []int{1, 2, 3, 4, 7, 32, 63, 64, 65, 130} {
		for _, index := range []uint64{0, 5, 255, 256 - 17, 4096 - 17, 1<<40 + 3} { // across a change of key
			x, other := randomBlocks(n), Block{1 << 40, 77}
			want, wantOther := make([]Block, n), make([]Block, n)
			for i := range n {
				want[i] = hashOf(key, x[i].Xor(off), index+uint64(i))
				wantOther[i] = hashOf(key, x[i].Xor(other), index+uint64(i))
			}
			b := make([]Block, n)
			NewHash(key).Blocks(b, x, off, index)
			if !slices.Equal(b, want) {
				t.Fatalf("n = %d, index = %d: blocks are %x, want %x", n, index, b, want)
			}
			for _, width := range []int{1, 7, 8, 9, 16, 17, 32, 33, 64} {
				w, pair := make([]uint64, n+1), [2][]uint64{make([]uint64, n+1), make([]uint64, n+1)}
				NewHash(key).Words(width, w[:n], x, off, index)
				NewHash(key).WordPairs(width, pair[0][:n], pair[1][:n], x, off, other, index)
				for i := range n {
					if !agree(width, w[i], want[i][0]) || !agree(width, pair[0][i], want[i][0]) || !agree(width, pair[1][i], wantOther[i][0]) {
						t.Fatalf("n = %d, index = %d, %d bits: hash %d is %x and %x, %x; want %x, %x",
							n, index, width, i, w[i], pair[0][i], pair[1][i], want[i], wantOther[i])
					}
				}
				if w[n] != 0 || pair[0][n] != 0 || pair[1][n] != 0 {
					t.Fatalf("n = %d: wrote beyond the end", n)
				}
			}
		}
	}
}

// agree says whether the lowest width bits are the same.
func agree(width int, a, b uint64) bool { return (a^b)<<(64-width) == 0 }

// Known answers, made by hashOf and treeOf and kept so that the format cannot
// change unnoticed: the two parties must run the same function.
func TestKnownAnswers(t *testing.T) { kerneltest.Each(t, testKnownAnswers, Kernel) }

func testKnownAnswers(t *testing.T) {
	h := NewHash(Block{0x0123456789abcdef, 0xfedcba9876543210})
	b := make([]Block, 2)
	h.Blocks(b, []Block{{1, 0}, {0, 1}}, Block{0xff, 0}, 255)
	got := fmt.Sprintf("%x", wire(b))
	if want := "8c5be90a7d9603c27405633d69e94228bd3effa15c692ba235182adf92eb8f5e"; got != want {
		t.Errorf("hash: %s, want %s", got, want)
	}
	var tree Tree
	tree.Reset(Block{0x0123456789abcdef, 0xfedcba9876543210})
	nodes := make([]Block, 8)
	nodes[0], nodes[1] = Block{1, 2}, Block{3, 4}
	tree.Expand(nodes, 2, Block{}, 0)
	sum := tree.Expand(nodes, 4, Block{5, 6}, 1)
	got = fmt.Sprintf("%x", wire(append(nodes[2:4], sum)))
	if want := "33ac9dfea004cb1178f85c98dbc511720f918464cbae51375693410c2d60e8be65aa308b3ab5d30e2ac1099218f76eb9"; got != want {
		t.Errorf("tree: %s, want %s", got, want)
	}
}

// levelOf is the definition of Expand, from crypto/aes alone.
func levelOf(key Block, nodes []Block, fix Block, at int) (next []Block, sum Block) {
	n := len(nodes)
	next = make([]Block, 2*n)
	for i, x := range nodes {
		if i%max(1, n/2) == at {
			x = x.Xor(fix)
		}
		s := Block{x[1], x[0] ^ x[1]}
		h := aesOf(key, s).Xor(s)
		next[i], next[n+i] = h, h.Xor(x)
		sum = sum.Xor(h)
	}
	return next, sum
}

func TestTreeIsItsDefinition(t *testing.T) { kerneltest.Each(t, testTree, Kernel) }

// testTree grows trees of every depth up to 10, with something to fix on every level: at the first
// node, the last, or one between.
func testTree(t *testing.T) {
	key := Block{8, 9}
	for depth := 2; depth <= 10; depth++ {
		for _, third := range []int{0, 1, 3} {
			nodes := randomBlocks(1<<depth + 32)
			rest := slices.Clone(nodes[1<<depth:])
			want := slices.Clone(nodes[:2])
			var tree Tree
			tree.Reset(key)
			for n := 2; n < 1<<depth; n *= 2 {
				fix, at := Block{0xdead, uint64(n)}, max(0, third*(n/2)/3-1)
				var sum Block
				want, sum = levelOf(key, want, fix, at)
				if got := tree.Expand(nodes, n, fix, uint64(at)); got != sum {
					t.Fatalf("depth %d, n = %d, at = %d: left sum %x, want %x", depth, n, at, got, sum)
				}
			}
			tree.Finish(nodes[:1<<depth], Block{}, 0, 0, 0)
			for i := range want {
				want[i][0] &^= 1
			}
			if !slices.Equal(nodes[:1<<depth], want) {
				t.Fatalf("depth %d: leaves differ", depth)
			}
			if !slices.Equal(nodes[1<<depth:], rest) {
				t.Fatalf("depth %d: wrote beyond the end", depth)
			}
		}
	}
}

func TestFinish(t *testing.T) { kerneltest.Each(t, testFinish, finishing, Kernel) }

func testFinish(t *testing.T) {
	for n := 4; n <= 128; n *= 2 {
		for _, mark := range []uint64{0, 1} {
			leaf := n/2 + n/8
			at := leaf % (n / 2)
			nodes := randomBlocks(n)
			fix := Block{0xf00f, 0x1234}
			want := slices.Clone(nodes)
			for i := range want {
				if i%(n/2) == at {
					want[i] = want[i].Xor(fix)
				}
				want[i][0] &^= 1
				if i == leaf {
					want[i][0] |= mark
				}
			}
			var tree Tree
			tree.Reset(Block{})
			if tree.perm.variant == kernel.Portable && n >= slicedLevel {
				packAll(nodes)
			}
			tree.Finish(nodes, fix, uint64(at), uint64(leaf), mark)
			if !slices.Equal(nodes, want) {
				t.Fatalf("n = %d, mark = %d: leaves differ", n, mark)
			}
		}
	}
}

func BenchmarkFill(b *testing.B) { kerneltest.Bench(b, benchFill, Kernel) }

func benchFill(b *testing.B) {
	dst := make([]Block, 64)
	c := NewCipher(Block{1, 2})
	b.SetBytes(int64(16 * len(dst)))
	for i := range b.N {
		c.Fill(dst, uint64(i)<<6)
	}
}

func BenchmarkHash(b *testing.B) { kerneltest.Bench(b, benchHash, Kernel) }

func benchHash(b *testing.B) {
	x, dst := randomBlocks(4096), make([]uint64, 4096)
	h := NewHash(Block{1, 2})
	for _, width := range []int{1, 16, 32, 64} {
		b.Run(strconv.Itoa(width), func(b *testing.B) {
			for b.Loop() {
				h.Words(width, dst, x, Block{5, 6}, 0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/4096, "ns/hash")
		})
	}
}

func BenchmarkHashPairs(b *testing.B) { kerneltest.Bench(b, benchHashPairs, Kernel) }

func benchHashPairs(b *testing.B) {
	x, dst, other := randomBlocks(4096), make([]uint64, 4096), make([]uint64, 4096)
	h := NewHash(Block{1, 2})
	for _, width := range []int{1, 16, 32, 64} {
		b.Run(strconv.Itoa(width), func(b *testing.B) {
			for b.Loop() {
				h.WordPairs(width, dst, other, x, Block{5, 6}, Block{7, 8}, 0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/4096, "ns/pair")
		})
	}
}

func BenchmarkTree(b *testing.B) { kerneltest.Bench(b, benchTree, Kernel) }

func benchTree(b *testing.B) {
	const depth = 11
	nodes := randomBlocks(1 << depth)
	var t Tree
	for b.Loop() {
		t.Reset(Block{1, 2})
		for j := 1; j < depth; j++ {
			t.Expand(nodes, 1<<j, Block{5, 6}, 0)
		}
		t.Finish(nodes, Block{7, 8}, 1, 2, 1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<depth), "ns/leaf")
}

func BenchmarkKey(b *testing.B) { kerneltest.Bench(b, benchKey, Kernel) }

func benchKey(b *testing.B) {
	var c Cipher
	for b.Loop() {
		c.Reset(Block{1, 2})
	}
}
