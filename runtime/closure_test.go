package runtime

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
)

// localStep draws a step of a protocol that needs no randomness of the parties'.
func localStep(r *rand.Rand, proto plan.Proto) (stepCase, bool) {
	sc := stepCase{width: 15, in: []plan.SlotType{vector(24, 16)}, out: []plan.SlotType{vector(24, 16)}}
	sc.step = plan.Step{Proto: proto}
	switch proto {
	case plan.ProtoCopy:
		sc.step.Attrs = &plan.Copy{Fill: 7, Regions: []plan.Region{{Dims: []int{3, 4}, SrcStride: []int{8, 2}, DstStride: []int{4, 1}, DstOff: 5}}}
	case plan.ProtoAffine:
		sc.in = append(sc.in, sc.in[0])
		sc.step.Attrs = &plan.Affine{Coef: []int64{3, -2}, Public: 11, Server: true, Spread: plan.Spread{Channels: 4, Inner: 6}}
		sc.weights = given{"/b": {5, -6, 7, -8}}
	case plan.ProtoReduce:
		sc.out[0].Bits = 9
	case plan.ProtoSumPool:
		sc.out[0] = vector(6, 16)
		sc.step.Attrs = &plan.Pool{C: 1, H: 4, W: 6, OH: 2, OW: 3, KH: 2, KW: 2, SH: 2, SW: 2, DH: 1, DW: 1}
	case plan.ProtoTiles:
		sc.in[0], sc.out[0] = vector(16, 30), vector(16, 30)
		g := &plan.Tiles{Batch: 1, C: 1, H: 4, W: 4, TH: 1, TW: 1, Side: 4, Step: 4, Matrix: make([]int64, 16)}
		sc.step.Attrs = g
		for i := range g.Matrix {
			g.Matrix[i] = r.Int64N(17) - 8
		}
	default:
		return sc, false
	}
	return sc, true
}

// rlweStep is a small convolution over RLWE and what it is about.
func rlweStep(t *testing.T, r *rand.Rand) stepCase {
	t.Helper()
	l := conv(1, 1, 3, 4, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1)
	l.ClientInput = true
	if err := linearProfiles()["packed"].Packing(&l); err != nil {
		t.Fatal(err)
	}
	in := newLinearInstance(&l, r.Uint64())
	sc := stepCase{width: 13, in: []plan.SlotType{vector(l.NumIn(), l.InBits)}, out: []plan.SlotType{vector(l.NumOut(), l.OutBits)}}
	sc.step, sc.weights = *in.step, given{"/w": in.w["L/w"], "/b": in.w["L/b"]}
	return sc
}

// stepOf draws a step of any protocol but those that begin and end every plan.
func stepOf(t *testing.T, r *rand.Rand, proto plan.Proto) stepCase {
	t.Helper()
	if sc, ok := localStep(r, proto); ok {
		return sc
	}
	if proto == plan.ProtoLinearRLWE {
		return rlweStep(t, r)
	}
	if proto == plan.ProtoMulRLWE {
		return productStep(t)
	}
	return anyStep(t, r, proto, 70)
}

// productStep is a small product of shared matrices over RLWE.
func productStep(t *testing.T) stepCase {
	t.Helper()
	s := product(t, plan.Mul{Batch: 2, M: 5, K: 12, N: 7, Shift: 9}, 25, [2]int{2, 1}, linearProfiles()["packed"])
	p := productPlan(s, 25)
	s.In, s.Out = nil, nil
	return stepCase{width: 9, in: p.Slots[:2], out: p.Slots[2:], step: *s}
}

// Every protocol of the table has a kernel, an ideal functionality and a session between
// two parties that is held to the ideal and to the predicted bytes and rounds: here, so
// that a row that is added to the table fails until it has all of them.
func TestEveryProtocolRunsBetweenTwoParties(t *testing.T) {
	table := kernels()
	for _, proto := range plan.Protos() {
		k, ok := table[proto]
		if !ok || k.Run == nil || k.Ideal == nil {
			t.Errorf("protocol %s: Run or Ideal is missing", proto)
			continue
		}
		delete(table, proto)
		if proto == plan.ProtoInput || proto == plan.ProtoReveal {
			continue // with every other
		}
		t.Run(string(proto), func(t *testing.T) {
			r := rand.New(rand.NewPCG(21, 1))
			runTight(t, r, []stepCase{stepOf(t, r, proto)}, plan.OTKind{Kind: wire.SoftSpoken, K: 2})
		})
	}
	for _, proto := range slices.Sorted(maps.Keys(table)) {
		t.Errorf("kernel %s is of no protocol", proto)
	}
}
