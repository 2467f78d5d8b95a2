package he

import (
	"bytes"
	"context"
	"crypto/rand"
	"math"
	"slices"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// The same operator on the same shares, twice in one session: neither message
// may have anything in common with its twin. Uploads under the same uniform
// polynomial would differ by noise alone, shares under the same masks by rounding.
func TestCallsAreFresh(t *testing.T) {
	ctx, op, in, w := context.Background(), testOp(100, 20), make([]uint64, 100), make([]int64, 2000)
	for i := range w {
		w[i] = int64(i%7) - 3
	}
	var uploads, responses [2][]byte
	var shares [2][]uint64 // the client's: the result plus the mask
	s, c := pair(func(conn transport.Conn) error {
		rec := &recorder{Conn: conn}
		s, err := NewServer(ctx, rec, testSpec(), rand.Reader)
		rec.on = true
		for i := 0; err == nil && i < 2; i++ {
			_, err = s.Linear(ctx, rec, s.Turn(), op, in, w, nil, 1)
			uploads[i], rec.data = rec.data, nil
		}
		return err
	}, func(conn transport.Conn) error {
		rec := &recorder{Conn: conn}
		c, err := NewClient(ctx, rec, testSpec(), rand.Reader)
		rec.on = true
		for i := 0; err == nil && i < 2; i++ {
			shares[i], err = c.Linear(ctx, rec, c.Turn(), op, in, 1)
			responses[i], rec.data = rec.data, nil
		}
		return err
	})
	if s != nil || c != nil {
		t.Fatal(s, c)
	}
	near := 0
	for i := range shares[0] {
		if d := (shares[0][i] - shares[1][i] + 2) & (1<<op.OutBits - 1); d <= 4 {
			near++
		}
	}
	if near > 2 {
		t.Errorf("%d of %d shares are what they were in the call before", near, len(shares[0]))
	}
	for name, m := range map[string][2][]byte{"upload": uploads, "response": responses} {
		same := 0
		for i := range m[0] {
			if m[0][i] == m[1][i] {
				same++
			}
		}
		if n := len(m[0]); n < 400 || same > n/32 { // n/256 is expected
			t.Errorf("%s: %d of %d bytes are what they were in the call before", name, same, n)
		}
	}
}

// uploadErrors are the errors of all blocks of an upload of zeros, by block: what
// the client's secret opens it to.
func uploadErrors(t *testing.T, blocks int) [][]int64 {
	t.Helper()
	ctx, op := context.Background(), testOp(16, 4)
	op.NumIn, op.FilterLen, op.UploadBits = 16*blocks, 16*blocks, wire.QBits
	op.Map = rows{testDegree, 16, 4, blocks, 1}
	var client *Client
	var data []byte
	s, c := pair(func(conn transport.Conn) error {
		rec := &recorder{Conn: conn}
		s, err := NewServer(ctx, rec, testSpec(), rand.Reader)
		rec.on = true
		if err == nil {
			_, err = s.Linear(ctx, rec, s.Turn(), op, make([]uint64, op.NumIn), make([]int64, op.NumOut*op.FilterLen), nil, 1)
		}
		data = rec.data
		return err
	}, func(conn transport.Conn) (err error) {
		if client, err = NewClient(ctx, conn, testSpec(), rand.Reader); err == nil {
			_, err = client.Linear(ctx, conn, client.Turn(), op, make([]uint64, op.NumIn), 1)
		}
		return err
	})
	if s != nil || c != nil {
		t.Fatal(s, c)
	}
	r := client.ring
	c0, a := r.NewPoly(), r.NewPoly()
	var errs [][]int64
	for i := range blocks {
		n := ring.PackedLen(testDegree, wire.QBits)
		if err := ring.Unpack(c0, data[:n], wire.QBits); err != nil {
			t.Error(err)
		}
		data = data[n:]
		client.sampler().Uniform(r, a, uploadIndex(0, 0, blocks, i))
		r.Mul(a, a, client.secrets[0])
		r.InvNTT(a)
		r.Add(c0, c0, a)
		e := make([]int64, testDegree)
		r.ToSigned(e, c0)
		errs = append(errs, e)
	}
	return errs
}

// Every coefficient of every block of an upload has an error of its own, of the
// variance that the security estimate is for.
func TestUploadErrors(t *testing.T) {
	errs := uploadErrors(t, 4)
	for i, e := range errs {
		for j, f := range errs[:i+1] {
			sum := 0.0
			for k := range e {
				sum += float64(e[k]) * float64(f[k]) / testDegree
			}
			want := 0.0
			if i == j {
				want = wire.NoiseEta / 2.0
			}
			// The deviation of the sum is 10.5/sqrt(2048), or sqrt(2) times that.
			if math.Abs(sum-want) > 2 {
				t.Errorf("errors of blocks %d and %d: covariance %.2f, want %.1f", i, j, sum, want)
			}
		}
	}
}

// Where bits are dropped the errors have a mean of -1/2, which what the server
// puts in the place of the bits makes up for, and no less variance.
func TestUploadErrorsWithDroppedBits(t *testing.T) {
	r, err := newRing(testDegree, testModulus)
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{session: &session{ring: r}}
	for bits, want := range map[int][2]float64{wire.QBits: {0, 10.5}, wire.QBits - 1: {-0.5, 10.75}, 31: {-0.5, 10.75}} {
		op := testOp(16, 4)
		op.UploadBits = bits
		e := c.newEncryptor(op, 0, nil, poly.Seed{7})
		n, mean, sq := 0.0, 0.0, 0.0
		v, p := make([]int64, 2001), make([]uint64, 2001)
		for i := range 100 {
			e.errors(p, uint64(i))
			r.ToSigned(v, p)
			for _, x := range v {
				n, mean, sq = n+1, mean+float64(x), sq+float64(x)*float64(x)
			}
		}
		mean /= n
		if variance := sq/n - mean*mean; math.Abs(mean-want[0]) > 0.05 || math.Abs(variance-want[1]) > 0.2 {
			t.Errorf("%d bits: mean %.3f and variance %.3f, want %v", bits, mean, variance, want)
		}
	}
}

// Both parties' seeds decide the public one.
func TestPublicSeedIsBothParties(t *testing.T) {
	seed := func(server, client byte) poly.Seed {
		var s session
		s.agree(bytes.Repeat([]byte{server}, wire.SeedBytes), bytes.Repeat([]byte{client}, wire.SeedBytes))
		return s.public
	}
	seeds := []poly.Seed{seed(0, 0), seed(1, 0), seed(0, 1), seed(1, 1)}
	for i, s := range seeds {
		if slices.Contains(seeds[:i], s) {
			t.Errorf("public seed %d is one of those before", i)
		}
	}
}

// No two operators of a session have a uniform polynomial in common: the last turn that
// there is has other numbers than the first, the public key and all switching keys, and there is
// none behind it, which would begin again.
func TestTurnsEnd(t *testing.T) {
	s := &session{calls: MaxTurns - 1, ahead: MaxTurns - 1}
	if n := s.Turn().spend(); n >= aheadTurns {
		t.Errorf("the last turn %d is one of those that are prepared", n)
	}
	last := s.TurnAhead().spend()
	for _, other := range []uint64{indexPublicKey, switchIndex(wire.MaxDigits, 63, wire.MaxDigits-1), uploadIndex(0, 0, 1, 0), uploadIndex(last-1, 1<<16, 1<<15, 1<<15)} {
		if uploadIndex(last, 0, 1, 0) == other {
			t.Errorf("the last turn's uploads share number %#x", other)
		}
	}
	if uploadIndex(indexedTurns, 0, 1, 0) != uploadIndex(0, 0, 1, 0) {
		t.Error("there would be room for more turns")
	}
	for _, turn := range []func() *Turn{s.Turn, s.TurnAhead} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a turn after the last")
				}
			}()
			turn()
		}()
	}
}
