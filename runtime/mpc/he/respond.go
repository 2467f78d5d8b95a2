package he

import (
	"context"

	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/transport"
)

// respond multiplies, folds, masks and sends, response by response. A response
// is cut into 2^k subtrees of its fold when there are fewer responses than it
// takes to keep the workers busy; the last subtree's worker joins them.
func (e *evaluation) respond(ctx context.Context, conn transport.Conn, threads int) error {
	_, seed, err := e.s.secretSampler(ofTurn(e.call))
	if err != nil {
		return err
	}
	e.seed = seed
	workers := make([]*responder, threads)
	for i := range workers {
		workers[i] = e.newResponder(seed)
	}
	responses := e.op.Map.Responses()
	cut := 0
	for cut < e.op.Merge && threads > 1 && responses<<cut < 4*threads {
		cut++
	}
	parts := make([]chan ciphertext, responses<<cut)
	for i := range parts {
		parts[i] = make(chan ciphertext, 1)
	}
	return produce(ctx, responses<<cut, threads,
		func(worker, job int) ([]byte, error) {
			w := workers[worker]
			parts[job] <- w.subtree(job<<(e.op.Merge-cut), e.op.Merge-cut)
			if (job+1)&(1<<cut-1) != 0 {
				return nil, ctx.Err()
			}
			first := job + 1 - 1<<cut
			root := w.join(parts[first:job+1], e.op.Merge-cut)
			return w.finish(first>>cut, root), ctx.Err()
		},
		func(_ int, b []byte) error {
			if b == nil {
				return nil
			}
			return sendNow(conn, b)
		})
}

// batchBlocks is how many weight polynomials are transformed before they are
// multiplied: accumulators are larger than the first-level cache.
const batchBlocks = 8

// responder makes responses; one a worker.
type responder struct {
	e       *evaluation
	fold    *folder
	accs    []*poly.Acc
	terms   [][][]uint64 // by side: the inputs that the factors multiply
	weights []int32
	polys   [batchBlocks][]uint64
	factors [][]uint64 // the polys in use
	random  *poly.Sampler
	p0, p1  *poly.Packer
	u, c    []uint64
	vals    []uint64
	mask    []uint64

	coef, elem []int32 // of the tile at hand

	supports map[[3]int]*support
}

// support is the structure of a weight polynomial and where its values come from.
type support struct {
	*poly.Support
	index []int32 // within the filters of the block
}

func (e *evaluation) newResponder(seed poly.Seed) *responder {
	r := e.s.ring
	w := &responder{
		e: e, random: poly.NewSampler(seed),
		p0: poly.NewPacker(e.op.C0Bits, r.Variant()), p1: poly.NewPacker(e.op.C1Bits, r.Variant()),
		u: r.NewPoly(), c: r.NewPoly(), vals: r.NewPoly(), mask: r.NewPoly(),
		supports: map[[3]int]*support{},
	}
	for range e.sides() {
		w.accs = append(w.accs, r.NewAcc())
	}
	w.terms = make([][][]uint64, len(w.accs))
	for i := range w.polys {
		w.polys[i] = r.NewPoly()
	}
	if e.op.Merge > 0 {
		w.fold = e.newFolder()
	}
	return w
}

// subtree multiplies the leaves from q0 on and folds 2^depth of them; nil when
// there are none.
func (w *responder) subtree(q0, depth int) ciphertext {
	if q0 >= w.e.op.Map.OutBlocks() {
		return nil
	}
	if depth == 0 {
		return w.leaf(q0)
	}
	a := w.subtree(q0, depth-1)
	b := w.subtree(q0+1<<(depth-1), depth-1)
	w.fold.fold(a, b, w.e.op.Low-depth+1)
	return a
}

// join folds subtrees of equal depth that other workers made.
func (w *responder) join(parts []chan ciphertext, depth int) ciphertext {
	cts := make([]ciphertext, len(parts))
	for i, p := range parts {
		cts[i] = <-p
	}
	for ; len(cts) > 1; depth++ {
		for i := 0; i < len(cts); i += 2 {
			if cts[i] != nil {
				w.fold.fold(cts[i], cts[i+1], w.e.op.Low-depth)
			}
			cts[i/2] = cts[i]
		}
		cts = cts[:len(cts)/2]
	}
	return cts[0]
}

// leaf multiplies the uploads by filter block o and adds up.
func (w *responder) leaf(o int) ciphertext {
	e := w.e
	for _, a := range w.accs {
		a.Reset()
	}
	group, first, count := e.op.Map.OutBlock(o)
	from, to := e.op.Map.InBlocks(group)
	filter := e.weights[first*e.op.FilterLen:]
	for i := from; i < to; i += len(w.factors) {
		w.transform(group, i, to, count, filter)
		for side := range w.accs {
			w.terms[side] = e.x[side][i : i+len(w.factors)]
		}
		poly.DotMany(w.accs, w.terms, w.factors)
	}
	ct := e.newCiphertext()
	for side, a := range w.accs {
		a.Reduce(ct[side])
	}
	return ct
}

