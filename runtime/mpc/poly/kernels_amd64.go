//go:build !purego

package poly

//go:generate go -C _asm run . -out ../kernels_amd64.s -stubs ../stubs_amd64.go -pkg poly
//go:generate go -C _asm run ./neon -out ../kernels_arm64.s -stubs ../stubs_arm64.go

import (
	"math/bits"
	"unsafe"

	"secc.example/secc/backend/plan/wire"
)

const (
	ifmaMinForward = 64  // one block of the innermost six levels
	ifmaMinInverse = 512 // and the last pass of three
)

// forwardIFMA runs the levels from the one with m blocks on: passes of three
// (or at first two or one) levels in memory, then six on blocks of 64.
func (r *Ring) forwardIFMA(p []uint64, m int) {
	t := &r.fwd
	w, s := &t.w[0], &t.s52[0]
	size := len(p) / m // of a block
	switch (bits.Len(uint(size)) - 1) % 3 {
	case 1:
		nttForward2(&p[0], w, s, m, 8*size/2, r.q)
		m, size = 2*m, size/2
	case 2:
		nttForward4(&p[0], w, s, m, 8*size/4, r.q)
		m, size = 4*m, size/4
	}
	for ; size > 64; m, size = 8*m, size/8 {
		nttForward8(&p[0], w, s, m, 8*size/8, r.q)
	}
	lanes := t.lanes(m)
	nttForwardTail(&p[0], w, s, &lanes[0], m, r.q)
}

// inverseIFMA is forwardIFMA backwards; the last pass has three levels and the
// scaling by 1/n.
func (r *Ring) inverseIFMA(p []uint64) {
	t := &r.inv
	w, s := &t.w[0], &t.s52[0]
	m := r.n / 64
	lanes := t.lanes(m)
	nttInverseTail(&p[0], w, s, &lanes[0], m, r.q)
	for ; m >= 64; m /= 8 {
		nttInverse8(&p[0], w, s, m/8, 8*r.n/m, r.q)
	}
	switch m {
	case 16:
		nttInverse2(&p[0], w, s, 8, 8*r.n/16, r.q)
	case 32:
		nttInverse4(&p[0], w, s, 8, 8*r.n/32, r.q)
	}
	scale := [4]uint64{r.nInv.w, r.nInv.s52, r.nInvLast.w, r.nInvLast.s52}
	nttInverseLast8(&p[0], w, s, 8*r.n/8, r.q, &scale[0])
}

// lanes points to the factors of the three innermost levels, which have 8m,
// 16m and 32m blocks, where the blocks of 64 are m.
func (t *twiddles) lanes(m int) [6]*uint64 {
	return [6]*uint64{&t.w[8*m], &t.s52[8*m], &t.w2[16*m], &t.s2[16*m], &t.w4[32*m], &t.s4[32*m]}
}

func addIFMA(dst, a, b []uint64, q uint64) { addVectors(&dst[0], &a[0], &b[0], len(dst), q) }
func subIFMA(dst, a, b []uint64, q uint64) { subVectors(&dst[0], &a[0], &b[0], len(dst), q) }
func negIFMA(dst, a []uint64, q uint64)    { negVector(&dst[0], &a[0], len(dst), q) }

func (r *Ring) mulIFMA(dst, a, b []uint64) {
	c := r.ifmaConstants()
	mulVectors(&dst[0], &a[0], &b[0], len(dst), &c[0])
}

func mulOperandIFMA(dst, a []uint64, w operand, q uint64) {
	mulScalarVector(&dst[0], &a[0], len(dst), w.w, w.s52, q)
}

func (r *Ring) liftIFMA(dst, src []uint64, half, negP uint64) {
	liftVector(&dst[0], &src[0], len(dst), r.q, r.one.s52, half, negP)
}

// ifmaConstants is the layout that the reductions read.
func (r *Ring) ifmaConstants() [6]uint64 {
	return [6]uint64{r.q, r.one.s52, r.r52.w, r.r52.s52, r.r104.w, r.r104.s52}
}

