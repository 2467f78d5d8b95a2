package poly

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/internal/kernel/kerneltest"
)

func testSeed() Seed { return sha256.Sum256([]byte("a seed")) }

// TestStreamsFixed pins the expansion of a seed: it is wire format.
func TestStreamsFixed(t *testing.T) { kerneltest.Each(t, testStreamsFixed, instructions) }

func testStreamsFixed(t *testing.T) {
	const q = 1125899906629633 // a 50-bit prime, 1 mod 2^14
	for _, v := range Variants() {
		r := newRing(t, 8192, q, v)
		s := NewSampler(testSeed())
		h := sha256.New()
		for _, fill := range []func(dst []uint64){
			func(d []uint64) { s.Uniform(r, d, 3) },
			func(d []uint64) { s.Noise(r, d, 3) },
			func(d []uint64) { s.Ternary(r, d, 3) },
			func(d []uint64) { s.Words(d, 1<<40+3) },
		} {
			for _, n := range []int{1, 7, 8, 1023, 1024, 1025, 4096, 8192} {
				dst := make([]uint64, n)
				fill(dst)
				if err := binary.Write(h, binary.LittleEndian, dst); err != nil {
					t.Fatal(err)
				}
			}
		}
		const want = "29c53457a08223886bc84db6039a02aa04f049cca66f15963052a4c518545d93"
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%v: the streams of a seed changed: %s", v, got)
		}
	}
}

// TestUniformMatchesDefinition recomputes rejection from the raw words, with
// a modulus that rejects often.
func TestUniformMatchesDefinition(t *testing.T) {
	ps, err := Primes(50, 4096, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range Variants() {
		for _, q := range []uint64{ps[0], 67239937} { // just above 2^26: half are rejected
			if !isPrime(q) || (q-1)%8192 != 0 {
				t.Fatalf("%d is no modulus", q)
			}
			r := newRing(t, 4096, q, v)
			s := NewSampler(testSeed())
			st := s.open(domainUniform, 9)
			var want []uint64
			for len(want) < 10000 {
				for _, w := range st.next(chunkWords) {
					if c := w & (1<<r.Bits() - 1); c < q {
						want = append(want, c)
					}
				}
			}
			for _, n := range []int{1, 5, 8, 100, 4096, 10000} {
				got := make([]uint64, n)
				s.Uniform(r, got, 9)
				equal(t, r.String(), got, want[:n])
			}
		}
	}
}

// moments returns mean and variance of signed values.
func moments(v []int64) (mean, variance float64) {
	for _, x := range v {
		mean += float64(x)
	}
	mean /= float64(len(v))
	for _, x := range v {
		variance += (float64(x) - mean) * (float64(x) - mean)
	}
	return mean, variance / float64(len(v))
}

func TestSampleMoments(t *testing.T) {
	const n = 1 << 16
	for _, v := range Variants() {
		r := newRing(t, 16, testRings(t, 16)[0].q, v)
		s := NewSampler(testSeed())
		p, x := make([]uint64, n), make([]int64, n)
		s.Noise(r, p, 0)
		r.ToSigned(x, p)
		m, va := moments(x)
		if math.Abs(m) > 0.06 || math.Abs(va-wire.NoiseEta/2.0) > 0.3 { // 5 standard errors
			t.Errorf("%v: noise of mean %.3f, variance %.3f", v, m, va)
		}
		for _, e := range x {
			if e < -wire.NoiseEta || e > wire.NoiseEta {
				t.Fatalf("noise %d", e)
			}
		}
		s.Ternary(r, p, 0)
		r.ToSigned(x, p)
		if m, va = moments(x); math.Abs(m) > 0.016 || math.Abs(va-2.0/3) > 0.01 {
			t.Errorf("%v: ternary of mean %.4f, variance %.4f", v, m, va)
		}
		s.Uniform(r, p, 0)
		r.ToSigned(x, p)
		q := float64(r.q)
		if m, va = moments(x); math.Abs(m/q) > 0.006 || math.Abs(va/(q*q)-1.0/12) > 0.002 || !AllBelow(p, r.q) {
			t.Errorf("%v: uniform of mean %.4f q, variance %.4f q^2", v, m/q, va/(q*q))
		}
	}
}

// TestStreamsDiffer: different domains and indices must not repeat values.
func TestStreamsDiffer(t *testing.T) {
	s := NewSampler(testSeed())
	seen := map[uint64]bool{}
	for d := uint16(domainUniform); d <= domainWords; d++ {
		for _, index := range []uint64{0, 1, 2, 1 << 32, 1 << 56, 1<<64 - 1} {
			st := s.open(d, index)
			for _, w := range st.next(64) {
				if seen[w] {
					t.Fatalf("domain %d index %d repeats a word", d, index)
				}
				seen[w] = true
			}
		}
	}
}

// TestUniformEdges tries candidates right at the modulus, which streams never show.
func TestUniformEdges(t *testing.T) {
	for _, r := range testRings(t, 16) {
		high := ^r.candidateMask()
		words := []uint64{r.q, r.q - 1, r.q + 1, 0, r.q | high, (r.q - 1) | high, ^uint64(0), 1, 5, r.q, 6, 7}
		for len(words) < 64 {
			words = append(words, words[:12]...)
		}
		words = words[:64]
		var want []uint64
		for _, w := range words {
			if c := w &^ high; c < r.q {
				want = append(want, c)
			}
		}
		got := constant(r, 0)
		for len(got) < 64 {
			got = append(got, 0)
		}
		k, used := 0, 0
		if r.lanes > 0 {
			k, used = r.uniformLanes(got, words)
			if used != len(words) {
				t.Fatalf("%v: used %d words of %d", r, used, len(words))
			}
		}
		k += r.takeBelow(got[k:], words[used:])
		equal(t, r.String(), got[:k], want)
	}
}
