//go:build slow

package runtime

import (
	"fmt"
	"math"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/mpc/mpctest"
)

// Exact results with weights of one sign, where whatever all upload coefficients
// have in common adds up, and with several filters a polynomial: none of 10^5 an
// operator is off, nor of a stochastic one by more than 1.
func TestOneSignedWeightsExactly(t *testing.T) {
	for _, c := range []struct {
		bits, shift int
		exact       bool
	}{{24, 4, true}, {16, 12, true}, {16, 1, true}, {16, 12, false}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			l := conv(1, 1, 2048, 1000, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
			l.Exact, l.Shift, l.OutBits, l.InBits = c.exact, c.shift, c.bits, c.bits+c.shift
			if err := linearProfiles()["one key"].Packing(&l); err != nil {
				t.Fatal(err)
			}
			if l.Packing.Filters < 2 {
				t.Errorf("%d filters a polynomial", l.Packing.Filters)
			}
			in := newLinearInstance(&l, 1)
			each := int64(math.Exp2(float64(l.NormLog2)) / math.Sqrt(float64(l.FilterLen())))
			for i := range in.w["L/w"] {
				in.w["L/w"][i] = each
			}
			if err := plan.CheckNoise(&l, in.w["L/w"]); err != nil {
				t.Fatal(err)
			}
			slack := int64(slackLinear(in.step))
			off := map[int64]int{}
			const runs = 100
			for run := range runs {
				in.x = newLinearInstance(&l, uint64(100+run)).x
				out, _, _ := in.runBoth(t, 1)
				call := &Call{Step: in.step, In: []Vec{in.x}, OutTypes: []plan.SlotType{vector(l.NumOut(), l.OutBits)}}
				want, err := idealLinear(call, in.w)
				if err != nil {
					t.Fatal(err)
				}
				for i, got := range mpctest.Open(out, l.OutBits) {
					off[Signed((got-want[0][i])&mask(l.OutBits), l.OutBits)]++
				}
			}
			t.Logf("%+v: results less the ideal: %v", l.Packing, off)
			for d, n := range off {
				if d < -slack || d > slack {
					t.Errorf("%d of %d results are off by %d", n, runs*l.NumOut(), d)
				}
			}
		})
	}
}
