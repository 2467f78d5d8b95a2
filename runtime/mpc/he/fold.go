package he

import (
	"sync"

	"secc.example/secc/backend/plan/wire"
)

// Folding packs 2^Merge responses into one (Chen-Dai-Kim-Song 2021). Leaf q's
// useful coefficients are multiples of 2^Low, the others are garbage. At level
// j, from Low down, neighbours a and b become
//
//	a + X^(2^(j-1))*b + s(a - X^(2^(j-1))*b),   s: X -> X^(1+2N/2^j).
//
// s fixes the multiples of 2^j and negates the odd multiples of 2^(j-1), so that
// useful coefficients double and what stood in b's place disappears; afterwards
// the useful ones are multiples of 2^(j-1). s needs a key switch: c1 is cut
// into digits, which multiply switching keys. The uniform halves of the keys are
// the same for all secrets, so that the sides of a set keep one c1.

// ciphertext holds one transformed polynomial a side.
type ciphertext [][]uint64

// pool recycles ciphertexts.
type pool struct {
	mu   sync.Mutex
	free []ciphertext
}

func (e *evaluation) newCiphertext() ciphertext {
	e.free.mu.Lock()
	defer e.free.mu.Unlock()
	if n := len(e.free.free); n > 0 {
		c := e.free.free[n-1]
		e.free.free = e.free.free[:n-1]
		return c
	}
	c := make(ciphertext, e.sides())
	for i := range c {
		c[i] = e.s.ring.NewPoly()
	}
	return c
}

func (e *evaluation) release(c ciphertext) {
	if c == nil {
		return
	}
	e.free.mu.Lock()
	e.free.free = append(e.free.free, c)
	e.free.mu.Unlock()
}

// folder folds ciphertexts; one a worker.
type folder struct {
	e      *evaluation
	keys   map[int]*foldKeys // by level
	diff   []uint64
	tmp    []uint64
	digits [][]uint64
	base   int
	drop   int
}

// foldKeys are the switching keys of one level, by digit.
type foldKeys struct {
	*level
	a [][]uint64
	b [][][]uint64 // by digit and secret
}

func (e *evaluation) newFolder() *folder {
	r := e.s.ring
	f := &folder{e: e, keys: map[int]*foldKeys{}, diff: r.NewPoly(), tmp: r.NewPoly()}
	d := e.op.Digits
	f.base, f.drop = wire.Gadget(d)
	for range d {
		f.digits = append(f.digits, r.NewPoly())
	}
	for depth := range e.op.Merge {
		j := e.op.Low - depth
		k := &foldKeys{level: e.s.levels[j]}
		for i := range d {
			k.a = append(k.a, e.s.switchA[keyID{d, j, i, 0}])
			var b [][]uint64
			for secret := range e.s.spec.Secrets {
				b = append(b, e.s.keys[keyID{d, j, i, secret}])
			}
			k.b = append(k.b, b)
		}
		f.keys[j] = k
	}
	return f
}

// fold merges b (nil: nothing there) into a at a level; b is used up.
func (f *folder) fold(a, b ciphertext, j int) {
	e, r, k := f.e, f.e.s.ring, f.keys[j]
	for set := range e.op.sets() {
		side := e.tiles + set
		f.split(a, b, side, k)
		k.auto.NTT(f.tmp, f.diff)
		r.InvNTT(f.tmp)
		f.decompose()
		f.switchInto(a[side], k.a)
		from, to := e.op.tilesOf(set)
		for t := from; t < to; t++ {
			f.split(a, b, t, k)
			k.auto.NTT(f.tmp, f.diff)
			r.Add(a[t], a[t], f.tmp)
			keys := make([][]uint64, len(f.digits))
			for d := range keys {
				keys[d] = k.b[d][t%e.op.Keys]
			}
			f.switchInto(a[t], keys)
		}
	}
	e.release(b)
}

// split sets a's side to a + X^s*b and diff to a - X^s*b.
func (f *folder) split(a, b ciphertext, side int, k *foldKeys) {
	r := f.e.s.ring
	if b == nil {
		copy(f.diff, a[side])
		return
	}
	r.Mul(f.tmp, b[side], k.shift)
	r.Sub(f.diff, a[side], f.tmp)
	r.Add(a[side], a[side], f.tmp)
}

// decompose cuts the coefficients in tmp into balanced digits, transformed.
func (f *folder) decompose() {
	r := f.e.s.ring
	r.Digits(f.digits, f.tmp, f.base, f.drop)
	for _, d := range f.digits {
		r.NTT(d)
	}
}

// switchInto adds the digits times keys to dst.
func (f *folder) switchInto(dst []uint64, keys [][]uint64) {
	f.e.s.ring.AddProducts(dst, f.digits, keys)
}
