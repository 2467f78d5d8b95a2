package passes

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"secc/ir"
)

// The X-operator (Ganesan et al. 2022) in place of a dense k x k convolution:
// the even channels go through a depthwise k x k convolution, the odd ones pass
// as they are, and a 1x1 convolution joins both. It has k^2/2 + COut products a
// channel and position instead of k^2*COut.
//
// Its weights are fitted to the trained convolution on calibration activations
// by alternating least squares, layer by layer from the input on: what a layer
// reads is computed by the network as rewritten so far, what it should give by
// the trained one, so later fits make up for earlier errors.

// Fit is what replacing one convolution cost in accuracy.
type Fit struct {
	Layer string  `json:"layer"`
	Error float64 `json:"error"` // root mean square, relative to the layer's output
	Kept  bool    `json:"kept"`
}

const (
	fitRounds  = 8    // alternations
	fitSamples = 4096 // positions that a layer is fitted on
	fitRidge   = 1e-6 // relative to the diagonal: keeps dead channels solvable
)

// xOperator rewrites convolutions as the options ask. Auto keeps a rewriting
// only while the answers of the whole network stay within MaxDrop.
func xOperator(g *ir.Graph, cfg *Config) error {
	if cfg.XOperator != ChoiceForce && (cfg.XOperator != ChoiceAuto || cfg.Linear == LinearRLWE) {
		return nil // over RLWE a dense convolution costs no more than the three it would become
	}
	trained, to := g.Clone()
	for _, v := range slices.Clone(g.Values) {
		if !crossable(v) || len(cfg.XLayers) > 0 && !slices.Contains(cfg.XLayers, v.Name) {
			continue
		}
		if err := cross(g, trained, v, to[v], cfg); err != nil {
			return fmt.Errorf("node %q: X-operator: %w", v.Name, err)
		}
	}
	return nil
}

// crossable reports a dense convolution whose output positions have a middle.
func crossable(v *ir.Value) bool {
	if v.Op != ir.OpConv || !ir.IsConst(v.Args[1]) || len(v.Args) == 3 && !ir.IsConst(v.Args[2]) {
		return false
	}
	a, w := v.Attrs.(*ir.ConvAttrs), v.Args[1].Type.Shape
	if a.Group > 1 || w[1] < 4 || w[1]%2 != 0 || w[2]*w[3] == 1 {
		return false
	}
	for d := range 2 {
		if w[2+d]%2 == 0 || a.Dilations[d] != 1 || a.PadsBegin[d] != w[2+d]/2 {
			return false
		}
	}
	return true
}

// cross fits and replaces one convolution.
func cross(g, trained *ir.Graph, v, want *ir.Value, cfg *Config) error {
	f, err := sampleLayer(g, trained, v, want, cfg)
	if err != nil {
		return err
	}
	if err := f.alternate(); err != nil {
		return err
	}
	y, err := f.build(g, v)
	if err != nil {
		return err
	}
	g.ReplaceUses(v, y)
	fit := Fit{Layer: v.Name, Error: f.error(), Kept: true}
	if err := g.Sort(); err != nil {
		return err
	}
	if cfg.XOperator == ChoiceAuto {
		drift, err := cfg.drift(trained, g)
		if err != nil {
			return err
		}
		if fit.Kept = drift <= cfg.MaxDrop; !fit.Kept {
			g.ReplaceUses(y, v)
			if err := g.Sort(); err != nil {
				return err
			}
		}
	}
	g.RemoveDead()
	cfg.Fits = append(cfg.Fits, fit)
	return nil
}

// drift is how far the outputs of two real networks are apart, relative to their spread.
func (c *Config) drift(a, b *ir.Graph) (float64, error) {
	inputs, _ := c.inputs(a)
	var diff, spread float64
	for _, in := range inputs {
		x, err := ir.Eval(a, in, ir.EvalOptions{})
		if err != nil {
			return 0, err
		}
		y, err := ir.Eval(b, in, ir.EvalOptions{})
		if err != nil {
			return 0, err
		}
		for o := range x {
			d, s := deviation(ir.Floats(x[o]), ir.Floats(y[o]))
			diff, spread = diff+d, spread+s
		}
	}
	return math.Sqrt(diff / math.Max(spread, math.SmallestNonzeroFloat64)), nil
}

