package he

import (
	"context"
	"crypto/rand"
	"errors"
	mrand "math/rand/v2"
	"testing"
	"time"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// rows is the index map of a matrix: rows of length n*in, cut into in blocks;
// filters of them laid end to end in one weight polynomial, out such blocks.
type rows struct{ degree, n, filters, in, out int }

func (m rows) Tiles() int     { return 1 }
func (m rows) Blocks() int    { return m.in }
func (m rows) OutBlocks() int { return m.out }
func (m rows) Responses() int { return m.out }

func (m rows) OutBlock(o int) (group, first, count int) { return 0, o * m.filters, m.filters }
func (m rows) InBlocks(int) (from, to int)              { return 0, m.in }
func (m rows) FilterStep() int                          { return m.n }
func (m rows) UploadLen(int, int) int                   { return m.degree }
func (m rows) ResponseLen(int, int) int                 { return m.filters }

func (m rows) Terms(_, i int) (exponent, index []int32) {
	for c := range m.n {
		exponent, index = append(exponent, int32(m.n-1-c)), append(index, int32(i*m.n+c))
	}
	return exponent, index
}

func (m rows) Upload(_, i int, src []int32) (coef, source []int32) {
	src = src[:0]
	for k := range m.degree {
		e := int32(-1)
		if k < m.n {
			e = int32(i*m.n + k)
		}
		coef, src = append(coef, int32(k)), append(src, e)
	}
	return coef, src
}

func (m rows) Response(_, o int, coef, elem []int32) ([]int32, []int32) {
	coef, elem = coef[:0], elem[:0]
	for f := range m.filters {
		coef, elem = append(coef, int32(f*m.n+m.n-1)), append(elem, int32(o*m.filters+f))
	}
	return coef, elem
}

const testDegree = 2048

// testModulus is the largest prime of 50 bits that serves degrees up to 4096.
const testModulus = 1125899906826241

func testSpec() wire.LinearKeys {
	return wire.LinearKeys{N: testDegree, Modulus: testModulus, Secrets: 1}
}

func testOp(n, filters int) *Op {
	return &Op{
		Map: rows{testDegree, n, filters, 1, 1}, NumIn: n, NumOut: filters, InBits: 28, OutBits: 16, FilterLen: n,
		Keys: 1, UploadBits: 33, C0Bits: 18, C1Bits: 25,
	}
}

// pair runs both parties' functions over a pipe and returns their errors.
func pair(server, client func(transport.Conn) error) (s, c error) {
	a, b := mpctest.Pipe()
	done := make(chan error, 1)
	go func() {
		err := server(a)
		a.Close()
		done <- err
	}()
	c = client(b)
	b.Close()
	return <-done, c
}

// recorder keeps what is received after it is armed.
type recorder struct {
	transport.Conn
	on   bool
	data []byte
}

func (r *recorder) Recv(p []byte) error {
	err := r.Conn.Recv(p)
	if r.on {
		r.data = append(r.data, p...)
	}
	return err
}

// view is what a client has seen of one run.
type view struct {
	client *Client
	data   []byte   // the response
	out    []uint64 // the client's share
}

// run evaluates op once with fresh keys.
func run(t *testing.T, op *Op, x, w []int64) (view, []uint64) {
	t.Helper()
	ctx := context.Background()
	var v view
	var mine []uint64
	r := mrand.New(mrand.NewPCG(1, 2))
	in := [2][]uint64{make([]uint64, len(x)), make([]uint64, len(x))}
	for i := range x {
		in[0][i] = r.Uint64() & (1<<op.InBits - 1)
		in[1][i] = (uint64(x[i]) - in[0][i]) & (1<<op.InBits - 1)
	}
	s, c := pair(func(conn transport.Conn) error {
		s, err := NewServer(ctx, conn, testSpec(), rand.Reader)
		if err != nil {
			return err
		}
		mine, err = s.Linear(ctx, conn, s.Turn(), op, in[0], w, nil, 1)
		return err
	}, func(conn transport.Conn) error {
		rec := &recorder{Conn: conn}
		c, err := NewClient(ctx, rec, testSpec(), rand.Reader)
		if err != nil {
			return err
		}
		rec.on = true
		v.out, err = c.Linear(ctx, rec, c.Turn(), op, in[1], 1)
		v.client, v.data = c, rec.data
		return err
	})
	if s != nil || c != nil {
		t.Fatal(s, c)
	}
	return v, mine
}

func TestProduct(t *testing.T) {
	op := testOp(100, 20)
	r := mrand.New(mrand.NewPCG(3, 4))
	x, w := make([]int64, 100), make([]int64, 2000)
	for i := range x {
		x[i] = r.Int64N(1<<13) - 1<<12
	}
	for i := range w {
		w[i] = r.Int64N(1<<9) - 1<<8
	}
	v, mine := run(t, op, x, w)
	for f := range 20 {
		acc := int64(0)
		for i := range x {
			acc += x[i] * w[f*100+i]
		}
		want := (acc + 1<<11) >> 12
		if d := int16(v.out[f] + mine[f] - uint64(want)); d < -1 || d > 1 {
			t.Errorf("row %d is %d, want %d", f, int16(v.out[f]+mine[f]), want)
		}
	}
}

// chiSquare of the top four bits of values of so many bits: 15 degrees of
// freedom; above 60 in one of 4 million cases.
func chiSquare(v []uint64, bits int) float64 {
	var count [16]float64
	for _, x := range v {
		count[x>>(bits-4)&15]++
	}
	sum, want := 0.0, float64(len(v))/16
	for _, c := range count {
		sum += (c - want) * (c - want) / want
	}
	return sum
}

const chiLimit = 60

// What the client sees does not depend on the weights: both halves of the
// response and its share look uniform for zero, small and large weights, even
// when the client takes away what it knows of c1, the product of its own
// uniform polynomial with the weights.
func TestViewIsUniform(t *testing.T) {
	const n, filters, runs = 32, 64, 12
	op := testOp(n, filters)
	for name, scale := range map[string]int64{"zero": 0, "small": 1, "large": 400} {
		w := make([]int64, n*filters)
		for i := range w {
			w[i] = scale * int64(i%7-3)
		}
		var c0s, c1s, residues, shares []uint64
		for range runs {
			v, _ := run(t, op, make([]int64, n), w)
			r := v.client.ring
			c1, c0 := make([]uint64, testDegree), make([]uint64, filters)
			if err := ring.Unpack(c1, v.data[:ring.PackedLen(testDegree, op.C1Bits)], op.C1Bits); err != nil {
				t.Error(err)
			}
			if err := ring.Unpack(c0, v.data[ring.PackedLen(testDegree, op.C1Bits):], op.C0Bits); err != nil {
				t.Error(err)
			}
			residue := r.NewPoly()
			r.Encode(residue, c1, op.C1Bits)
			r.Sub(residue, residue, knownPart(v.client, w, n, filters))
			c0s, c1s, residues, shares = append(c0s, c0...), append(c1s, c1...), append(residues, residue...), append(shares, v.out...)
		}
		for what, x := range map[string]float64{
			"c0": chiSquare(c0s, op.C0Bits), "c1": chiSquare(c1s, op.C1Bits), "c1 less its known part": chiSquare(residues, wire.QBits), "share": chiSquare(shares, op.OutBits),
		} {
			if x > chiLimit {
				t.Errorf("%s weights: %s is not uniform: chi-square %.0f", name, what, x)
			}
		}
	}
}

// knownPart is the client's uniform polynomial of the first call times the weights.
func knownPart(c *Client, w []int64, n, filters int) []uint64 {
	r := c.ring
	a, f := r.NewPoly(), r.NewPoly()
	c.sampler().Uniform(r, a, uploadIndex(0, 0, 1, 0))
	for k := range filters {
		for i := range n {
			f[k*n+n-1-i] = (uint64(w[k*n+i]) + r.Q()) % r.Q()
		}
	}
	r.NTT(f)
	r.Mul(a, a, f)
	r.InvNTT(a)
	return a
}

// The digits of a key switch add up to the coefficient, but for what is dropped,
// and stay in their bounds.
func TestDigits(t *testing.T) {
	r, err := newRing(testDegree, testModulus)
	if err != nil {
		t.Fatal(err)
	}
	for digits := 1; digits <= wire.MaxDigits; digits++ {
		e := &evaluation{s: &Server{session: &session{ring: r}}, op: &Op{Digits: digits}}
		f := e.newFolder()
		sampler := poly.NewSampler(poly.Seed{9})
		sampler.Uniform(r, f.tmp, 0)
		f.tmp[0], f.tmp[1], f.tmp[2], f.tmp[3] = 0, r.Q()-1, r.Q()/2, r.Q()/2+1
		v := make([]int64, testDegree)
		r.ToSigned(v, f.tmp)
		f.decompose()
		sum, d := make([]int64, testDegree), make([]int64, testDegree)
		for i := range digits {
			r.InvNTT(f.digits[i])
			r.ToSigned(d, f.digits[i])
			for k, x := range d {
				if x < -1<<(f.base-1) || x > 1<<(f.base-1) {
					t.Fatalf("%d digits: digit %d is %d", digits, i, x)
				}
				sum[k] += x << (f.drop + f.base*i)
			}
		}
		for k := range sum {
			if d := v[k] - sum[k]; d < -1<<(f.drop-1) || d > 1<<(f.drop-1) {
				t.Fatalf("%d digits: %d became %d", digits, v[k], sum[k])
			}
		}
	}
}

func TestSecurityTable(t *testing.T) {
	for _, n := range []int{2048, 4096} {
		if _, err := newRing(n, testModulus); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []struct {
		what string
		n    int
		q    uint64
	}{
		{"more than the table allows", 1024, testModulus},
		{"a degree without an estimate", 512, testModulus},
		{"a prime of 49 bits", 2048, 562949953216513},
		{"a prime of 51 bits", 2048, 2251799813554177},
		{"not 1 modulo twice the degree", 4096, 1125899906842597},
		{"not a prime", 4096, testModulus - 2*4096},
		{"no modulus", 4096, 0},
	} {
		if _, err := newRing(bad.n, bad.q); err == nil {
			t.Errorf("%s was accepted: %d at degree %d", bad.what, bad.q, bad.n)
		}
	}
}

// Set-up messages with a value of Q or more, or cut short, are refused.
func TestBadKeys(t *testing.T) {
	ctx := context.Background()
	spec := testSpec()
	_, toServer := spec.Bytes()
	for name, fill := range map[string]func(p []byte) []byte{
		"out of range": func(p []byte) []byte {
			for i := range p {
				p[i] = 0xff
			}
			return p
		},
		"short": func(p []byte) []byte { return p[:len(p)-1] },
	} {
		s, _ := pair(func(conn transport.Conn) error {
			_, err := NewServer(ctx, conn, spec, rand.Reader)
			return err
		}, func(conn transport.Conn) error {
			if err := conn.Recv(make([]byte, wire.SeedBytes)); err != nil {
				return err
			}
			if err := conn.Send(fill(make([]byte, toServer))); err != nil {
				return err
			}
			return conn.Flush()
		})
		if s == nil || name == "out of range" && !errors.Is(s, transport.ErrViolation) {
			t.Errorf("%s: %v", name, s)
		}
	}
}

// Uploads with a coefficient of Q or more, with padding that is not zero, or cut
// short, are refused.
func TestBadUpload(t *testing.T) {
	ctx := context.Background()
	for name, test := range map[string]struct {
		bits, degree int
		message      func(p []byte) []byte
		violation    bool
	}{
		"coefficient of Q": {50, 2048, func(p []byte) []byte {
			p[0], p[1], p[2], p[3], p[4], p[5], p[6] = 255, 255, 255, 255, 255, 255, 3
			return p
		}, true},
		"padding": {33, 2043, func(p []byte) []byte { p[len(p)-1] = 0x80; return p }, true},
		"short":   {33, 2048, func(p []byte) []byte { return p[:len(p)-1] }, false},
		"good":    {33, 2048, func(p []byte) []byte { return p }, false},
	} {
		op := testOp(10, 3)
		op.UploadBits, op.Map = test.bits, rows{test.degree, 10, 3, 1, 1}
		s, _ := pair(func(conn transport.Conn) error {
			s, err := NewServer(ctx, conn, testSpec(), rand.Reader)
			if err != nil {
				return err
			}
			_, err = s.Linear(ctx, conn, s.Turn(), op, make([]uint64, 10), make([]int64, 30), nil, 2)
			return err
		}, func(conn transport.Conn) error {
			if _, err := NewClient(ctx, conn, testSpec(), rand.Reader); err != nil {
				return err
			}
			if err := conn.Send(test.message(make([]byte, ring.PackedLen(test.degree, test.bits)))); err != nil || name != "good" {
				return errors.Join(err, conn.Flush())
			}
			return conn.Recv(make([]byte, ring.PackedLen(testDegree, op.C1Bits)+ring.PackedLen(3, op.C0Bits)))
		})
		if (s != nil) != (name != "good") || errors.Is(s, transport.ErrViolation) != test.violation {
			t.Errorf("%s: %v", name, s)
		}
	}
}

// Responses whose padding is not zero, or cut short, are refused.
func TestBadResponse(t *testing.T) {
	ctx := context.Background()
	op := testOp(10, 3)
	size := ring.PackedLen(testDegree, op.C1Bits) + ring.PackedLen(3, op.C0Bits)
	for name, message := range map[string]func(p []byte) []byte{
		"padding": func(p []byte) []byte { p[len(p)-1] = 0x80; return p },
		"short":   func(p []byte) []byte { return p[:len(p)-1] },
	} {
		_, c := pair(func(conn transport.Conn) error {
			if _, err := NewServer(ctx, conn, testSpec(), rand.Reader); err != nil {
				return err
			}
			if err := conn.Recv(make([]byte, ring.PackedLen(testDegree, op.UploadBits))); err != nil {
				return err
			}
			if err := conn.Send(message(make([]byte, size))); err != nil {
				return err
			}
			return conn.Flush()
		}, func(conn transport.Conn) error {
			c, err := NewClient(ctx, conn, testSpec(), rand.Reader)
			if err != nil {
				return err
			}
			_, err = c.Linear(ctx, conn, c.Turn(), op, make([]uint64, 10), 1)
			return err
		})
		if c == nil || name == "padding" && !errors.Is(c, transport.ErrViolation) {
			t.Errorf("%s: %v", name, c)
		}
	}
}

// gated is a map whose last response is only made once a gate is open, and that
// opens another when the first upload is decoded.
type gated struct {
	rows
	decoded chan struct{}
	wait    func() bool
}

func (m gated) Upload(t, i int, src []int32) (coef, source []int32) {
	if i == 0 {
		close(m.decoded)
	}
	return m.rows.Upload(t, i, src)
}

func (m gated) Response(t, o int, coef, elem []int32) ([]int32, []int32) {
	if o == m.out-1 {
		m.wait()
	}
	return m.rows.Response(t, o, coef, elem)
}

// gatedConn sends the second message only after wait, and opens a gate when
// something has arrived.
type gatedConn struct {
	transport.Conn
	sent     int
	wait     func() bool
	received chan struct{}
}

func (c *gatedConn) Send(p []byte) error {
	if c.sent++; c.sent == 2 {
		c.wait()
	}
	return c.Conn.Send(p)
}

func (c *gatedConn) Recv(p []byte) error {
	err := c.Conn.Recv(p)
	select {
	case <-c.received:
	default:
		close(c.received)
	}
	return err
}

// The server works on the first upload while the others are not even sent, and
// sends the first response before it makes the last.
func TestStreaming(t *testing.T) {
	const in, out = 8, 12
	op := testOp(16, 4)
	op.NumIn, op.NumOut, op.FilterLen = 16*in, 4*out, 16*in
	op.Map = rows{testDegree, 16, 4, in, out}
	ctx := context.Background()
	gate := func(c chan struct{}) func() bool {
		return func() bool {
			select {
			case <-c:
				return true
			case <-time.After(10 * time.Second):
				t.Error("the other party was to go on first")
				return false
			}
		}
	}
	decoded, received := make(chan struct{}), make(chan struct{})
	s, c := pair(func(conn transport.Conn) error {
		s, err := NewServer(ctx, conn, testSpec(), rand.Reader)
		if err != nil {
			return err
		}
		op := *op
		op.Map = gated{op.Map.(rows), decoded, gate(received)}
		_, err = s.Linear(ctx, conn, s.Turn(), &op, make([]uint64, op.NumIn), make([]int64, op.NumOut*op.FilterLen), nil, 1)
		return err
	}, func(conn transport.Conn) error {
		c, err := NewClient(ctx, conn, testSpec(), rand.Reader)
		if err != nil {
			return err
		}
		_, err = c.Linear(ctx, &gatedConn{Conn: conn, wait: gate(decoded), received: received}, c.Turn(), op, make([]uint64, op.NumIn), 1)
		return err
	})
	if s != nil || c != nil {
		t.Fatal(s, c)
	}
}
