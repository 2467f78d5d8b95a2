package he

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/transport"
)

// Linear is the server's side of one linear operator.
//
// Functionality: from shares in (both parties) of x in Z_2^InBits, weights and a
// bias of one value a filter in units of the accumulator, both get shares in
// Z_2^OutBits of round((w*x + bias)/2^(InBits-OutBits)) + Offset, off by at most
// 1 (stochastic: the error has mean 0). Single-modulus torus RLWE with rounding
// as truncation and re-sharing in one: Cheetah (Huang et al. 2022) section 4
// for the coefficient encoding, OpenCheetah for approximate re-sharing; several
// secrets under one uniform half after Peikert-Vaikuntanathan-Waters 2008.
//
// Two flights, of the sizes that the index map and the numbers of bits give.
// Error: the noise beyond the two roundings exceeds its declared bound with
// probability below 2^-40 an operator; the compiler shows this from the weights.
// Leakage: the client sees pseudorandom c1 (it is re-randomised by a fresh
// encryption of zero) and c0 masked by uniform values of Z_Q at every
// coefficient that is sent.
func (s *Server) Linear(ctx context.Context, conn transport.Conn, turn *Turn, op *Op, in []uint64, weights, bias []int64, threads int) ([]uint64, error) {
	return s.Sum(ctx, conn, []Term{{op, turn, in, weights, bias}}, nil, threads)
}

// Sum is the server's side of several linear operators whose results are added
// up, with own, a tensor of the same size in Z_2^InBits that each party may bring
// (nil: nothing), before they are rounded.
//
// Functionality, flights, error and leakage are those of Linear, with the sum of the
// products and of both parties' own tensors in the place of w*x: every term is
// answered and masked as if it were alone, and the parties add up what they would
// round, the client phases and the server masks, modulo Q. The noise of all terms
// adds up.
func (s *Server) Sum(ctx context.Context, conn transport.Conn, terms []Term, own []uint64, threads int) ([]uint64, error) {
	if err := validateTerms(terms, own, s.spec); err != nil {
		return nil, err
	}
	threads = max(1, threads)
	op := terms[0].Op
	masks := make([]uint64, op.NumOut)
	evals := make([]*evaluation, len(terms))
	for i, t := range terms {
		evals[i] = &evaluation{s: s, op: t.Op, call: t.Turn.spend(), in: t.In, bias: t.Bias, masks: masks}
		if err := evals[i].takeWeights(t.Weights); err != nil {
			return nil, err
		}
	}
	for _, e := range evals {
		if err := e.receive(ctx, conn, threads); err != nil {
			return nil, fmt.Errorf("he: linear: receive input: %w", err)
		}
	}
	for _, e := range evals {
		if err := e.respond(ctx, conn, threads); err != nil {
			return nil, fmt.Errorf("he: linear: send result: %w", err)
		}
		e.x = nil
	}
	var negated []uint64
	if own != nil {
		negated = make([]uint64, len(own))
		for i, x := range own {
			negated[i] = -x
		}
	}
	return shareOf(s.ring, op, masks, negated), nil
}

// shareOf rounds what the server's own tensor is above the masks, from the negative of that, if there is one.
func shareOf(r *poly.Ring, op *Op, masks, negated []uint64) []uint64 {
	if negated != nil { // -(masks - own)
		r.EncodeAdd(masks, negated, op.InBits)
	}
	r.Round(masks, masks, op.OutBits)
	ring := ^uint64(0) >> (64 - op.OutBits)
	for i, x := range masks {
		masks[i] = (op.Offset - x) & ring
	}
	return masks
}

// evaluation is one operator at work.
type evaluation struct {
	s       *Server
	op      *Op
	call    uint64
	in      []uint64
	weights []int64
	bias    []int64
	tiles   int
	x       [][][]uint64 // by side (tiles, then sets) and block: transformed ciphertext halves
	masks   []uint64     // by output: what it is masked by, of all terms together; nil where the seed is kept
	seed    poly.Seed    // of masks, and of all that hides the product
	free    pool
}