// dotIFMA adds the products of the terms first <= k < end to every accumulator,
// two at a time; every w[k] repeats its values rep times.
func dotIFMA(accs []*Acc, xs [][][]uint64, w [][]uint64, first, end, rep int) {
	shift, n := uint64(bits.TrailingZeros(uint(rep))), accs[0].r.n
	for from := 0; from < n; from += dotStrip {
		to := min(from+dotStrip, n)
		for k := first; k < end; k += dotTerms {
			terms, j := min(dotTerms, end-k), 0
			for ; j+1 < len(accs); j += 2 {
				dotPairStrip(accs[j], accs[j+1], &xs[j][k], &xs[j+1][k], &w[k], terms, from, to, shift)
			}
			if j < len(accs) {
				accs[j].dotStrip(&xs[j][k], &w[k], terms, from, to, shift)
			}
		}
	}
}

// dotStrip calls the kernels by name: through a variable the slices would escape.
func (a *Acc) dotStrip(x, w *[]uint64, terms, from, to int, shift uint64) {
	lo, hi := &a.lo[0], &a.hi[0]
	switch shift {
	case 0:
		dot(lo, hi, x, w, terms, from, to, shift)
	case 1:
		dotTwice(lo, hi, x, w, terms, from, to, shift)
	case 2:
		dotFourTimes(lo, hi, x, w, terms, from, to, shift)
	default:
		dotBroadcast(lo, hi, x, w, terms, from, to, shift)
	}
}

func dotPairStrip(a0, a1 *Acc, x0, x1, w *[]uint64, terms, from, to int, shift uint64) {
	l0, h0, l1, h1 := &a0.lo[0], &a0.hi[0], &a1.lo[0], &a1.hi[0]
	switch shift {
	case 0:
		dotPair(l0, h0, l1, h1, x0, x1, w, terms, from, to, shift)
	case 1:
		dotPairTwice(l0, h0, l1, h1, x0, x1, w, terms, from, to, shift)
	case 2:
		dotPairFourTimes(l0, h0, l1, h1, x0, x1, w, terms, from, to, shift)
	default:
		dotPairBroadcast(l0, h0, l1, h1, x0, x1, w, terms, from, to, shift)
	}
}

func (a *Acc) reduceIFMA(dst []uint64) {
	c := a.r.ifmaConstants()
	reduceVector(&dst[0], &a.lo[0], &a.hi[0], len(dst), &c[0])
}

func (r *Ring) addProductsIFMA(dst []uint64, x, w [][]uint64) {
	c := r.ifmaConstants()
	addProducts(&dst[0], &x[0], &w[0], len(w), len(dst), &c[0])
}

// spreadIFMA repeats the first len(p)/rep values, rep > 1.
func spreadIFMA(p []uint64, rep int) {
	shift := uint64(bits.TrailingZeros(uint(rep)))
	switch rep {
	case 2:
		spreadTwice(&p[0], len(p), shift)
	case 4:
		spreadFourTimes(&p[0], len(p), shift)
	default:
		spreadBroadcast(&p[0], len(p), shift)
	}
}

func permuteIFMA(dst, src []uint64, codes []uint32, lanes *[8][8]uint64) {
	permuteVectors(&dst[0], &src[0], &codes[0], &lanes[0], len(dst))
}

func (r *Ring) digitIFMA(dst, src []uint64, d digitOf) {
	digitVector(&dst[0], &src[0], len(dst), r.q, r.q/2, d.offset, d.shift, d.mask, d.centre)
}

// The following take any length: they do what fills whole vectors and return
// how many values that is.

func whole(n int) int { return n &^ 7 }

func (r *Ring) encodeIFMA(dst, x []uint64, l int, add bool) int {
	n := whole(len(dst))
	switch {
	case l > 52 || n == 0:
		return 0
	case add:
		encodeAddVector(&dst[0], &x[0], n, r.q, uint64(52-l))
	default:
		encodeVector(&dst[0], &x[0], n, r.q, uint64(52-l))
	}
	return n
}

