package he

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/transport"
)

// Linear is the client's side of one linear operator; see Server.Linear.
func (c *Client) Linear(ctx context.Context, conn transport.Conn, turn *Turn, op *Op, in []uint64, threads int) ([]uint64, error) {
	return c.Sum(ctx, conn, []Term{{Op: op, Turn: turn, In: in}}, nil, threads)
}

// Sum is the client's side of several linear operators whose results are added
// up; see Server.Sum.
func (c *Client) Sum(ctx context.Context, conn transport.Conn, terms []Term, own []uint64, threads int) ([]uint64, error) {
	if err := validateTerms(terms, own, c.spec); err != nil {
		return nil, err
	}
	for _, t := range terms {
		if err := c.upload(ctx, conn, t.Op, t.Turn.spend(), t.In, threads); err != nil {
			return nil, fmt.Errorf("he: linear: send input: %w", err)
		}
	}
	op := terms[0].Op
	phases := make([]uint64, op.NumOut)
	for _, t := range terms {
		if err := c.download(ctx, conn, t.Op, phases, threads); err != nil {
			return nil, fmt.Errorf("he: linear: receive result: %w", err)
		}
	}
	if own != nil {
		c.ring.EncodeAdd(phases, own, op.InBits)
	}
	c.ring.Round(phases, phases, op.OutBits)
	return phases, nil
}

// upload encrypts the client's share and sends it, set by set and block by block.
func (c *Client) upload(ctx context.Context, conn transport.Conn, op *Op, call uint64, in []uint64, threads int) error {
	_, seed, err := c.secretSampler(ofTurn(call))
	if err != nil {
		return err
	}
	encs := make([]*encryptor, max(1, threads))
	for i := range encs {
		encs[i] = c.newEncryptor(op, call, in, seed)
	}
	blocks := op.Map.Blocks()
	return produce(ctx, op.sets()*blocks, threads,
		func(worker, job int) ([]byte, error) { return encs[worker].block(job/blocks, job%blocks), nil },
		func(_ int, b []byte) error { return sendNow(conn, b) })
}

// sendNow sends and flushes: the peer works on what it has while more is made.
func sendNow(conn transport.Conn, b []byte) error {
	if err := conn.Send(b); err != nil {
		return err
	}
	return conn.Flush()
}

// encryptor makes upload ciphertexts; one a worker.
type encryptor struct {
	c        *Client
	op       *Op
	call     uint64
	in       []uint64
	public   *poly.Sampler
	secret   *poly.Sampler
	packer   *poly.Packer
	a, prod  []uint64
	src      []int32
	msg, err []uint64
	bits     []uint64
}

func (c *Client) newEncryptor(op *Op, call uint64, in []uint64, seed poly.Seed) *encryptor {
	r := c.ring
	return &encryptor{
		c: c, op: op, call: call, in: in, public: c.sampler(), secret: poly.NewSampler(seed),
		packer: poly.NewPacker(op.UploadBits, r.Variant()), a: r.NewPoly(), prod: r.NewPoly(),
		msg: r.NewPoly(), err: r.NewPoly(), bits: make([]uint64, (r.N()+63)/64),
	}
}

// block encrypts input block i of every tile of a set: c0 = -a*s_k + e + m (e:
// see errors), of which only the coefficients that matter are sent, without their lowest bits.
func (e *encryptor) block(set, i int) []byte {
	r, m := e.c.ring, e.op.Map
	from, to := e.op.tilesOf(set)
	size := 0
	for t := from; t < to; t++ {
		size += e.packer.Len(m.UploadLen(t, i))
	}
	out := make([]byte, size)
	e.public.Uniform(r, e.a, uploadIndex(e.call, set, m.Blocks(), i))
	rest := out
	for t := from; t < to; t++ {
		coef, src := m.Upload(t, i, e.src)
		e.src = src
		n := e.packer.Len(len(coef))
		e.encrypt(rest[:n], t, i, coef, src)
		rest = rest[n:]
	}
	return out
}

func (e *encryptor) encrypt(dst []byte, t, i int, coef, src []int32) {
	r := e.c.ring
	r.Mul(e.prod, e.a, e.c.secrets[t%e.op.Keys])
	r.InvNTT(e.prod)
	msg, noise := e.msg[:len(coef)], e.err[:len(coef)]
	gather(msg, e.in, src)
	r.Encode(msg, msg, e.op.InBits)
	e.errors(noise, uint64(t*e.op.Map.Blocks()+i))
	q := r.Q()
	for k, c := range coef {
		msg[k] = reduceOnce(reduceOnce(msg[k]+noise[k], q)+q-e.prod[c], q)
	}
	r.DropLow(msg, msg, wire.QBits-e.op.UploadBits)
	e.packer.Pack(dst, msg)
}

