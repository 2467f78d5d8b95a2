package runtime

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	mrand "math/rand/v2"
	"testing"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/transport"
)

// conv fills in the output size of a convolution with equal padding on all
// sides but for extra on the far ones.
func conv(batch, groups, cin, cout, h, w, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr int) plan.Linear {
	return plan.Linear{
		Batch: batch, G: groups, CIn: cin, COut: cout, H: h, W: w, KH: kh, KW: kw, SH: sh, SW: sw, DH: dh, DW: dw, PT: pt, PL: pl,
		OH: (h+pt+pb-(kh-1)*dh-1)/sh + 1, OW: (w+pl+pr-(kw-1)*dw-1)/sw + 1,
		InBits: 28, Shift: 12, OutBits: 16, NormLog2: 12,
	}
}

// profiles lead the search to different encodings.
func linearProfiles() map[string]choose.Search {
	base := choose.Search{Profile: choose.Profile{Bandwidth: 1e8, UnitNanos: plan.DefaultUnits()}, MaxKeys: 4}
	tiled, one, slow := base, base, base
	tiled.MaxLevel = -1
	one.MaxLevel, one.MaxKeys = -1, 1
	slow.Bandwidth = 1e6
	return map[string]choose.Search{"packed": base, "tiled": tiled, "one key": one, "slow": slow}
}

// linearInstance is an operator with weights, and inputs within |x| < 2^13.
type linearInstance struct {
	step *plan.Step
	w    given
	x    Vec
}

func newLinearInstance(l *plan.Linear, seed uint64) linearInstance {
	r := mrand.New(mrand.NewPCG(1, seed))
	w := given{"L/w": make([]int64, l.NumWeights()), "L/b": make([]int64, l.COut)}
	bound := int64(math.Exp2(float64(l.NormLog2)) / math.Sqrt(float64(l.FilterLen())))
	for i := range w["L/w"] {
		w["L/w"][i] = r.Int64N(2*bound+1) - bound
	}
	for i := range w["L/b"] {
		w["L/b"][i] = r.Int64N(1<<20) - 1<<19
	}
	x := make(Vec, l.NumIn())
	for i := range x {
		x[i] = uint64(r.Int64N(1<<14)-1<<13) & mask(l.InBits)
	}
	return linearInstance{&plan.Step{Proto: plan.ProtoLinearRLWE, Attrs: l, W: "L"}, w, x}
}

// check runs the operator between two parties and holds it to its ideal, its
// slack and its cost.
func (in linearInstance) check(t *testing.T, threads int) {
	t.Helper()
	l := in.step.Attrs.(*plan.Linear)
	if err := plan.CheckNoise(l, in.w["L/w"]); err != nil {
		t.Fatal(err)
	}
	out, counts, _ := in.runBoth(t, threads)
	call := &Call{Step: in.step, In: []Vec{in.x}, OutTypes: []plan.SlotType{vector(l.NumOut(), l.OutBits)}}
	want, err := idealLinear(call, in.w)
	if err != nil {
		t.Fatal(err)
	}
	slack := int64(slackLinear(in.step))
	got := mpctest.Open(out, l.OutBits)
	for i := range want[0] {
		if d := Signed((got[i]-want[0][i])&mask(l.OutBits), l.OutBits); d < -slack || d > slack {
			t.Fatalf("%+v: output %d is %d, want %d", l.Packing, i, Signed(got[i], l.OutBits), Signed(want[0][i], l.OutBits))
		}
	}
	k, err := plan.KeysOf([]*plan.Linear{l})
	if err != nil {
		t.Fatal(err)
	}
	checkCost(t, plan.KeysCost(k).Add(l.CostRLWE()), counts)
}