// transform makes the weight polynomials of blocks from i on: as many as there
// is room for, of one length.
func (w *responder) transform(group, i, to, count int, filter []int64) {
	w.factors = w.factors[:0]
	for _, p := range w.polys[:min(batchBlocks, to-i)] {
		s := w.support(group, i, count)
		if len(w.factors) > 0 && s.CompactLen() != len(w.factors[0]) {
			return
		}
		w.weights = w.weights[:0]
		for _, at := range s.index {
			w.weights = append(w.weights, int32(filter[at]))
		}
		p = p[:s.CompactLen()]
		w.e.s.ring.NTTWeights(p, w.weights, s.Support)
		w.factors = append(w.factors, p)
		i++
	}
}

// support gives the structure of the weight polynomial for count filters.
func (w *responder) support(group, i, count int) *support {
	key := [3]int{group, i, count}
	if s, ok := w.supports[key]; ok {
		return s
	}
	m := w.e.op.Map
	exponent, index := m.Terms(group, i)
	s := &support{}
	var positions []int
	for f := range count {
		for k, x := range exponent {
			positions = append(positions, int(x)+f*m.FilterStep())
			s.index = append(s.index, index[k]+int32(f*w.e.op.FilterLen))
		}
	}
	var err error
	if s.Support, err = w.e.s.ring.NewSupport(positions); err != nil {
		panic("BUG: he: index map: " + err.Error())
	}
	w.supports[key] = s
	return s
}

// finish masks and rounds response m and keeps the masks.
func (w *responder) finish(m int, ct ciphertext) []byte {
	e, r := w.e, w.e.s.ring
	out := make([]byte, responseSize(e.op, w.p0, w.p1, r.N(), m))
	rest := out
	for set := range e.op.sets() {
		w.random.Ternary(r, w.u, uint64(m*e.op.sets()+set))
		r.NTT(w.u)
		n := w.p1.Len(r.N())
		w.uniformHalf(rest[:n], ct[e.tiles+set], uint64(m*e.op.sets()+set))
		rest = rest[n:]
		from, to := e.op.tilesOf(set)
		for t := from; t < to; t++ {
			w.coef, w.elem = e.op.Map.Response(t, m, w.coef, w.elem)
			n := w.p0.Len(len(w.coef))
			w.ownHalf(rest[:n], ct[t], t, m, w.coef, w.elem)
			rest = rest[n:]
		}
	}
	e.release(ct)
	return out
}

// uniformHalf re-randomises c1 by the uniform half of a fresh encryption of
// zero, a*u + e_1, and rounds it.
func (w *responder) uniformHalf(dst []byte, c1 []uint64, index uint64) {
	r := w.e.s.ring
	r.Mul(w.c, w.e.s.publicA, w.u)
	r.Add(w.c, w.c, c1)
	r.InvNTT(w.c)
	w.random.Noise(r, w.vals, index)
	r.Add(w.c, w.c, w.vals)
	r.Round(w.c, w.c, w.e.op.C1Bits)
	w.p1.Pack(dst, w.c)
}

// ownHalf adds b_k*u and the bias to c0, masks the useful coefficients by uniform
// values r, rounds, and keeps r: rounded, -r is the server's share. (The error term
// of the zero encryption's c0 is left out: r is uniform.)
func (w *responder) ownHalf(dst []byte, c0 []uint64, t, m int, coef, elem []int32) {
	e, r := w.e, w.e.s.ring
	q := r.Q()
	r.Mul(w.c, e.s.keys[keyID{secret: t % e.op.Keys}], w.u)
	r.Add(w.c, w.c, c0)
	r.InvNTT(w.c)
	v, mask := w.vals[:len(coef)], w.mask[:len(coef)]
	w.random.Uniform(r, mask, maskIndex(m, e.tiles, t))
	for k, at := range coef {
		v[k] = reduceOnce(w.c[at]+mask[k], q)
	}
	w.addBias(v, m, len(coef))
	r.Round(v, v, e.op.C0Bits)
	w.p0.Pack(dst, v)
	if e.masks == nil {
		return
	}
	for k, at := range elem {
		e.masks[at] = reduceOnce(e.masks[at]+mask[k], q)
	}
}

// addBias adds each filter's bias to its coefficients, which stand in runs of
// equal length, filter by filter.
func (w *responder) addBias(v []uint64, m, n int) {
	e, r := w.e, w.e.s.ring
	if e.bias == nil {
		return
	}
	var filters []int64
	blocks := e.op.Map.OutBlocks()
	for o := m << e.op.Merge; o < min((m+1)<<e.op.Merge, blocks); o++ {
		_, first, count := e.op.Map.OutBlock(o)
		filters = append(filters, e.bias[first:first+count]...)
	}
	run := n / len(filters)
	b := make([]uint64, 1)
	for f, bias := range filters {
		b[0] = uint64(bias)
		r.Encode(b, b, e.op.InBits)
		for k := f * run; k < (f+1)*run; k++ {
			v[k] = reduceOnce(v[k]+b[0], r.Q())
		}
	}
}
