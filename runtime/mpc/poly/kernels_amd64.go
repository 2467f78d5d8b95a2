//go:build !purego

package poly

//go:generate go -C _asm run . -out ../kernels_amd64.s -stubs ../stubs_amd64.go -pkg poly
//go:generate go -C _asm run ./neon -out ../kernels_arm64.s -stubs ../stubs_arm64.go

import (
	"math/bits"
	"unsafe"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/internal/kernel"
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

// fmaLanes is how many lanes the elementwise kernels of the variant FMA have.
const fmaLanes = 4

func (r *Ring) addLanes(dst, a, b []uint64) {
	if r.ifma {
		addVectors(&dst[0], &a[0], &b[0], len(dst), r.q)
		return
	}
	addVectors4(&dst[0], &a[0], &b[0], len(dst), r.q)
}

func (r *Ring) subLanes(dst, a, b []uint64) {
	if r.ifma {
		subVectors(&dst[0], &a[0], &b[0], len(dst), r.q)
		return
	}
	subVectors4(&dst[0], &a[0], &b[0], len(dst), r.q)
}

func (r *Ring) negLanes(dst, a []uint64) {
	if r.ifma {
		negVector(&dst[0], &a[0], len(dst), r.q)
		return
	}
	negVector4(&dst[0], &a[0], len(dst), r.q)
}

func (r *Ring) mulIFMA(dst, a, b []uint64) {
	c := r.ifmaConstants()
	mulVectors(&dst[0], &a[0], &b[0], len(dst), &c[0])
}

func mulOperandIFMA(dst, a []uint64, w operand, q uint64) {
	mulScalarVector(&dst[0], &a[0], len(dst), w.w, w.s52, q)
}

// ifmaConstants is the layout that the reductions read.
func (r *Ring) ifmaConstants() [6]uint64 {
	return [6]uint64{r.q, r.one.s52, r.r52.w, r.r52.s52, r.r104.w, r.r104.s52}
}

// ifmaStrip calls the kernels by name: through a variable the slices would escape.
func (a *Acc) ifmaStrip(x, w *[]uint64, terms, from, to int, shift uint64) {
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

func ifmaPairStrip(a0, a1 *Acc, x0, x1, w *[]uint64, terms, from, to int, shift uint64) {
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

func (r *Ring) digitLanes(dst, src []uint64, d digitOf) {
	if r.ifma {
		digitVector(&dst[0], &src[0], len(dst), r.q, r.q/2, d.offset, d.shift, d.mask, d.centre)
		return
	}
	digitVector4(&dst[0], &src[0], len(dst), r.q, r.q/2, d.offset, d.shift, d.mask, d.centre)
}

func reduceLanes(dst, lo, hi []uint64, t *fmaTables) {
	fmaReduce(&dst[0], &lo[0], &hi[0], len(dst), &t.c[0], &t.powers[0])
}

// The following take any length: they do what fills whole vectors and return
// how many values that is.

func (r *Ring) encodeLanes(dst, x []uint64, l int, add bool) int {
	n := r.whole(len(dst))
	switch {
	case n == 0 || r.ifma && l > 52:
		return 0
	case r.ifma && add:
		encodeAddVector(&dst[0], &x[0], n, r.q, uint64(52-l))
	case r.ifma:
		encodeVector(&dst[0], &x[0], n, r.q, uint64(52-l))
	case add:
		encodeAddVector4(&dst[0], &x[0], n, r.q, 1<<l-1, uint64(l-1))
	default:
		encodeVector4(&dst[0], &x[0], n, r.q, 1<<l-1, uint64(l-1))
	}
	return n
}

// roundLanes needs 2^b < q for IFMA, so that the inverse fits 52 bits.
func (r *Ring) roundLanes(dst, v []uint64, b int) int {
	n, m := r.whole(len(dst)), r.Bits()
	switch {
	case n == 0 || r.ifma && b >= m:
		return 0
	case r.ifma:
		inv, _ := bits.Div64(1<<b>>12, 1<<(b+52), r.q)
		roundVector(&dst[0], &v[0], n, r.q, inv, uint64(b), r.q/2+1)
	default:
		inv, _ := bits.Div64(1<<(m-1), 0, r.q)
		roundVector4(&dst[0], &v[0], n, r.q, inv, uint64(b), uint64(63+m-b), r.q/2+1)
	}
	return n
}

func (r *Ring) dropLanes(dst, v []uint64, j int) int {
	n := r.whole(len(dst))
	switch {
	case n == 0:
	case r.ifma:
		dropVector(&dst[0], &v[0], n, uint64(j))
	default:
		dropVector4(&dst[0], &v[0], n, uint64(j))
	}
	return n
}

func (r *Ring) restoreLanes(dst, v []uint64, j int) int {
	n := r.whole(len(dst))
	switch {
	case n == 0:
	case r.ifma:
		restoreVector(&dst[0], &v[0], n, uint64(j), 1<<j>>1, r.q)
	default:
		restoreVector4(&dst[0], &v[0], n, uint64(j), 1<<j>>1, r.q)
	}
	return n
}

func (r *Ring) noiseLanes(dst, words []uint64) int {
	n := r.whole(len(words))
	switch {
	case n == 0:
	case r.ifma:
		noiseVector(&dst[0], &words[0], n, r.q, noiseMask, wire.NoiseEta)
	default:
		noiseVector4(&dst[0], &words[0], n, r.q, noiseMask, wire.NoiseEta)
	}
	return n
}

func (r *Ring) ternaryLanes(dst, words []uint64) int {
	n := r.whole(len(words))
	switch {
	case n == 0:
	case r.ifma:
		ternaryVector(&dst[0], &words[0], n, r.q)
	default:
		ternaryVector4(&dst[0], &words[0], n, r.q)
	}
	return n
}

// uniformLanes returns how many values it took from how many words.
func (r *Ring) uniformLanes(dst, words []uint64) (taken, read int) {
	n := r.whole(len(words))
	switch {
	case n == 0 || len(dst) < r.lanes:
		return 0, 0
	case r.ifma:
		return uniformVector(&dst[0], &words[0], n, len(dst), r.q, r.candidateMask())
	default:
		return uniformVector4(&dst[0], &words[0], n, len(dst), r.q, r.candidateMask())
	}
}

// keyed says whether a variant of AES has a key stream here.
func keyed(v kernel.Variant) bool { return v >= kernel.AVX2 }

// aesKeys is the key schedule for keystream.
type aesKeys [15 * 16]byte

func newAESKeys(seed *Seed) *aesKeys {
	k := new(aesKeys)
	expandKey256(&seed[0], &k[0])
	return k
}

// keystream fills words, a multiple of 8 of them, from block counter on.
func (k *aesKeys) keystream(v kernel.Variant, words []uint64, iv *[16]byte, counter uint64) {
	switch n := len(words); v {
	case kernel.AVX512:
		keystream256(&words[0], &k[0], &iv[0], counter, n/8)
	case kernel.VAES:
		keystream256by2(&words[0], &k[0], &iv[0], counter, n/4)
	default:
		keystream256by1(&words[0], &k[0], &iv[0], counter, n/2)
	}
}

// packTables positions eight values of b bits, which are b bytes.
type packTables struct {
	eight *packedEight // IFMA
	pairs *packedPairs // AVX2
}

// packedEight positions the bytes of eight values in one register; the kernels read
// the fields in this order.
type packedEight struct {
	even, odd [64]byte  // for each output byte, the byte of the shifted values
	gather    [64]byte  // for each value, the eight bytes that hold it
	shift     [8]uint64 // its place in the first of them
	mask      uint64
	useEven   uint64 // output bytes with bits of even-numbered values
	useOdd    uint64
	bytes     uint64
}

// packedPairs positions the bytes of two values, for each of the four pairs; the kernels read
// the fields in this order. 128 says that a byte is zero.
type packedPairs struct {
	pairs [4]struct {
		shift     [2]uint64 // of the values in their first bytes
		even, odd [16]byte  // for each output byte, the byte of the shifted values
		carry     [16]byte  // the output byte that the next pair shares comes first
		gather    [16]byte  // for each value, the eight bytes that hold it
	}
	mask [2]uint64
	at   [4]uint64 // of the pairs, in bytes
}

// newPackTables needs 8 <= b <= 57: a shifted value fits a word, and no byte
// has bits of three values.
func newPackTables(b int, v Variant) *packTables {
	switch v {
	case IFMA:
		return &packTables{eight: newPackedEight(b)}
	case FMA:
		return &packTables{pairs: newPackedPairs(b)}
	}
	return nil
}

func newPackedEight(b int) *packedEight {
	t := &packedEight{mask: 1<<b - 1, bytes: 1<<b - 1}
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

func newPackedPairs(b int) *packedPairs {
	t := &packedPairs{mask: [2]uint64{1<<b - 1, 1<<b - 1}}
	for i := range t.pairs {
		p := &t.pairs[i]
		at, second := 2*i*b/8, (2*i+1)*b/8-2*i*b/8
		t.at[i] = uint64(at)
		p.shift = [2]uint64{uint64(2 * i * b % 8), uint64((2*i + 1) * b % 8)}
		for j := range 16 {
			p.even[j], p.odd[j], p.carry[j] = 128, 128, 128
		}
		for j := range 8 {
			p.even[j], p.odd[second+j] = byte(j), byte(8+j)
			p.gather[j], p.gather[8+j] = byte(j), byte(second+j)
		}
		p.carry[0] = byte((2*i+2)*b/8 - at)
	}
	return t
}

// packFast packs groups of eight values and returns how many groups.
func (p *Packer) packFast(dst []byte, v []uint64) int {
	groups := p.fast.groups(len(v), len(dst), p.bits)
	switch {
	case groups == 0:
	case p.fast.eight != nil:
		packGroups(&dst[0], &v[0], groups, p.bits, (*uint64)(unsafe.Pointer(p.fast.eight)))
	default:
		packPairs(&dst[0], &v[0], groups, p.bits, (*uint64)(unsafe.Pointer(p.fast.pairs)))
	}
	return groups
}

func (p *Packer) unpackFast(dst []uint64, src []byte) int {
	groups := p.fast.groups(len(dst), len(src), p.bits)
	switch {
	case groups == 0:
	case p.fast.eight != nil:
		unpackGroups(&dst[0], &src[0], groups, p.bits, (*uint64)(unsafe.Pointer(p.fast.eight)))
	default:
		unpackPairs(&dst[0], &src[0], groups, p.bits, (*uint64)(unsafe.Pointer(p.fast.pairs)))
	}
	return groups
}

// groups is how many groups there are that end within the bytes given: the last pair of a group
// is read and written as 16 bytes.
func (t *packTables) groups(values, bytes, b int) int {
	if t.eight != nil {
		return values / 8
	}
	return max(0, min(values/8, (bytes-int(t.pairs.at[3])-16+b)/b))
}
