package passes

import (
	"math"
	"slices"

	"secc.example/secc/backend"
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// winograd marks the convolutions that are to be computed by Winograd's
// algorithm, which multiplies less: by 9/4 with F(2x2,3x3), by 4 with F(4x4,3x3)
// and by 25/9 with F(2x2,5x5). Over OT a product costs what it multiplies; over
// RLWE the transforms would only add ciphertexts, so that nothing is marked there.
func winograd(g *ir.Graph, cfg *Config) error {
	if cfg.Winograd == ChoiceOff || cfg.Linear == LinearRLWE {
		if cfg.Winograd == ChoiceForce {
			cfg.warn("winograd: linear operators run over RLWE, where it does not pay: nothing changed (see --linear)")
		}
		return nil
	}
	for _, v := range g.Values {
		if !eligible(v) {
			continue
		}
		best, err := bestTile(v, cfg)
		if err != nil {
			return err
		}
		v.Attrs.(*ir.ConvAttrs).Tile = best
	}
	return nil
}

// eligible reports ungrouped convolutions with stride 1 and a kernel that has an algorithm.
func eligible(v *ir.Value) bool {
	if v.Op != ir.OpConv || !ir.IsConst(v.Args[1]) || len(v.Args) == 3 && !ir.IsConst(v.Args[2]) || len(v.Type.Shape) != 4 {
		return false
	}
	a, k := v.Attrs.(*ir.ConvAttrs), v.Args[1].Type.Shape[2:]
	if a.Group > 1 || k[0] != k[1] || slices.Max(a.Strides) > 1 || slices.Max(a.Dilations) > 1 {
		return false
	}
	if max(slices.Max(a.PadsBegin), slices.Max(a.PadsEnd)) >= k[0] {
		return false
	}
	return slices.ContainsFunc(tileKernels(), func(t tileKernel) bool { return t.kernel == k[0] })
}

// Formats are not known yet: costs are compared for usual ones, and weights by
// their shape alone.
const (
	usualShift  = 12
	usualDigits = 9
)

// bestTile is the number of results a tile that costs least, or 0 for the
// direct convolution.
func bestTile(v *ir.Value, cfg *Config) (int, error) {
	l := backend.Geometry(v)
	l.OutBits, l.Shift = cfg.Bits, usualShift
	l.InBits = l.OutBits + l.Shift
	direct := cfg.Profile.OverOT(l.AsOT([]plan.BitRange{{Lo: 0, Hi: usualDigits}}))
	if cfg.Linear == LinearAuto {
		rlwe, err := cfg.Profile.OverRLWE(l)
		if err != nil {
			return 0, err
		}
		if cfg.Winograd == ChoiceForce && rlwe < direct {
			return 0, nil
		}
		direct = min(direct, rlwe)
	}
	best := 0
	if cfg.Winograd == ChoiceForce {
		direct = math.Inf(1)
	}
	for _, k := range tileKernels() {
		if k.kernel != l.KH {
			continue
		}
		if t := cfg.Profile.OverOT(k.usual(l)); t < direct {
			best, direct = k.step, t
		}
	}
	return best, nil
}

// usual is the product between the transforms, for kernels as wide as usual.
func (k *tileKernel) usual(l *plan.Linear) *plan.Linear {
	u := make([][]float64, 1)
	u[0] = make([]float64, k.places())
	for p := range u[0] {
		u[0][p] = 1
		for _, line := range []int{p / k.side, p % k.side} {
			norm := 0.0
			for _, w := range k.weights[line*k.kernel : (line+1)*k.kernel] {
				norm += w * w
			}
			u[0][p] *= math.Sqrt(norm)
		}
	}
	// weights of usualDigits digits and magnitude 1 are off by 2^-usualDigits/sqrt(3)
	fine := usualDigits - 1
	budget := float64(k.kernel*k.kernel) * math.Ldexp(1, -2*fine) / 12
	t := k.chooseBits(u, 1, budget, l.InBits-fine, 40)
	o := k.product(l, t, l.InBits-fine+t.finest())
	o.OT = &plan.OverOT{}
	for p, x := range u[0] {
		low := t.finest() - t.frac[p]
		width := max(1, int(math.Ceil(math.Log2(x)))+t.frac[p]+1)
		o.OT.Digits = append(o.OT.Digits, plan.BitRange{Lo: low, Hi: min(low+width, o.InBits)})
	}
	return o
}

// product is the geometry of the product between the transforms.
func (k *tileKernel) product(l *plan.Linear, t tileBits, ring int) *plan.Linear {
	o := *l
	o.G = k.places()
	o.CIn, o.COut = o.G*l.CIn, o.G*l.COut
	o.OH, o.OW = (l.OH+k.step-1)/k.step, (l.OW+k.step-1)/k.step
	o.H, o.W, o.KH, o.KW, o.PT, o.PL = o.OH, o.OW, 1, 1, 0, 0
	o.InBits, o.OutBits, o.Shift = ring, ring, 0
	return &o
}

// tileWeightBits chooses how a marked convolution's weights are rounded, and
// gives the fraction bits of the finest.
func (f *formats) tileWeightBits(v *ir.Value, k *tileKernel) int {
	shape := v.Args[1].Type.Shape
	finest := maxRing - f.k - f.fracOf(v.Args[0]) + f.fracOf(v)
	base := f.k + f.fracOf(v.Args[0]) - f.fracOf(v)
	rms := f.spans[v.Args[0]].rms()
	budget := math.Inf(1)
	if rms > 0 {
		budget = math.Pow(math.Ldexp(weightNoise, -f.fracOf(v))/rms, 2)
	}
	budget = math.Min(budget, 1)
	t := k.chooseBits(k.transformed(data(v.Args[1])), shape[1], budget, base, finest)
	least := f.fracOf(v) - f.fracOf(v.Args[0]) // a shift is not negative
	for p := range t.frac {
		t.frac[p] = max(t.frac[p], least)
	}
	f.tiles[v] = t
	return t.finest()
}

// tiled builds a marked convolution: transform, product, transform back, bias,
// rounding. All but the last is exact mod 2^l.
func (b *fixer) tiled(v *ir.Value, k *tileKernel) (*ir.Value, error) {
	a, l, s := v.Attrs.(*ir.ConvAttrs), b.ring(v), b.weight[v]
	x, err := b.inRing(v.Args[0], l, v.Name)
	if err != nil {
		return nil, err
	}
	y, n := v.Type.Shape, k.places()
	tiles := []int{(y[2] + k.step - 1) / k.step, (y[3] + k.step - 1) / k.step}
	in := &ir.TileAttrs{Side: k.side, Every: k.step, Matrix: k.in, PadsBegin: slices.Clone(a.PadsBegin), Size: tiles}
	if x, err = b.out.New(ir.OpTileIn, v.Name, in, x); err != nil {
		return nil, err
	}
	w := v.Args[1]
	ints, shape := b.tileInts(v, k), w.Type.Shape
	kernel, err := b.out.FixedConst(w.Name, []int{n * shape[0], shape[1], 1, 1}, ir.Elem{Bits: maxRing, Frac: s}, ints, w.Type.Holder)
	if err != nil {
		return nil, err
	}
	if x, err = b.out.New(ir.OpConv, v.Name, &ir.ConvAttrs{Group: n}, x, kernel); err != nil {
		return nil, err
	}
	out := &ir.TileAttrs{Side: k.side, Every: k.step, Matrix: k.out, Size: slices.Clone(y[2:])}
	if x, err = b.out.New(ir.OpTileOut, v.Name, out, x); err != nil {
		return nil, err
	}
	return b.finished(v, x)
}

// finished adds the bias to a product in its accumulator, and rounds.
func (b *fixer) finished(v, x *ir.Value) (_ *ir.Value, err error) {
	if len(v.Args) == 3 {
		if x, err = b.addBias(v, x); err != nil {
			return nil, err
		}
	}
	if b.shift(v) == 0 {
		return x, nil
	}
	return b.out.New(ir.OpTruncate, v.Name, &ir.TruncateAttrs{Shift: b.shift(v), Bits: b.k, Exact: b.exact[v]}, x)
}

func (b *fixer) addBias(v, x *ir.Value) (*ir.Value, error) {
	c := v.Args[2]
	bias, err := b.fixBias(c, x.Type.Elem, v.Name)
	if err != nil {
		return nil, err
	}
	if bias, err = b.out.FixedConst(c.Name, []int{1, bias.Type.N(), 1, 1}, x.Type.Elem, bias.Attrs.(*ir.ConstAttrs).Ints, c.Type.Holder); err != nil {
		return nil, err
	}
	return b.out.New(ir.OpAdd, v.Name, nil, x, bias)
}

// tileInts are the transformed weights as integers: place by place, then
// filters, then channels.
func (b *fixer) tileInts(v *ir.Value, k *tileKernel) []int64 {
	all, t, s := k.transformed(data(v.Args[1])), b.tiles[v], b.weight[v]
	ints := make([]int64, k.places()*len(all))
	for i, u := range all {
		for p, x := range u {
			ints[p*len(all)+i] = int64(math.Ldexp(t.round(x, p), s))
		}
	}
	return ints
}