// deviation sums squared differences, and squared distances of x from its mean.
func deviation(x, y []float32) (diff, spread float64) {
	mean := 0.0
	for _, a := range x {
		mean += float64(a) / float64(len(x))
	}
	for i, a := range x {
		d, s := float64(a)-float64(y[i]), float64(a)-mean
		diff, spread = diff+d*d, spread+s*s
	}
	return diff, spread
}

// layerFit is the least squares problem of one layer: rows are positions.
type layerFit struct {
	conv    *ir.Value
	half, k int        // even (or odd) channels; taps of a depthwise kernel
	patch   *mat.Dense // rows x half*k: what the depthwise kernels see
	odd     *mat.Dense // rows x half: what passes
	want    *mat.Dense // rows x filters
	gram    *mat.Dense // patch^T patch
	depth   []float64  // half*k: the depthwise kernels
	join    *mat.Dense // (2*half + 1) x filters: joins even, odd and one
}

// sampleLayer evaluates both networks and gathers positions spread over all inputs.
func sampleLayer(g, trained *ir.Graph, v, want *ir.Value, cfg *Config) (*layerFit, error) {
	w := v.Args[1].Type.Shape
	f := &layerFit{conv: v, half: w[1] / 2, k: w[2] * w[3]}
	inputs, _ := cfg.inputs(g)
	each := max(1, fitSamples/len(inputs))
	outs, positions := v.Type.Shape[1], v.Type.Shape[0]*v.Type.Shape[2]*v.Type.Shape[3]
	each = min(each, positions)
	rows := each * len(inputs)
	f.patch, f.odd, f.want = mat.NewDense(rows, f.half*f.k, nil), mat.NewDense(rows, f.half, nil), mat.NewDense(rows, outs, nil)
	for i, in := range inputs {
		var x, y []float32
		if _, err := ir.Eval(g, in, ir.EvalOptions{Observe: keep(v.Args[0], &x)}); err != nil {
			return nil, err
		}
		if _, err := ir.Eval(trained, in, ir.EvalOptions{Observe: keep(want, &y)}); err != nil {
			return nil, err
		}
		for s := range each {
			f.row(i*each+s, s*positions/each, x, y)
		}
	}
	f.gram = new(mat.Dense)
	f.gram.Mul(f.patch.T(), f.patch)
	return f, nil
}

// keep copies the elements of one value.
func keep(want *ir.Value, into *[]float32) func(*ir.Value, *tensor.Dense) {
	return func(v *ir.Value, t *tensor.Dense) {
		if v == want {
			*into = slices.Clone(ir.Floats(t))
		}
	}
}

// row fills one row with output position p (over batch, rows and columns).
func (f *layerFit) row(row, p int, x, y []float32) {
	in, out, w := f.conv.Args[0].Type.Shape, f.conv.Type.Shape, f.conv.Args[1].Type.Shape
	a := f.conv.Attrs.(*ir.ConvAttrs)
	plane := out[2] * out[3]
	b, oy, ox := p/plane, p%plane/out[3], p%out[3]
	for o := range out[1] {
		f.want.Set(row, o, float64(y[(b*out[1]+o)*plane+p%plane]))
	}
	for c := range f.half {
		even := x[(b*in[1]+2*c)*in[2]*in[3]:]
		for t := range f.k {
			iy, ix := oy*a.Strides[0]-a.PadsBegin[0]+t/w[3], ox*a.Strides[1]-a.PadsBegin[1]+t%w[3]
			if iy >= 0 && iy < in[2] && ix >= 0 && ix < in[3] {
				f.patch.Set(row, c*f.k+t, float64(even[iy*in[3]+ix]))
			}
		}
		odd := x[(b*in[1]+2*c+1)*in[2]*in[3]:]
		f.odd.Set(row, c, float64(odd[oy*a.Strides[0]*in[3]+ox*a.Strides[1]]))
	}
}

