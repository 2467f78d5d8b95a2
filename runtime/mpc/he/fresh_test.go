package he

import (
	"context"
	"crypto/rand"
	"testing"

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
