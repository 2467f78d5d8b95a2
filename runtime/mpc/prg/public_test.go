package prg

import (
	"crypto/aes"
	"encoding/binary"
	"slices"
	"testing"

	"secc.example/secc/internal/kernel/kerneltest"
)

// reducedAES is FIPS 197 byte by byte with so many rounds, the last of them without MixColumns.
func reducedAES(key [16]byte, x Block, rounds int) Block {
	w := keyWords(key[:])
	s := x.Bytes()
	add := func(round int) {
		k := blockOf([4]uint32(w[4*round:])).Bytes()
		for i := range s {
			s[i] ^= k[i]
		}
	}
	add(0)
	for r := 1; r <= rounds; r++ {
		var t [16]byte
		for i := range t { // row i%4 of column i/4
			t[i] = byte(subWord(uint32(s[(i+i%4*4)%16])))
		}
		if s = t; r < rounds {
			for i := range s {
				col, row := t[i&^3:], i%4
				s[i] = double(col[row]) ^ double(col[(row+1)%4]) ^ col[(row+1)%4] ^ col[(row+2)%4] ^ col[(row+3)%4]
			}
		}
		add(r)
	}
	return Load(s[:])
}

func double(b byte) byte { return b<<1 ^ b>>7*0x1b }

func TestReducedAESHasTheRoundsOfAES(t *testing.T) {
	c, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range randomBlocks(20) {
		if want := stdEncrypt(c, []Block{x})[0]; reducedAES([16]byte{}, x, 10) != want {
			t.Fatalf("%x: not AES", x)
		}
	}
}

func TestPublicIsItsDefinition(t *testing.T) { kerneltest.Each(t, testPublic, Kernel) }

func testPublic(t *testing.T) {
	key := randomBlocks(1)[0]
	for _, n := range []int{1, 2, 3, 4, 5, 31, 32, 33, 64, 100, 300} {
		for _, first := range []uint64{0, 1, 255, 256, 1<<32 - 2, 1 << 40} {
			want := make([]Block, n+1)
			for i := range n {
				var counter [16]byte
				binary.BigEndian.PutUint64(counter[8:], first+uint64(i))
				want[i] = reducedAES(key.Bytes(), Load(counter[:]), publicRounds)
			}
			got := make([]Block, n+1)
			NewPublic(key).Fill(got[:n], first)
			if !slices.Equal(got, want) {
				t.Fatalf("n = %d, first = %d: differs from five rounds of AES", n, first)
			}
		}
	}
}

func BenchmarkPublic(b *testing.B) { kerneltest.Bench(b, benchPublic, Kernel) }

func benchPublic(b *testing.B) {
	dst := make([]Block, 320) // the indices of 512 rows
	c := NewPublic(Block{1, 2})
	for i := range b.N {
		c.Fill(dst, uint64(i*len(dst)))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(dst)), "ns/block")
}