// alternate solves for the join with the kernels fixed, then for the kernels
// with the join fixed, and so on.
func (f *layerFit) alternate() error {
	f.start()
	for range fitRounds {
		if err := f.solveJoin(); err != nil {
			return err
		}
		if err := f.solveDepth(); err != nil {
			return err
		}
		f.normalise()
	}
	return f.solveJoin()
}

// start takes for each even channel the kernel that its filters have most in
// common: their first singular vector.
func (f *layerFit) start() {
	shape, w := f.conv.Args[1].Type.Shape, data(f.conv.Args[1])
	f.depth = make([]float64, f.half*f.k)
	for c := range f.half {
		m := mat.NewDense(shape[0], f.k, nil)
		for o := range shape[0] {
			for t := range f.k {
				m.Set(o, t, float64(w[(o*shape[1]+2*c)*f.k+t]))
			}
		}
		f.depth[c*f.k+f.k/2] = 1
		var svd mat.SVD
		if svd.Factorize(m, mat.SVDThin) {
			var v mat.Dense
			svd.VTo(&v)
			for t := range f.k {
				f.depth[c*f.k+t] = v.At(t, 0)
			}
		}
	}
	f.normalise()
}

// even is what the depthwise kernels give: rows x half.
func (f *layerFit) even() *mat.Dense {
	rows, _ := f.patch.Dims()
	e := mat.NewDense(rows, f.half, nil)
	for r := range rows {
		p := f.patch.RawRowView(r)
		for c := range f.half {
			sum := 0.0
			for t, d := range f.depth[c*f.k : (c+1)*f.k] {
				sum += d * p[c*f.k+t]
			}
			e.Set(r, c, sum)
		}
	}
	return e
}

// normalise gives every kernel an output of the size of what passes beside it,
// so that both fit one format.
func (f *layerFit) normalise() {
	passes := rms(f.odd.RawMatrix().Data)
	e := f.even()
	for c := range f.half {
		if s := rms(mat.Col(nil, c, e)); s > 0 && passes > 0 {
			for t := range f.k {
				f.depth[c*f.k+t] *= passes / s
			}
		}
	}
}

func rms(x []float64) float64 {
	sum := 0.0
	for _, a := range x {
		sum += a * a
	}
	return math.Sqrt(sum / float64(len(x)))
}

// features are the columns that the join combines: even, odd, one.
func (f *layerFit) features() *mat.Dense {
	rows, _ := f.odd.Dims()
	u, e := mat.NewDense(rows, 2*f.half+1, nil), f.even()
	for r := range rows {
		row := u.RawRowView(r)
		copy(row, e.RawRowView(r))
		copy(row[f.half:], f.odd.RawRowView(r))
		row[2*f.half] = 1
	}
	return u
}

func (f *layerFit) solveJoin() error {
	u := f.features()
	var a, b mat.Dense
	a.Mul(u.T(), u)
	b.Mul(u.T(), f.want)
	var err error
	f.join, err = solve(&a, &b)
	return err
}

