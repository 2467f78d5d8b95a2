package prg

import (
	"crypto/aes"
	"crypto/cipher"
	"math/rand/v2"
	"slices"
	"testing"

	"secc.example/secc/internal/kernel/kerneltest"
)

// TestSoftIsAES: every value of a byte in every place of keys and blocks, and
// every number of blocks, against crypto/aes.
func TestSoftIsAES(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{16, 32} {
		for i := range 256 {
			key := make([]byte, size)
			x := make([]Block, 1+i%(2*softWidth+1))
			for j := range key {
				key[j] = byte(r.Uint32())
			}
			key[i%size] = byte(i)
			for j := range x {
				x[j] = Block{r.Uint64(), r.Uint64()}
			}
			std, err := aes.NewCipher(key)
			if err != nil {
				t.Fatal(err)
			}
			want := stdEncrypt(std, x)
			NewSoft(key).Encrypt(x)
			for j := range x {
				if x[j] != want[j] {
					t.Fatalf("key of %d bytes, %d blocks: block %d is %x, want %x", size, len(x), j, x[j], want[j])
				}
			}
		}
	}
}

func stdEncrypt(c cipher.Block, x []Block) (y []Block) {
	for _, b := range x {
		p := b.Bytes()
		c.Encrypt(p[:], p[:])
		y = append(y, Load(p[:]))
	}
	return y
}

func BenchmarkSoft(b *testing.B) {
	s, x := NewSoft(make([]byte, 16)), randomBlocks(64)
	for b.Loop() {
		s.Encrypt(x)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/block")
}

func BenchmarkSoftKey(b *testing.B) {
	var s Soft
	for b.Loop() {
		s.Reset(make([]byte, 16))
	}
}

// TestEncrypt: every variant, every number of blocks up to past the widest step.
func TestEncrypt(t *testing.T) {
	kerneltest.Each(t, func(t *testing.T) {
		key := Block{3, 4}
		for n := range 70 {
			x := randomBlocks(n + 1)
			want := make([]Block, n)
			for i := range want {
				want[i] = aesOf(key, x[i])
			}
			after := x[n]
			NewCipher(key).Encrypt(x[:n])
			if !slices.Equal(x[:n], want) || x[n] != after {
				t.Fatalf("%d blocks: differs from crypto/aes", n)
			}
		}
	}, Kernel)
}

// TestLanesAreKeySchedules: the schedules of many keys at once are those of each alone.
func TestLanesAreKeySchedules(t *testing.T) {
	var l lanes
	keys := [softWidth]Block(randomBlocks(softWidth))
	l.expand(&keys)
	for i, key := range keys {
		p := key.Bytes()
		var s Soft
		s.take(&l, i)
		if !slices.Equal(s.keys, NewSoft(p[:]).keys) {
			t.Errorf("key %d of %d: another schedule", i, softWidth)
		}
	}
}

func BenchmarkSoftLanes(b *testing.B) {
	var l lanes
	var s Soft
	keys := [softWidth]Block(randomBlocks(softWidth))
	for b.Loop() {
		l.expand(&keys)
		for i := range keys {
			s.take(&l, i)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/softWidth, "ns/key")
}
