package ring

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"secc.example/secc/internal/kernel/kerneltest"
)

func random(r *rand.Rand, n, bits int) []uint64 {
	x := make([]uint64, n)
	for i := range x {
		x[i] = r.Uint64() & Mask(bits)
	}
	return x
}

var sizes = []int{1, 7, 63, 64, 65, 128, 1000}

func TestPackRoundTrip(t *testing.T) { kerneltest.Each(t, testPackRoundTrip, packing) }

func testPackRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for bits := 1; bits <= 64; bits++ {
		for _, n := range sizes {
			x := random(r, n, 64)
			whole := make([]byte, PackedLen(n, bits)+64) // no kernel writes behind the end
			for i := range whole {
				whole[i] = 0xa5
			}
			wire := whole[:PackedLen(n, bits):PackedLen(n, bits)]
			Pack(wire, x, bits)
			if i := slices.IndexFunc(whole[len(wire):], func(b byte) bool { return b != 0xa5 }); i >= 0 {
				t.Fatalf("%d elements of %d bits: byte %d behind the end is written", n, bits, i)
			}
			for i := range x {
				x[i] &= Mask(bits)
			}
			y := make([]uint64, n)
			if err := Unpack(y, wire, bits); err != nil || !slices.Equal(x, y) {
				t.Fatalf("%d elements of %d bits: not equal (%v)", n, bits, err)
			}
			for i, v := range x { // bit by bit: the format itself
				for j := range bits {
					if at := i*bits + j; uint64(wire[at>>3]>>(at&7)&1) != v>>j&1 {
						t.Fatalf("%d elements of %d bits: bit %d of element %d is misplaced", n, bits, j, i)
					}
				}
			}
			if used := n * bits % 8; used > 0 {
				wire[len(wire)-1] |= 0x80
				if err := Unpack(y, wire, bits); !errors.Is(err, ErrPadding) {
					t.Fatalf("%d elements of %d bits: padding that is not zero gave %v", n, bits, err)
				}
			}
		}
	}
}

func TestPackBitsRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range sizes {
		x := random(r, Words(n), 64)
		wire := make([]byte, PackedLen(n, 1))
		PackBits(wire, x, n)
		y := make([]uint64, Words(n))
		if err := UnpackBits(y, wire, n); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if Bit(x, i) != Bit(y, i) || uint64(wire[i>>3]>>(i&7)&1) != Bit(x, i) {
				t.Fatalf("%d bits: bit %d differs", n, i)
			}
		}
	}
}

func TestPaddingIsRefused(t *testing.T) {
	if err := Unpack(make([]uint64, 1), []byte{0x20}, 5); !errors.Is(err, ErrPadding) {
		t.Errorf("word: %v", err)
	}
	if err := UnpackBits(make([]uint64, 1), []byte{0x20}, 5); !errors.Is(err, ErrPadding) {
		t.Errorf("bits: %v", err)
	}
}

func TestSlice(t *testing.T) { kerneltest.Each(t, testSlice, slicing) }

func testSlice(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range sizes {
		for _, c := range []struct{ lo, count int }{{0, 1}, {3, 2}, {58, 6}, {5, 14}, {4, 18}, {31, 32}, {2, 8}, {0, 64}, {63, 1}, {20, 44}} {
			x := random(r, n, 64)
			p := Planes(c.count, n)
			Slice(p, x, c.lo)
			for i := range x {
				for j := range p {
					if Bit(p[j], i) != x[i]>>(c.lo+j)&1 {
						t.Fatalf("n %d lo %d: plane %d element %d", n, c.lo, j, i)
					}
				}
			}
		}
	}
}

func BenchmarkSlice14(b *testing.B) { kerneltest.Bench(b, benchSlice14, slicing) }

func benchSlice14(b *testing.B) {
	x := random(rand.New(rand.NewPCG(3, 4)), 8192, 64)
	p := Planes(14, len(x))
	b.SetBytes(int64(8 * len(x)))
	for b.Loop() {
		Slice(p, x, 1)
	}
}

func BenchmarkPack17(b *testing.B) { kerneltest.Bench(b, benchPack17, packing) }

func benchPack17(b *testing.B) {
	x := random(rand.New(rand.NewPCG(3, 4)), 8192, 64)
	w := make([]byte, PackedLen(len(x), 17))
	b.SetBytes(int64(8 * len(x)))
	for b.Loop() {
		Pack(w, x, 17)
	}
}

func BenchmarkUnpack17(b *testing.B) { kerneltest.Bench(b, benchUnpack17, packing) }

func benchUnpack17(b *testing.B) {
	x := random(rand.New(rand.NewPCG(3, 4)), 8192, 64)
	w := make([]byte, PackedLen(len(x), 17))
	b.SetBytes(int64(8 * len(x)))
	for b.Loop() {
		_ = Unpack(x, w, 17)
	}
}
