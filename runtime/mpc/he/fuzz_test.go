package he

import (
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/mpc/ring"
)

// An upload of the right length is decoded or refused, whatever it holds.
func FuzzUpload(f *testing.F) {
	r, err := newRing(testDegree, testModulus)
	if err != nil {
		f.Fatal(err)
	}
	s := &Server{session: &session{ring: r}}
	f.Add([]byte{}, 50)
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255}, 50)
	f.Add([]byte{1, 2, 3}, 31)
	f.Fuzz(func(t *testing.T, data []byte, bits int) {
		if bits < 1 || bits > wire.QBits {
			return
		}
		op := testOp(10, 3)
		op.UploadBits = bits
		e := &evaluation{s: s, op: op, in: make([]uint64, 10), tiles: 1, x: [][][]uint64{{nil}, {nil}}}
		b := make([]byte, ring.PackedLen(testDegree, bits))
		copy(b, data)
		if e.newReceiver().upload(0, 0, b) != nil {
			return
		}
		if !poly.AllBelow(e.x[0][0], r.Q()) {
			t.Error("a value of Q or more was let in")
		}
	})
}

// A response of the right length is decoded or refused.
func FuzzResponse(f *testing.F) {
	r, err := newRing(testDegree, testModulus)
	if err != nil {
		f.Fatal(err)
	}
	c := &Client{session: &session{ring: r}, secrets: [][]uint64{r.NewPoly()}}
	f.Add([]byte{}, 18, 25)
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255}, 50, 50)
	f.Fuzz(func(t *testing.T, data []byte, c0, c1 int) {
		op := testOp(10, 3)
		if c0 < op.OutBits || c1 < c0 || c1 > wire.QBits {
			return
		}
		op.C0Bits, op.C1Bits = c0, c1
		phases := make([]uint64, 3)
		d := c.newDecryptor(op, phases)
		b := make([]byte, d.size(0))
		copy(b, data)
		if d.response(0, b) != nil {
			return
		}
		if !poly.AllBelow(phases, r.Q()) {
			t.Errorf("phases %v of Q or more", phases)
		}
	})
}