// runBoth shares x, sets up and runs both parties.
func (in linearInstance) runBoth(t testing.TB, threads int) (out [2]Vec, counts mpctest.Counts, shares [2]Vec) {
	t.Helper()
	l := in.step.Attrs.(*plan.Linear)
	r := mrand.New(mrand.NewPCG(3, 4))
	shares = mpctest.Share(r, in.x, l.InBits)
	if l.ClientInput {
		shares = [2]Vec{make(Vec, len(in.x)), in.x}
	}
	p := &plan.Plan{Rounds: [][]plan.Step{{*in.step}}, Modulus: testModulus}
	pair := mpctest.NewPair(5)
	err := pair.Run(func(ctx context.Context, role transport.Role) error {
		spec, err := linearKeys(p)
		if err != nil {
			return err
		}
		me := &Party{Role: role, Conn: pair.Conn[role], Threads: threads, Rand: rand.Reader}
		if role == transport.Server {
			me.Weights = in.w
		}
		if me.Linear, err = newLinearEngine(ctx, me, me.Conn, spec); err != nil {
			return err
		}
		me.Linear = me.Linear.next(1)
		np := &nonlinear.Party{Role: role, Conn: me.Conn, Corr: nonlinear.From(pair.Sources(role))}
		y, err := runEncryptedBy(ctx, me, &Call{Step: in.step, In: []Vec{shares[role]}}, np)
		if err == nil {
			out[role] = y[0]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, pair.Counts(), shares
}

func linearShapes() map[string]plan.Linear {
	return map[string]plan.Linear{
		"1x1":               conv(1, 1, 40, 24, 14, 14, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"1x1 large":         conv(1, 1, 3, 5, 60, 60, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"1x1 stride 2":      conv(1, 1, 20, 12, 13, 13, 1, 1, 2, 2, 1, 1, 0, 0, 0, 0),
		"1x1 padded":        conv(1, 1, 5, 4, 5, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
		"1x1 batch":         conv(3, 1, 12, 9, 7, 7, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"3x3":               conv(1, 1, 16, 12, 14, 14, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"3x3 large":         conv(1, 1, 4, 3, 60, 60, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"3x3 unpadded":      conv(1, 1, 3, 4, 11, 9, 3, 3, 1, 1, 1, 1, 0, 0, 0, 0),
		"3x3 stride 2":      conv(1, 1, 6, 10, 15, 15, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1),
		"3x3 asymmetric":    conv(1, 1, 4, 4, 12, 12, 3, 3, 2, 2, 1, 1, 0, 0, 1, 1),
		"3x3 batch":         conv(2, 1, 5, 6, 9, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"3x3 on 1x1":        conv(1, 1, 33, 17, 1, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"5x5":               conv(1, 1, 4, 8, 12, 12, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2),
		"5x5 dilated":       conv(1, 1, 3, 4, 20, 20, 5, 5, 1, 1, 2, 2, 4, 4, 4, 4),
		"dilated, stride 2": conv(1, 1, 3, 4, 21, 19, 3, 3, 2, 2, 3, 3, 3, 3, 3, 3),
		"7x7 stride 2":      conv(1, 1, 3, 8, 56, 56, 7, 7, 2, 2, 1, 1, 3, 3, 3, 3),
		"1x7":               conv(1, 1, 4, 6, 10, 17, 1, 7, 1, 1, 1, 1, 0, 3, 0, 3),
		"groups":            conv(1, 4, 16, 24, 10, 10, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"1x1 groups":        conv(1, 3, 24, 18, 9, 9, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"depthwise":         conv(1, 20, 20, 20, 14, 14, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"depthwise stride":  conv(1, 9, 9, 18, 15, 15, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1),
		"matvec":            conv(1, 1, 700, 100, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"matmul":            conv(10, 1, 50, 30, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"one":               conv(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
	}
}

// The linear operators of all shapes in all encodings: shares add up to the
// ideal result within the slack, bytes and rounds are those predicted.
func TestLinearShapes(t *testing.T) {
	for name, l := range linearShapes() {
		for profile, p := range linearProfiles() {
			t.Run(name+"/"+profile, func(t *testing.T) {
				l.ClientInput = profile == "one key"
				if err := p.Packing(&l); err != nil {
					t.Fatal(err)
				}
				newLinearInstance(&l, 1).check(t, 2)
			})
		}
	}
}

// Zero weights and inputs take the same bytes: both are held to the same cost.
func TestLinearZeros(t *testing.T) {
	for profile, p := range linearProfiles() {
		t.Run(profile, func(t *testing.T) {
			l := linearShapes()["3x3"]
			if err := p.Packing(&l); err != nil {
				t.Fatal(err)
			}
			in := newLinearInstance(&l, 5)
			clear(in.w["L/w"])
			clear(in.w["L/b"])
			clear(in.x)
			in.check(t, 1)
		})
	}
}

// Exact operators give the ideal result to the bit.
func TestLinearExact(t *testing.T) {
	for _, name := range []string{"1x1", "3x3", "3x3 stride 2", "depthwise", "matvec", "1x1 batch", "one"} {
		for _, shift := range []int{0, 1, 12} {
			t.Run(fmt.Sprintf("%s/shift=%d", name, shift), func(t *testing.T) {
				l := linearShapes()[name]
				l.Exact, l.Shift, l.InBits = true, shift, 16+shift
				if err := linearProfiles()["packed"].Packing(&l); err != nil {
					t.Fatal(err)
				}
				newLinearInstance(&l, 2).check(t, 1)
			})
		}
	}
}

// Formats from narrow to wide, in the default mode.
func TestLinearFormats(t *testing.T) {
	for _, f := range []struct{ out, shift, norm int }{{8, 4, 8}, {12, 0, 10}, {16, 8, 16}, {20, 10, 12}, {24, 12, 13}, {30, 6, 10}} {
		for profile, p := range linearProfiles() {
			t.Run(fmt.Sprintf("%+v/%s", f, profile), func(t *testing.T) {
				l := linearShapes()["3x3"]
				l.OutBits, l.Shift, l.InBits, l.NormLog2 = f.out, f.shift, f.out+f.shift, f.norm
				if err := p.Packing(&l); err != nil {
					t.Fatal(err)
				}
				newLinearInstance(&l, 3).check(t, 1)
			})
		}
	}
}

// Degree 4096 works as well; the search does not propose it.
func TestLinearDegree4096(t *testing.T) {
	for profile, p := range linearProfiles() {
		t.Run(profile, func(t *testing.T) {
			l := linearShapes()["3x3"]
			if err := p.Packing(&l); err != nil {
				t.Fatal(err)
			}
			l.Packing.N, l.Packing.C1Bits = 4096, l.Packing.C1Bits+1
			newLinearInstance(&l, 4).check(t, 1)
		})
	}
}

// BenchmarkLinear runs whole operators between two parties in one process, both
// on one core.
func BenchmarkLinear(b *testing.B) {
	for name, l := range map[string]plan.Linear{
		"64-64 3x3 @56":    conv(1, 1, 64, 64, 56, 56, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
		"256-1024 1x1 @14": conv(1, 1, 256, 1024, 14, 14, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
		"512-512 3x3 @7":   conv(1, 1, 512, 512, 7, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
	} {
		b.Run(name, func(b *testing.B) {
			if err := linearProfiles()["packed"].Packing(&l); err != nil {
				b.Fatal(err)
			}
			in := newLinearInstance(&l, 6)
			c := l.CostRLWE()
			for b.Loop() {
				in.runBoth(b, 1)
			}
			b.ReportMetric(float64(c.ToServer()+c.ToClient()), "wire-B/op")
		})
	}
}
