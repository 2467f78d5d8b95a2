package he

import (
	"context"
	"crypto/rand"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// runSum evaluates the sum of terms of one operator with fresh keys; the server's
// share of every input is zero.
func runSum(t *testing.T, op *Op, weights [][]int64, own [2][]uint64) (view, []uint64) {
	t.Helper()
	ctx := context.Background()
	terms := func(turn func() *Turn, role transport.Role) (all []Term) {
		for _, w := range weights {
			term := Term{Op: op, Turn: turn(), In: make([]uint64, op.NumIn)}
			if role == transport.Server {
				term.Weights = w
			}
			all = append(all, term)
		}
		return all
	}
	var v view
	var mine []uint64
	s, c := pair(func(conn transport.Conn) error {
		s, err := NewServer(ctx, conn, testSpec(), rand.Reader)
		if err != nil {
			return err
		}
		mine, err = s.Sum(ctx, conn, terms(s.Turn, transport.Server), own[transport.Server], 1)
		return err
	}, func(conn transport.Conn) error {
		rec := &recorder{Conn: conn}
		c, err := NewClient(ctx, rec, testSpec(), rand.Reader)
		if err != nil {
			return err
		}
		rec.on = true
		v.out, err = c.Sum(ctx, rec, terms(c.Turn, transport.Client), own[transport.Client], 1)
		v.client, v.data = c, rec.data
		return err
	})
	if s != nil || c != nil {
		t.Fatal(s, c)
	}
	return v, mine
}

// What the client sees of a sum does not depend on the weights, which are the server's
// share where matrices are multiplied: both halves of every response, what one tells
// beside the other, also decrypted, and the client's share look uniform, even where both
// terms are the same.
func TestViewOfSumIsUniform(t *testing.T) {
	const n, filters, runs = 32, 64, 12
	op := testOp(n, filters)
	op.ClientInput = true
	mask := uint64(1)<<op.C0Bits - 1
	for name, scale := range map[string]int64{"zero": 0, "small": 1, "large": 400} {
		w := make([]int64, n*filters)
		for i := range w {
			w[i] = scale * int64(i%7-3)
		}
		seen := map[string][]uint64{}
		for range runs {
			v, _ := runSum(t, op, [][]int64{w, w}, [2][]uint64{})
			var c0, phases [2][]uint64
			for i := range c0 {
				c1 := make([]uint64, testDegree)
				c0[i] = make([]uint64, filters)
				half, own := ring.PackedLen(testDegree, op.C1Bits), ring.PackedLen(filters, op.C0Bits)
				phases[i] = make([]uint64, filters)
				if err := v.client.newDecryptor(op, phases[i]).response(0, v.data[:half+own]); err != nil {
					t.Fatal(err)
				}
				if err := ring.Unpack(c1, v.data[:half], op.C1Bits); err != nil {
					t.Error(err)
				}
				if err := ring.Unpack(c0[i], v.data[half:half+own], op.C0Bits); err != nil {
					t.Error(err)
				}
				v.data = v.data[half+own:]
				seen["c0"], seen["c1"] = append(seen["c0"], c0[i]...), append(seen["c1"], c1[:filters]...)
			}
			for k := range c0[0] {
				seen["c0 less the other's"] = append(seen["c0 less the other's"], (c0[0][k]-c0[1][k])&mask)
				q := v.client.ring.Q() // what the client decrypts: both terms are the same, their masks are not
				seen["phase less the other's"] = append(seen["phase less the other's"], (phases[0][k]+q-phases[1][k])%q)
			}
			seen["share"] = append(seen["share"], v.out...)
		}
		bits := map[string]int{"c0": op.C0Bits, "c1": op.C1Bits, "c0 less the other's": op.C0Bits, "phase less the other's": wire.QBits, "share": op.OutBits}
		for what, values := range seen {
			if x := chiSquare(values, bits[what]); x > chiLimit {
				t.Errorf("%s weights: %s is not uniform: chi-square %.0f", name, what, x)
			}
		}
	}
}

// What the parties bring of their own is added before anything is rounded.
func TestOwnAddends(t *testing.T) {
	op := testOp(10, 5)
	own := [2][]uint64{make([]uint64, 5), make([]uint64, 5)}
	for i := range 5 {
		own[0][i], own[1][i] = uint64(i*10_000+1500), uint64(-i*3_000)
	}
	v, mine := runSum(t, op, [][]int64{make([]int64, 50), make([]int64, 50)}, own)
	for i := range v.out {
		want := (i*7_000 + 1500 + 1<<11) >> 12
		if d := int16(v.out[i] + mine[i] - uint64(want)); d < -1 || d > 1 {
			t.Errorf("element %d is %d, want %d", i, int16(v.out[i]+mine[i]), want)
		}
	}
}

// Terms that have different results are no sum, and an addend is as long as they are.
func TestSumsAreChecked(t *testing.T) {
	a, b := testOp(10, 5), testOp(10, 5)
	b.OutBits--
	in := make([]uint64, 10)
	for what, terms := range map[string][]Term{
		"none": nil, "different rings": {{Op: a, In: in}, {Op: b, In: in}}, "an input too short": {{Op: a, In: in[1:]}},
	} {
		if validateTerms(terms, nil, testSpec()) == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if validateTerms([]Term{{Op: a, In: in}}, in, testSpec()) == nil {
		t.Error("an addend too long was accepted")
	}
}
