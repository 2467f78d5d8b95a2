package poly

// fmaTables is what the double-precision kernels read; see _asm/fma.go for the
// arithmetic. All of it is of the ring, public.
type fmaTables struct {
	fwd, inv fmaTwiddles
	c        [6]float64  // q, 1/q, 2^52, 2^101, 2^101 + 3*2^51, 3*2^51
	scale    [16]float64 // 1/n, over q, the last factor/n, over q: each in four lanes
	r49      operand     // 2^49
	less63   uint64      // -2^63 mod q
	powers   [32]float64 // 2^32, over q, 2^49, over q, 2^81, over q, -2^63, over q: each in four lanes
}

// fmaTwiddles holds factors w centred at zero and w/q, as twiddles does, and for
// the innermost level those of even and of odd blocks apart, by fours.
type fmaTwiddles struct{ w, s, even, over []float64 }

// Transforms need one level beyond the four innermost.
const fmaMin = 32

func (r *Ring) newFMATables() *fmaTables {
	t := &fmaTables{fwd: r.fmaTwiddles(r.fwd.w), inv: r.fmaTwiddles(r.inv.w)}
	t.c = [6]float64{float64(r.q), 1 / float64(r.q), 1 << 52, 1 << 101, 1<<101 + 3<<51, 3 << 51}
	for lane := range 4 {
		t.scale[lane], t.scale[4+lane] = r.centred(r.nInv.w)
		t.scale[8+lane], t.scale[12+lane] = r.centred(r.nInvLast.w)
	}
	t.r49 = r.operand(powMod(2, 49, r.q))
	t.less63 = r.q - powMod(2, 63, r.q)
	for i, w := range []uint64{powMod(2, 32, r.q), t.r49.w, powMod(2, 81, r.q), t.less63} {
		for lane := range 4 {
			t.powers[8*i+lane], t.powers[8*i+4+lane] = r.centred(w)
		}
	}
	return t
}

// centred returns w, of magnitude at most q/2, and w/q.
func (r *Ring) centred(w uint64) (f, over float64) {
	f = float64(w)
	if w > r.q/2 {
		f -= float64(r.q)
	}
	return f, f / float64(r.q)
}

func (r *Ring) fmaTwiddles(w []uint64) fmaTwiddles {
	t := fmaTwiddles{w: make([]float64, len(w)), s: make([]float64, len(w))}
	for i, x := range w {
		t.w[i], t.s[i] = r.centred(x)
	}
	t.even, t.over = regroup(t.w, 2, 4), regroup(t.s, 2, 4)
	return t
}

// reduceFMA reduces lo + hi*2^49, lo signed: with 2^63 added it is not.
func (a *Acc) reduceFMA(dst []uint64) {
	r := a.r
	q, t := r.q, r.fma
	if fmaLanes > 0 {
		reduceLanes(dst, a.lo, a.hi, t)
		return
	}
	for i := range dst {
		x := mulShoup(a.hi[i], t.r49.w, t.r49.s64, q) + mulShoup(a.lo[i]+1<<63, 1, r.one.s64, q) + t.less63 // < 5q
		dst[i] = reduceOnce(reduceOnce(reduceOnce(x, 4*q), 2*q), q)
	}
}