func (e *evaluation) takeWeights(weights []int64) error {
	filters := 0
	for o := range e.op.Map.OutBlocks() {
		_, _, n := e.op.Map.OutBlock(o)
		filters += n
	}
	if len(weights) != filters*e.op.FilterLen || e.bias != nil && len(e.bias) != filters {
		return fmt.Errorf("he: %d weights and %d biases for %d filters of %d", len(weights), len(e.bias), filters, e.op.FilterLen)
	}
	wide := uint64(0)
	for _, w := range weights {
		wide |= uint64(w - int64(int32(w)))
	}
	if wide != 0 {
		return fmt.Errorf("he: a weight does not fit 32 bits")
	}
	e.weights = weights
	return nil
}

// sides is the number of polynomials of a ciphertext: one c0 a tile, one c1 a set.
func (e *evaluation) sides() int { return e.tiles + e.op.sets() }

// receive takes the uploads as they come, adds the server's share, and
// transforms; the uniform halves are expanded beside them.
func (e *evaluation) receive(ctx context.Context, conn transport.Conn, threads int) error {
	m := e.op.Map
	e.tiles = m.Tiles()
	blocks := m.Blocks()
	e.x = make([][][]uint64, e.sides())
	for i := range e.x {
		e.x[i] = make([][]uint64, blocks)
	}
	workers := make([]*receiver, threads)
	for i := range workers {
		workers[i] = e.newReceiver()
	}
	return consume(ctx, e.op.sets()*blocks, threads,
		func(job int) ([]byte, error) {
			b := make([]byte, workers[0].size(job/blocks, job%blocks))
			return b, conn.Recv(b)
		},
		func(worker, job int, b []byte) error { return workers[worker].block(job/blocks, job%blocks, b) })
}

// receiver decodes uploads; one a worker.
type receiver struct {
	e      *evaluation
	public *poly.Sampler
	packer *poly.Packer
	scale  uint64 // 2^-Merge: folding doubles at every level
	src    []int32
	vals   []uint64
	share  []uint64
}

func (e *evaluation) newReceiver() *receiver {
	r := e.s.ring
	return &receiver{
		e: e, public: e.s.sampler(), packer: poly.NewPacker(e.op.UploadBits, r.Variant()),
		scale: inversePowerOfTwo(r.Q(), e.op.Merge), vals: r.NewPoly(), share: r.NewPoly(),
	}
}

// inversePowerOfTwo is 2^-k modulo the odd q.
func inversePowerOfTwo(q uint64, k int) uint64 {
	x := uint64(1)
	for range k {
		x = (x + q&-(x&1)) >> 1
	}
	return x
}

func (v *receiver) size(set, i int) int {
	n := 0
	from, to := v.e.op.tilesOf(set)
	for t := from; t < to; t++ {
		n += v.packer.Len(v.e.op.Map.UploadLen(t, i))
	}
	return n
}

func (v *receiver) block(set, i int, b []byte) error {
	e, r := v.e, v.e.s.ring
	a := r.NewPoly()
	v.public.Uniform(r, a, uploadIndex(e.call, set, e.op.Map.Blocks(), i))
	e.store(a, e.tiles+set, i, v.scale)
	from, to := e.op.tilesOf(set)
	for t := from; t < to; t++ {
		n := v.packer.Len(e.op.Map.UploadLen(t, i))
		if err := v.upload(t, i, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (e *evaluation) store(p []uint64, side, i int, scale uint64) {
	if e.op.Merge > 0 {
		e.s.ring.MulScalar(p, p, scale)
	}
	e.x[side][i] = p
}

// upload checks and decodes one ciphertext.
func (v *receiver) upload(t, i int, b []byte) error {
	e, r := v.e, v.e.s.ring
	coef, src := e.op.Map.Upload(t, i, v.src)
	v.src = src
	c := v.vals[:len(coef)]
	drop := wire.QBits - e.op.UploadBits
	if err := v.packer.Unpack(c, b); err != nil || !poly.AllBelow(c, r.DroppedBound(drop)) {
		return transport.Violation("linear input, tile %d, block %d: a coefficient is out of range", t, i)
	}
	p := r.NewPoly()
	r.RestoreLow(c, c, drop)
	if !e.op.ClientInput {
		share := v.share[:len(coef)]
		gather(share, e.in, src)
		r.EncodeAdd(c, share, e.op.InBits)
	}
	for k, at := range coef {
		p[at] = c[k]
	}
	r.NTT(p)
	e.store(p, t, i, v.scale)
	return nil
}