// roundIFMA needs 2^b < q, so that the inverse fits 52 bits.
func (r *Ring) roundIFMA(dst, v []uint64, b int) int {
	n := whole(len(dst))
	if n == 0 || b >= r.Bits() {
		return 0
	}
	inv, _ := bits.Div64(1<<b>>12, 1<<(b+52), r.q)
	roundVector(&dst[0], &v[0], n, r.q, inv, uint64(b), r.q/2+1)
	return n
}

func (r *Ring) dropIFMA(dst, v []uint64, j int) int {
	n := whole(len(dst))
	if n > 0 {
		dropVector(&dst[0], &v[0], n, uint64(j))
	}
	return n
}

func (r *Ring) restoreIFMA(dst, v []uint64, j int) int {
	n := whole(len(dst))
	if n > 0 {
		restoreVector(&dst[0], &v[0], n, uint64(j), 1<<j>>1, r.q)
	}
	return n
}

func (r *Ring) noiseIFMA(dst, words []uint64) int {
	n := whole(len(words))
	if n > 0 {
		noiseVector(&dst[0], &words[0], n, r.q, noiseMask, wire.NoiseEta)
	}
	return n
}

func (r *Ring) ternaryIFMA(dst, words []uint64) int {
	n := whole(len(words))
	if n > 0 {
		ternaryVector(&dst[0], &words[0], n, r.q)
	}
	return n
}

// uniformIFMA returns how many values it took from how many words.
func (r *Ring) uniformIFMA(dst, words []uint64) (taken, read int) {
	n := whole(len(words))
	if n == 0 || len(dst) < 8 {
		return 0, 0
	}
	return uniformVector(&dst[0], &words[0], n, len(dst), r.q, r.candidateMask())
}

// aesKeys is the key schedule for keystream.
type aesKeys [15 * 16]byte

func newAESKeys(seed *Seed) *aesKeys {
	k := new(aesKeys)
	expandKey256(&seed[0], &k[0])
	return k
}

// keystream fills words, a multiple of 8 of them, from block counter on.
func (k *aesKeys) keystream(words []uint64, iv *[16]byte, counter uint64) {
	keystream256(&words[0], &k[0], &iv[0], counter, len(words)/8)
}

// packTables positions the bytes of eight values of b bits; the kernels read
// the fields in this order.
type packTables struct {
	even, odd [64]byte  // for each output byte, the byte of the shifted values
	gather    [64]byte  // for each value, the eight bytes that hold it
	shift     [8]uint64 // its place in the first of them
	mask      uint64
	useEven   uint64 // output bytes with bits of even-numbered values
	useOdd    uint64
	bytes     uint64
}

// newPackTables needs 8 <= b <= 57: a shifted value fits a word, and no byte
// has bits of three values.
func newPackTables(b int) *packTables {
	t := &packTables{mask: 1<<b - 1, bytes: 1<<b - 1}
	for i := range 8 {
		first, shift := i*b/8, i*b%8
		t.shift[i] = uint64(shift)
		for j := range 8 {
			t.gather[8*i+j] = byte(first + j)
			if 8*j >= shift+b {
				continue
			}
			if i%2 == 0 {
				t.even[first+j] = byte(8*i + j)
				t.useEven |= 1 << (first + j)
			} else {
				t.odd[first+j] = byte(8*i + j)
				t.useOdd |= 1 << (first + j)
			}
		}
	}
	return t
}

// packFast packs whole groups of eight and returns how many values they are.
func (p *Packer) packFast(dst []byte, v []uint64) int {
	n := whole(len(v))
	if n > 0 {
		packGroups(&dst[0], &v[0], n/8, p.bits, (*uint64)(unsafe.Pointer(p.fast)))
	}
	return n
}

func (p *Packer) unpackFast(dst []uint64, src []byte) int {
	n := whole(len(dst))
	if n > 0 {
		unpackGroups(&dst[0], &src[0], n/8, p.bits, (*uint64)(unsafe.Pointer(p.fast)))
	}
	return n
}
