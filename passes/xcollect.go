package passes

import (
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// trainedKernels are the even channels' kernels: row c*taps+t, a column a filter.
func trainedKernels(v *ir.Value) *mat.Dense {
	w, s := data(v.Args[1]), v.Args[1].Type.Shape
	taps, even := s[2]*s[3], (s[1]+1)/2
	k := mat.NewDense(even*taps, s[0], nil)
	for o := range s[0] {
		for c := range even {
			for t := range taps {
				k.Set(c*taps+t, o, float64(w[(o*s[1]+2*c)*taps+t]))
			}
		}
	}
	return k
}

// rowsPerUnknown is how many positions are looked at, at least, for each number
// that the fit must find.
const rowsPerUnknown = 8

// collect evaluates both networks on the inputs for fitting, and sums the
// moments of what the layer sees now and what it gave before.
func (x *replacing) collect(v *ir.Value) (*moments, error) {
	in, s := x.twin[v.Args[0]], v.Args[1].Type.Shape
	m := newMoments((s[1]+1)/2, s[1]/2, s[2]*s[3], s[0])
	rows := rowsPerUnknown*m.dim()/len(x.fit) + 64
	r := rand.New(rand.NewPCG(11, uint64(v.ID)))
	for _, sample := range x.fit {
		var seen, gave []float32
		if _, err := ir.Eval(x.now, sample, ir.EvalOptions{Observe: keeping(in, &seen), Stop: x.cfg.Stop}); err != nil {
			return nil, err
		}
		if _, err := ir.Eval(x.old, sample, ir.EvalOptions{Observe: keeping(v, &gave), Stop: x.cfg.Stop}); err != nil {
			return nil, err
		}
		z, y := patches(v, seen, gave, min(rows, v.Type.N()/s[0]), r)
		m.add(z, y)
	}
	return m, nil
}

func keeping(v *ir.Value, to *[]float32) func(*ir.Value, *num.Tensor) {
	return func(w *ir.Value, t *num.Tensor) {
		if w == v {
			*to = slices.Clone(ir.Floats(t))
		}
	}
}

// middle is the tap of a kernel that an X-operator's identity half looks through:
// the centre, or the last one before it if the kernel is even.
func middle(size int) int { return (size - 1) / 2 }

// patches draws some positions: what lies under the kernel in the even channels,
// under its middle tap in the odd ones, a one; and the results.
func patches(v *ir.Value, in, out []float32, rows int, r *rand.Rand) (z, y *mat.Dense) {
	a, xs, ys, ks := v.Attrs.(*ir.ConvAttrs), v.Args[0].Type.Shape, v.Type.Shape, v.Args[1].Type.Shape
	c, h, w, taps := xs[1], xs[2], xs[3], ks[2]*ks[3]
	even, centre := (c+1)/2, middle(ks[2])*ks[3]+middle(ks[3])
	z, y = mat.NewDense(rows, even*taps+c/2+1, nil), mat.NewDense(rows, ys[1], nil)
	plane := ys[2] * ys[3]
	for i, at := range r.Perm(ys[0] * plane)[:rows] {
		b, oy, ox := at/plane, at%plane/ys[3], at%ys[3]
		line := z.RawRowView(i)
		under := func(ch, t int) float64 {
			p := oy*a.Strides[0] + t/ks[3]*a.Dilations[0] - a.PadsBegin[0]
			q := ox*a.Strides[1] + t%ks[3]*a.Dilations[1] - a.PadsBegin[1]
			if p < 0 || p >= h || q < 0 || q >= w {
				return 0
			}
			return float64(in[((b*c+ch)*h+p)*w+q])
		}
		for ch := range c {
			if ch%2 == 1 {
				line[even*taps+ch/2] = under(ch, centre)
				continue
			}
			for t := range taps {
				line[ch/2*taps+t] = under(ch, t)
			}
		}
		line[len(line)-1] = 1
		for o := range ys[1] {
			y.Set(i, o, float64(out[(b*ys[1]+o)*plane+at%plane]))
		}
	}
	return z, y
}
