package poly

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"testing"

	"secc.example/secc/runtime/mpc/ring"
)

// edgeWords mixes edges and random values in [0,bound).
func edgeWords(rng *rand.Rand, n int, bound uint64) []uint64 {
	v := make([]uint64, n)
	for i := range v {
		v[i] = rng.Uint64N(bound)
		switch rng.IntN(8) {
		case 0:
			v[i] = rng.Uint64N(min(3, bound))
		case 1:
			v[i] = bound - 1 - rng.Uint64N(min(3, bound))
		case 2:
			v[i] = bound / 2
		}
	}
	return v
}

// roundDiv is floor((2a+b)/(2b)).
func roundDiv(a, b *big.Int) *big.Int {
	x := new(big.Int).Lsh(a, 1)
	x.Add(x, b)
	return x.Div(x, new(big.Int).Lsh(b, 1))
}

func TestEncode(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	for _, r := range testRings(t, 16) {
		q := new(big.Int).SetUint64(r.q)
		for l := 1; l <= MaxTorusBits; l++ {
			x := edgeWords(rng, 203, 1<<l)
			want, sum := make([]uint64, len(x)), edgeWords(rng, len(x), r.q)
			wantSum := make([]uint64, len(x))
			for i, v := range x {
				e := new(big.Int).Mul(q, new(big.Int).SetUint64(v))
				e = roundDiv(e, new(big.Int).Lsh(big.NewInt(1), uint(l)))
				want[i] = e.Mod(e, q).Uint64()
				wantSum[i] = (want[i] + sum[i]) % r.q
				x[i] |= rng.Uint64() << l // bits above l must not matter
			}
			got := make([]uint64, len(x))
			r.Encode(got, x, l)
			equal(t, r.String()+" encode", got, want)
			r.EncodeAdd(sum, x, l)
			equal(t, r.String()+" encode and add", sum, wantSum)
		}
	}
}

func TestRound(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	for _, r := range testRings(t, 16) {
		q := new(big.Int).SetUint64(r.q)
		for b := 1; b <= MaxTorusBits; b++ {
			v := edgeWords(rng, 203, r.q)
			want := make([]uint64, len(v))
			for i, x := range v {
				if i%3 == 0 { // right at a step: q*(2k+1)/2^(b+1)
					k := rng.Uint64N(1 << b)
					e := new(big.Int).SetUint64(2*k + 1)
					e.Mul(e, q).Rsh(e, uint(b+1))
					x = (e.Uint64() + rng.Uint64N(2)) % r.q
					v[i] = x
				}
				e := new(big.Int).SetUint64(x)
				e = roundDiv(e.Lsh(e, uint(b)), q)
				want[i] = new(big.Int).And(e, new(big.Int).SetUint64(1<<b-1)).Uint64()
			}
			got := make([]uint64, len(v))
			r.Round(got, v, b)
			equal(t, r.String()+" round", got, want)
		}
	}
}

func TestDropLow(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 20))
	for _, r := range testRings(t, 16) {
		for j := 0; j < r.Bits(); j++ {
			v := edgeWords(rng, 101, r.q)
			d := make([]uint64, len(v))
			r.DropLow(d, v, j)
			if !AllBelow(d, r.DroppedBound(j)) || r.DroppedBound(j)-1 != (r.q-1)>>j {
				t.Fatalf("%v: dropped %d bits: out of bounds", r, j)
			}
			r.RestoreLow(d, d, j)
			for i := range v {
				e := int64((v[i] + r.q - d[i]) % r.q)
				if e > int64(r.q/2) {
					e -= int64(r.q)
				}
				if lim := int64(1) << j / 2; e < -lim || e > lim || !AllBelow(d, r.q) {
					t.Fatalf("%v: dropping %d bits of %d gave %d", r, j, v[i], d[i])
				}
			}
		}
	}
}

// bitByBit packs one bit at a time.
func bitByBit(v []uint64, b int) []byte {
	out := make([]byte, ring.PackedLen(len(v), b))
	for i, x := range v {
		for k := range b {
			at := i*b + k
			out[at/8] |= byte(x>>k&1) << (at % 8)
		}
	}
	return out
}

func TestPack(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for _, variant := range Variants() {
		for b := 1; b <= 64; b++ {
			p := NewPacker(b, variant)
			for _, n := range []int{0, 1, 2, 7, 8, 9, 16, 17, 63, 64, 65, 200, 1023} {
				v := make([]uint64, n)
				for i := range v {
					v[i] = rng.Uint64()
				}
				want := bitByBit(v, b)
				packed := bytes.Repeat([]byte{0xaa}, len(want)+1)
				p.Pack(packed[:len(want)], v)
				if !bytes.Equal(packed[:len(want)], want) || packed[len(want)] != 0xaa {
					t.Fatalf("%v: %d values of %d bits packed to %x, want %x", variant, n, b, packed, want)
				}
				got := make([]uint64, n)
				if err := p.Unpack(got, want); err != nil {
					t.Fatalf("%d values of %d bits: %v", n, b, err)
				}
				for i := range v {
					v[i] &= ring.Mask(b)
				}
				equal(t, variant.String()+" unpack", got, v)
				if used := n * b % 8; used > 0 {
					want[len(want)-1] |= 1 << used
					if p.Unpack(got, want) == nil {
						t.Fatalf("%v: %d values of %d bits: padding is not seen", variant, n, b)
					}
				}
			}
		}
	}
}