// solveDepth: with the join fixed the residual is linear in all kernels
// together; the normal matrix is the patches' Gram matrix weighted by how much
// two channels' joins have in common.
func (f *layerFit) solveDepth() error {
	rows, outs := f.want.Dims()
	join := f.join.Slice(0, f.half, 0, outs)
	var residual mat.Dense
	residual.Mul(f.features().Slice(0, rows, f.half, 2*f.half+1), f.join.Slice(f.half, 2*f.half+1, 0, outs))
	residual.Sub(f.want, &residual)
	var common, pull mat.Dense
	common.Mul(join, join.T())
	pull.Mul(&residual, join.T()) // rows x half
	n := f.half * f.k
	a, b := mat.NewDense(n, n, nil), mat.NewDense(n, 1, nil)
	for i := range n {
		for j := range n {
			a.Set(i, j, f.gram.At(i, j)*common.At(i/f.k, j/f.k))
		}
	}
	for r := range rows {
		p := f.patch.RawRowView(r)
		for i := range n {
			b.Set(i, 0, b.At(i, 0)+p[i]*pull.At(r, i/f.k))
		}
	}
	x, err := solve(a, b)
	if err == nil {
		f.depth = mat.Col(nil, 0, x)
	}
	return err
}

// solve is a ridge regression's normal equations.
func solve(a, b *mat.Dense) (*mat.Dense, error) {
	n, _ := a.Dims()
	s := mat.NewSymDense(n, nil)
	trace := 0.0
	for i := range n {
		trace += a.At(i, i) / float64(n)
	}
	for i := range n {
		for j := i; j < n; j++ {
			s.SetSym(i, j, a.At(i, j))
		}
		s.SetSym(i, i, a.At(i, i)+fitRidge*trace+math.SmallestNonzeroFloat64)
	}
	var c mat.Cholesky
	if !c.Factorize(s) {
		return nil, fmt.Errorf("its calibration activations do not determine its weights")
	}
	x := new(mat.Dense)
	return x, c.SolveTo(x, b)
}

// error is the relative error of the fit.
func (f *layerFit) error() float64 {
	var got mat.Dense
	got.Mul(f.features(), f.join)
	got.Sub(&got, f.want)
	return rms(got.RawMatrix().Data) / math.Max(rms(f.want.RawMatrix().Data), math.SmallestNonzeroFloat64)
}

// build appends the three parts to the graph.
func (f *layerFit) build(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	x, a, w := v.Args[0], v.Attrs.(*ir.ConvAttrs), v.Args[1].Type.Shape
	in, out := x.Type.Shape, v.Type.Shape
	c := chain{g: g, name: v.Name}
	even := c.with(ir.OpSlice, &ir.SliceAttrs{Start: []int{0, 0, 0, 0}, Step: []int{1, 2, 1, 1}, Size: []int{in[0], f.half, in[2], in[3]}}, x)
	odd := c.with(ir.OpSlice, &ir.SliceAttrs{Start: []int{0, 1, 0, 0}, Step: []int{1, 2, a.Strides[0], a.Strides[1]}, Size: []int{in[0], f.half, out[2], out[3]}}, x)
	depth, err := constant(g, v.Args[1].Name+".depthwise", []int{f.half, 1, w[2], w[3]}, toFloats(f.depth))
	if err != nil {
		return nil, err
	}
	outs := out[1]
	join := mat.DenseCopyOf(f.join.Slice(0, 2*f.half, 0, outs).T())
	joint, err := constant(g, v.Args[1].Name+".join", []int{outs, 2 * f.half, 1, 1}, toFloats(join.RawMatrix().Data))
	if err != nil {
		return nil, err
	}
	bias, err := constant(g, v.Name+".bias", []int{outs}, toFloats(mat.Row(nil, 2*f.half, f.join)))
	if err != nil {
		return nil, err
	}
	d := *a
	d.Group, d.Strides, d.Dilations = f.half, slices.Clone(a.Strides), slices.Clone(a.Dilations)
	d.PadsBegin, d.PadsEnd, d.OutputPad = slices.Clone(a.PadsBegin), slices.Clone(a.PadsEnd), nil
	even = c.with(ir.OpConv, &d, even, depth)
	both := c.with(ir.OpConcat, &ir.AxisAttrs{Axis: 1}, even, odd)
	c.with(ir.OpConv, &ir.ConvAttrs{}, both, joint, bias)
	return c.last, c.err
}

func toFloats(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, a := range x {
		y[i] = float32(a)
	}
	return y
}
