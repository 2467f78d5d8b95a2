package poly

import (
	"math/rand/v2"
	"testing"
)

func TestArithmetic(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, r := range testRings(t, 16, 2048) {
		for _, a := range edgePolys(r, rng) {
			b, c := randomPoly(r, rng), rng.Uint64N(r.q)
			ops := []struct {
				name string
				run  func(dst []uint64)
				want func(i int) uint64
			}{
				{"add", func(d []uint64) { r.Add(d, a, b) }, func(i int) uint64 { return (a[i] + b[i]) % r.q }},
				{"sub", func(d []uint64) { r.Sub(d, a, b) }, func(i int) uint64 { return (a[i] + r.q - b[i]) % r.q }},
				{"neg", func(d []uint64) { r.Neg(d, a) }, func(i int) uint64 { return (r.q - a[i]) % r.q }},
				{"mul", func(d []uint64) { r.Mul(d, a, b) }, func(i int) uint64 { return mulMod(a[i], b[i], r.q) }},
				{"scalar", func(d []uint64) { r.MulScalar(d, a, c) }, func(i int) uint64 { return mulMod(a[i], c, r.q) }},
				{"scalar -1", func(d []uint64) { r.MulScalar(d, a, r.q-1) }, func(i int) uint64 { return (r.q - a[i]) % r.q }},
			}
			for _, op := range ops {
				got, want := r.NewPoly(), r.NewPoly()
				for i := range want {
					want[i] = op.want(i)
				}
				op.run(got)
				equal(t, r.String()+" "+op.name, got, want)
			}
		}
	}
}

func TestSigned(t *testing.T) {
	r := testRings(t, 16)[0]
	in := make([]int64, 16)
	for i, v := range []int64{0, 1, -1, int64(r.q / 2), -int64(r.q / 2), 77, -77} {
		in[i] = v
	}
	p, out := r.NewPoly(), make([]int64, 16)
	r.FromSigned(p, in)
	if !AllBelow(p, r.q) {
		t.Fatal("values at or above q")
	}
	r.ToSigned(out, p)
	for i := range in {
		if in[i] != out[i] {
			t.Fatalf("%d came back as %d", in[i], out[i])
		}
	}
}

func TestAllBelow(t *testing.T) {
	for _, v := range []struct {
		vals []uint64
		want bool
	}{
		{nil, true}, {[]uint64{6}, true}, {[]uint64{7}, false}, {[]uint64{0, 8, 0}, false},
		{[]uint64{1, 2, ^uint64(0)}, false}, {[]uint64{1 << 63}, false}, {make([]uint64, 100), true},
	} {
		if got := AllBelow(v.vals, 7); got != v.want {
			t.Errorf("AllBelow(%v, 7) = %v", v.vals, got)
		}
	}
}

func TestAutomorphism(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for _, r := range testRings(t, 16, 64, 4096) {
		for _, g := range []int{1, 3, 5, -1, r.n + 1, r.n/2 + 1, 2*r.n - 3, 25} {
			a, err := r.NewAutomorphism(g)
			if err != nil {
				t.Fatal(err)
			}
			p := randomPoly(r, rng)
			want := r.NewPoly() // sum p[i] X^(g i), term by term
			for i, v := range p {
				e := ((g*i)%(2*r.n) + 2*r.n) % (2 * r.n)
				if e >= r.n {
					e, v = e-r.n, (r.q-v)%r.q
				}
				want[e] = v
			}
			got := r.NewPoly()
			a.Coefficients(got, p)
			equal(t, r.String()+" coefficients", got, want)
			r.NTT(p)
			a.NTT(got, p)
			r.InvNTT(got)
			equal(t, r.String()+" transformed", got, want)
		}
		if _, err := r.NewAutomorphism(2); err == nil {
			t.Fatal("X -> X^2 accepted")
		}
	}
}

// TestDigits recomposes digits of every shape.
func TestDigits(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 24))
	for _, r := range testRings(t, 16, 64) {
		for _, c := range []struct{ digits, base int }{{1, 26}, {2, 16}, {3, 13}, {4, 11}, {1, 50}, {2, 25}, {5, 10}} {
			drop := max(0, r.Bits()-c.base*c.digits)
			for _, p := range edgePolys(r, rng) {
				dst := make([][]uint64, c.digits)
				for i := range dst {
					dst[i] = r.NewPoly()
				}
				r.Digits(dst, p, c.base, drop)
				v, d := make([]int64, r.n), make([]int64, r.n)
				r.ToSigned(v, p)
				for i := range dst {
					if !AllBelow(dst[i], r.q) {
						t.Fatalf("%v: digit out of range", r)
					}
					r.ToSigned(d, dst[i])
					for j := range d {
						if lim := int64(1) << (c.base - 1); c.base < r.Bits() && (d[j] > lim || d[j] < -lim) {
							t.Fatalf("%v: digit %d of %d is %d", r, i, p[j], d[j])
						}
						v[j] -= d[j] << (c.base*i + drop)
					}
				}
				for j, e := range v {
					if lim := int64(1) << drop / 2; e > lim || e < -lim {
						t.Fatalf("%v: %d digits of %d bits: %d is off by %d", r, c.digits, c.base, p[j], e)
					}
				}
			}
		}
	}
}