// errors draws fresh errors for an upload. The server puts the middle in the
// place of dropped bits, which is half a unit above their mean: so that the whole
// has mean zero whatever it is multiplied by, a random bit is taken from every error.
func (e *encryptor) errors(dst []uint64, index uint64) {
	r := e.c.ring
	e.secret.Noise(r, dst, index)
	if e.op.UploadBits == wire.QBits {
		return
	}
	q, bits := r.Q(), e.bits[:(len(dst)+63)/64]
	e.secret.Words(bits, index)
	for k, v := range dst {
		dst[k] = reduceOnce(v+q-bits[k/64]>>(k%64)&1, q)
	}
}

// gather takes what src names out of x: an element, its negative, or zero.
func gather(dst, x []uint64, src []int32) {
	for k, s := range src {
		switch {
		case s >= 0:
			dst[k] = x[s]
		case s == -1:
			dst[k] = 0
		default:
			dst[k] = -x[-2-s]
		}
	}
}

// reduceOnce maps [0,2q) to [0,q) without a branch.
func reduceOnce(x, q uint64) uint64 {
	d := x - q
	return d + q&uint64(int64(d)>>63)
}

// download decrypts the responses and adds their phases up: rounded, these are the
// client's share of the result.
func (c *Client) download(ctx context.Context, conn transport.Conn, op *Op, phases []uint64, threads int) error {
	decs := make([]*decryptor, max(1, threads))
	for i := range decs {
		decs[i] = c.newDecryptor(op, phases)
	}
	return consume(ctx, op.Map.Responses(), threads,
		func(m int) ([]byte, error) {
			b := make([]byte, decs[0].size(m))
			return b, conn.Recv(b)
		},
		func(worker, m int, b []byte) error { return decs[worker].response(m, b) })
}

// decryptor reads responses; one a worker.
type decryptor struct {
	c      *Client
	op     *Op
	phases []uint64 // by output
	p0, p1 *poly.Packer
	c1     []uint64
	phase  []uint64
	vals   []uint64

	coef, elem []int32 // of the tile at hand
}

func (c *Client) newDecryptor(op *Op, phases []uint64) *decryptor {
	r := c.ring
	return &decryptor{
		c: c, op: op, phases: phases, p0: poly.NewPacker(op.C0Bits, r.Variant()), p1: poly.NewPacker(op.C1Bits, r.Variant()),
		c1: r.NewPoly(), phase: r.NewPoly(), vals: r.NewPoly(),
	}
}

// size is the length of response m: for every set its uniform half, then the
// tiles' own halves.
func (d *decryptor) size(m int) int { return responseSize(d.op, d.p0, d.p1, d.c.ring.N(), m) }

func responseSize(op *Op, p0, p1 *poly.Packer, n, m int) int {
	size := op.sets() * p1.Len(n)
	for t := range op.Map.Tiles() {
		size += p0.Len(op.Map.ResponseLen(t, m))
	}
	return size
}

func (d *decryptor) response(m int, b []byte) error {
	r := d.c.ring
	for set := range d.op.sets() {
		n := d.p1.Len(r.N())
		if err := d.uniformHalf(b[:n]); err != nil {
			return transport.Violation("linear response %d: %v", m, err)
		}
		b = b[n:]
		from, to := d.op.tilesOf(set)
		for t := from; t < to; t++ {
			n := d.p0.Len(d.op.Map.ResponseLen(t, m))
			if err := d.tile(t, m, b[:n]); err != nil {
				return err
			}
			b = b[n:]
		}
	}
	return nil
}

// uniformHalf takes in the uniform half of a set.
func (d *decryptor) uniformHalf(b []byte) error {
	if err := d.p1.Unpack(d.c1, b); err != nil {
		return err
	}
	d.c.ring.Encode(d.c1, d.c1, d.op.C1Bits)
	d.c.ring.NTT(d.c1)
	return nil
}

// tile adds the phase of a tile at the useful coefficients.
func (d *decryptor) tile(t, m int, b []byte) error {
	d.coef, d.elem = d.op.Map.Response(t, m, d.coef, d.elem)
	elem := d.elem
	open, err := d.open(t, d.coef, b)
	if err != nil {
		return transport.Violation("linear response %d: %v", m, err)
	}
	q := d.c.ring.Q()
	for k, v := range open {
		d.phases[elem[k]] = reduceOnce(d.phases[elem[k]]+v, q)
	}
	return nil
}

// open gives the phase c0 + c1*s_k of a tile at the useful coefficients.
func (d *decryptor) open(t int, coef []int32, b []byte) ([]uint64, error) {
	r := d.c.ring
	v := d.vals[:len(coef)]
	if err := d.p0.Unpack(v, b); err != nil {
		return nil, err
	}
	r.Mul(d.phase, d.c1, d.c.secrets[t%d.op.Keys])
	r.InvNTT(d.phase)
	r.Encode(v, v, d.op.C0Bits)
	q := r.Q()
	for k, c := range coef {
		v[k] = reduceOnce(v[k]+d.phase[c], q)
	}
	return v, nil
}
