package runtime

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"testing"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/transport"
)

// product packs a product of shared matrices, in so many digits a share.
func product(t testing.TB, m plan.Mul, bits int, digits [2]int, s choose.Search) *plan.Step {
	t.Helper()
	m.Cross = make([]plan.Cross, 2)
	for i, n := range digits {
		m.Cross[i].Digit = (bits + n - 1) / n
		l := m.CrossTerm(i, bits)
		if err := s.Packing(l); err != nil {
			t.Fatalf("%+v of %d bits in %d digits: %v", m, bits, n, err)
		}
		m.Cross[i].Packing = l.Packing
	}
	return &plan.Step{Proto: plan.ProtoMulRLWE, Attrs: &m, In: []plan.Slot{0, 1}, Out: []plan.Slot{2}}
}

// productPlan is a plan of the step alone, enough to count it and to set up keys.
func productPlan(s *plan.Step, bits int) *plan.Plan {
	m := s.Attrs.(*plan.Mul)
	return &plan.Plan{
		Slots:  []plan.SlotType{vector(m.Batch*m.M*m.K, bits), vector(m.Batch*m.K*m.N, bits), vector(m.Batch*m.M*m.N, bits-m.Shift)},
		Rounds: [][]plan.Step{{*s}}, Modulus: testModulus,
	}
}

// checkProduct runs a product between two parties and holds it to its ideal, its
// slack and its cost, to the byte.
func checkProduct(t *testing.T, s *plan.Step, bits, width, threads int) {
	t.Helper()
	p := productPlan(s, bits)
	if err := s.Attrs.Legal(p, s); err != nil {
		t.Fatal(err)
	}
	r := mrand.New(mrand.NewPCG(5, uint64(bits)))
	sc := stepCase{width: width, in: p.Slots[:2]}
	values := sc.values(r)
	in := [2]([2]Vec){mpctest.Share(r, values[0], bits), mpctest.Share(r, values[1], bits)}
	call := func(x, y Vec) *Call {
		return &Call{Step: s, In: []Vec{x, y}, InTypes: p.Slots[:2], OutTypes: p.Slots[2:]}
	}
	var out [2]Vec
	pair := mpctest.NewPair(5)
	err := pair.Run(func(ctx context.Context, role transport.Role) error {
		spec, err := linearKeys(p)
		if err != nil {
			return err
		}
		me := &Party{Role: role, Conn: pair.Conn[role], Threads: threads, Rand: rand.Reader}
		if me.Linear, err = newLinearEngine(ctx, me, me.Conn, spec); err != nil {
			return err
		}
		me.Linear = me.Linear.next(len(p.Encrypted(s)))
		np := &nonlinear.Party{Role: role, Conn: me.Conn, Corr: nonlinear.From(pair.Sources(role))}
		y, err := runEncryptedBy(ctx, me, call(in[0][role], in[1][role]), np)
		if err == nil {
			out[role] = y[0]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want, err := idealMul(call(values[0], values[1]), nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, slack := bits-s.Attrs.(*plan.Mul).Shift, int64(slackMulRLWE(s))
	for i, y := range mpctest.Open(out, ring) {
		if d := Signed((y-want[0][i])&mask(ring), ring); d < -slack || d > slack {
			t.Fatalf("%+v: element %d is %d, want %d", s.Attrs, i, Signed(y, ring), Signed(want[0][i], ring))
		}
	}
	keys, err := p.LinearKeys()
	if err != nil {
		t.Fatal(err)
	}
	checkCost(t, plan.KeysCost(keys).Add(s.Attrs.Cost(p, []*plan.Step{s})), pair.Counts())
}

// Products of many shapes, rings, digits and encodings are their ideals, within one
// unit or, where they are exact, exactly; and cost what was predicted.
func TestProductIsItsIdealAndCost(t *testing.T) {
	profiles := linearProfiles()
	for i, c := range []struct {
		m       plan.Mul
		bits    int
		digits  [2]int
		profile string
	}{
		{plan.Mul{Batch: 1, M: 1, K: 1, N: 1, Shift: 4}, 20, [2]int{1, 1}, "packed"},
		{plan.Mul{Batch: 1, M: 16, K: 64, N: 16, Shift: 7}, 22, [2]int{1, 1}, "packed"},
		{plan.Mul{Batch: 3, M: 16, K: 64, N: 16, Shift: 7}, 22, [2]int{2, 1}, "packed"},
		{plan.Mul{Batch: 3, M: 16, K: 64, N: 12, Shift: 9}, 25, [2]int{2, 3}, "one key"},
		{plan.Mul{Batch: 2, M: 7, K: 33, N: 65, Shift: 12}, 28, [2]int{2, 2}, "tiled"},
		{plan.Mul{Batch: 5, M: 49, K: 32, N: 49, Shift: 12}, 28, [2]int{2, 2}, "packed"},
		{plan.Mul{Batch: 2, M: 130, K: 5, N: 3, Shift: 13}, 30, [2]int{2, 2}, "slow"},
		{plan.Mul{Batch: 1, M: 1, K: 700, N: 9, Shift: 14}, 32, [2]int{3, 4}, "packed"},
		{plan.Mul{Batch: 1, M: 9, K: 300, N: 1, Shift: 20}, 40, [2]int{3, 4}, "packed"},
		{plan.Mul{Batch: 2, M: 8, K: 16, N: 8, Shift: 9, Exact: true}, 25, [2]int{3, 4}, "packed"},
		{plan.Mul{Batch: 1, M: 5, K: 31, N: 20, Shift: 0, Exact: true}, 16, [2]int{1, 2}, "one key"},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			// The largest that an inner product of K such pairs does not leave its ring with.
			checkProduct(t, product(t, c.m, c.bits, c.digits, profiles[c.profile]), c.bits, 7, 1+i%3)
		})
	}
}
