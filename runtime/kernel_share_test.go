package runtime

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"secc.example/secc/runtime/transport"
)

func TestPackBitsRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for bits := 1; bits <= 64; bits++ {
		for _, n := range []int{0, 1, 7, 63, 64, 65, 200} {
			x := make(Vec, n)
			for i := range x {
				x[i] = r.Uint64() & mask(bits)
			}
			wire := packBits(nil, x, bits)
			if want := (n*bits + 7) / 8; len(wire) != want {
				t.Fatalf("%d elements of %d bits: %d bytes, want %d", n, bits, len(wire), want)
			}
			y := make(Vec, n)
			if err := unpackBits(y, wire, bits); err != nil || !slices.Equal(x, y) {
				t.Fatalf("%d elements of %d bits: %v (%v)", n, bits, y, err)
			}
		}
	}
}

func TestUnpackBitsRefusesPadding(t *testing.T) {
	if err := unpackBits(make(Vec, 1), []byte{0x20}, 5); !errors.Is(err, transport.ErrViolation) {
		t.Errorf("got %v, want a violation", err)
	}
}
