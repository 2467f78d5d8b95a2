package passes

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
)

// moments are all that fitting an X-operator needs to know of its calibration
// data: with z the patches under a kernel in the even channels, the odd channels
// at its centre, and a one, and y the trained convolution's results, the sums of
// z z^T, of z y^T and of y^2. They are collected once; the fit never sees data again.
type moments struct {
	even, odd, taps, out int
	zz, zy               *mat.Dense
	yy, y                []float64 // squares and sums, by filter
	n                    float64
}

func newMoments(even, odd, taps, out int) *moments {
	d := even*taps + odd + 1
	return &moments{even, odd, taps, out, mat.NewDense(d, d, nil), mat.NewDense(d, out, nil), make([]float64, out), make([]float64, out), 0}
}

func (m *moments) dim() int { return m.even*m.taps + m.odd + 1 }

// add takes rows of z and y in.
func (m *moments) add(z, y *mat.Dense) {
	var zz, zy mat.Dense
	zz.Mul(z.T(), z)
	zy.Mul(z.T(), y)
	m.zz.Add(m.zz, &zz)
	m.zy.Add(m.zy, &zy)
	rows, _ := y.Dims()
	for i := range rows {
		for o, v := range y.RawRowView(i) {
			m.yy[o] += v * v
			m.y[o] += v
		}
	}
	m.n += float64(rows)
}

// xWeights are an X-operator's: depthwise kernels of the even channels, and a
// dense 1x1 convolution of their results and the odd channels, with its bias.
type xWeights struct {
	kernels *mat.Dense // even x taps
	dense   *mat.Dense // out x (even + odd + 1), the bias last
}

// ridge keeps the systems well conditioned: relative to their mean diagonal.
const ridge = 1e-6

// fit finds the X-operator nearest to the trained convolution on the
// calibration data: alternating least squares from the best kernels that each
// even channel's trained ones share (the first singular vector of its filters).
// It returns the error that is left, relative to the spread of the results.
func (m *moments) fit(trained *mat.Dense, rounds int) (xWeights, float64, error) {
	w := xWeights{kernels: mat.NewDense(m.even, m.taps, nil)}
	for c := range m.even {
		if err := w.start(c, trained.Slice(c*m.taps, (c+1)*m.taps, 0, m.out)); err != nil {
			return w, 0, err
		}
	}
	left, last := 0.0, math.Inf(1)
	for range rounds {
		s := w.selection(m)
		if err := w.solveDense(m, s); err != nil {
			return w, 0, err
		}
		if left = w.error(m, s); left == 0 || left > last*(1-1e-4) {
			break
		}
		last = left
		if err := w.solveKernels(m); err != nil {
			return w, 0, err
		}
	}
	s := w.selection(m)
	if err := w.solveDense(m, s); err != nil {
		return w, 0, err
	}
	return w, w.error(m, s), nil
}

// start sets a channel's kernel to what its trained kernels (taps x filters)
// have in common.
func (w *xWeights) start(c int, trained mat.Matrix) error {
	var svd mat.SVD
	if !svd.Factorize(trained, mat.SVDThin) {
		return errors.New("a kernel has no singular value decomposition")
	}
	var u mat.Dense
	svd.UTo(&u)
	taps, _ := u.Dims()
	for t := range taps {
		w.kernels.Set(c, t, u.At(t, 0))
	}
	return nil
}

// selection maps z to the features that the dense convolution sees.
func (w *xWeights) selection(m *moments) *mat.Dense {
	s := mat.NewDense(m.dim(), m.even+m.odd+1, nil)
	for c := range m.even {
		for t := range m.taps {
			s.Set(c*m.taps+t, c, w.kernels.At(c, t))
		}
	}
	for i := range m.odd + 1 {
		s.Set(m.even*m.taps+i, m.even+i, 1)
	}
	return s
}

// solveDense is the best dense convolution for given kernels.
func (w *xWeights) solveDense(m *moments, s *mat.Dense) error {
	var t, ff, fy, p mat.Dense
	t.Mul(s.T(), m.zz)
	ff.Mul(&t, s)
	fy.Mul(s.T(), m.zy)
	if err := solve(&p, &ff, &fy); err != nil {
		return err
	}
	w.dense = mat.DenseCopyOf(p.T())
	return nil
}

// solveKernels is the best set of kernels for a given dense convolution: with
// q the dense weights of the even channels, the normal equations' matrix is that
// of the patches, each entry times the inner product of its channels' columns of q.
func (w *xWeights) solveKernels(m *moments) error {
	n := m.even * m.taps
	q, rest := w.dense.Slice(0, m.out, 0, m.even), w.dense.Slice(0, m.out, m.even, m.even+m.odd+1)
	var qq, a, b mat.Dense
	qq.Mul(q.T(), q)
	a.CloneFrom(m.zz.Slice(0, n, 0, n))
	for i := range n {
		row := a.RawRowView(i)
		for j := range row {
			row[j] *= qq.At(i/m.taps, j/m.taps)
		}
	}
	b.Mul(m.zz.Slice(0, n, n, m.dim()), rest.T()) // what the other features explain
	b.Sub(m.zy.Slice(0, n, 0, m.out), &b)
	right := mat.NewDense(n, 1, nil)
	for i := range n {
		sum := 0.0
		for o := range m.out {
			sum += b.At(i, o) * q.At(o, i/m.taps)
		}
		right.Set(i, 0, sum)
	}
	var k mat.Dense
	if err := solve(&k, &a, right); err != nil {
		return err
	}
	for i := range n {
		w.kernels.Set(i/m.taps, i%m.taps, k.At(i, 0))
	}
	w.normalise(m)
	return nil
}

// normalise gives every kernel norm one: the dense convolution takes the rest.
func (w *xWeights) normalise(m *moments) {
	for c := range m.even {
		row := w.kernels.RawRowView(c)
		norm := 0.0
		for _, x := range row {
			norm += x * x
		}
		if norm == 0 {
			row[m.taps/2] = 1
			continue
		}
		for t := range row {
			row[t] /= math.Sqrt(norm)
		}
	}
}

// error is the root of the mean squared error over the spread of the results.
func (w *xWeights) error(m *moments, s *mat.Dense) float64 {
	var fy, ff, t, pf mat.Dense
	fy.Mul(s.T(), m.zy)
	t.Mul(s.T(), m.zz)
	ff.Mul(&t, s)
	pf.Mul(w.dense, &ff)
	left, spread := 0.0, 0.0
	for o := range m.out {
		left += m.yy[o]
		spread += m.yy[o] - m.y[o]*m.y[o]/m.n
		for i, p := range w.dense.RawRowView(o) {
			left += p * (pf.At(o, i) - 2*fy.At(i, o))
		}
	}
	if spread <= 0 {
		return 0
	}
	return math.Sqrt(math.Max(left, 0) / spread)
}

// solve solves a symmetric positive system, made definite by a ridge.
func solve(x, a, b *mat.Dense) error {
	n, _ := a.Dims()
	trace := 0.0
	for i := range n {
		trace += a.At(i, i)
	}
	if trace <= 0 || math.IsNaN(trace) || math.IsInf(trace, 0) {
		return errors.New("calibration activations are all zero or not finite")
	}
	sym := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			sym.SetSym(i, j, a.At(i, j))
		}
		sym.SetSym(i, i, a.At(i, i)+ridge*trace/float64(n))
	}
	var c mat.Cholesky
	if !c.Factorize(sym) {
		return errors.New("calibration activations determine no fit")
	}
	return c.SolveTo(x, b)
}
