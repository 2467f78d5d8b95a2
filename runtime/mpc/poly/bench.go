package poly

import (
	"fmt"
	"time"

	"secc.example/secc/runtime/mpc/ring"
)

// Benchmark is one kernel in one variant, for tools that report figures.
type Benchmark struct {
	Name    string // such as ntt_forward_4096
	Variant Variant
	Run     func(iterations int)
}

// Measure returns the nanoseconds of one iteration: the fastest of several runs
// of about a fifth of d each.
func (b Benchmark) Measure(d time.Duration) float64 {
	n, best := 1, 0.0
	for run := 0; run < 5; {
		start := time.Now()
		b.Run(n)
		took := time.Since(start)
		if took < d/10 {
			n *= 2
			continue
		}
		if ns := float64(took.Nanoseconds()) / float64(n); run == 0 || ns < best {
			best = ns
		}
		run++
	}
	return best
}

// Benchmarks returns every kernel in every variant that runs here.
func Benchmarks() ([]Benchmark, error) {
	var all []Benchmark
	for _, n := range []int{2048, 4096, 8192} {
		ps, err := Primes(MaxModulusBits, n, 1)
		if err != nil {
			return nil, err
		}
		for _, v := range Variants() {
			r, err := NewRing(n, ps[0], WithVariant(v))
			if err != nil {
				return nil, err
			}
			all = append(all, transformBenchmarks(r)...)
			if n == 4096 {
				all = append(all, kernelBenchmarks(r)...)
			}
		}
	}
	return all, nil
}

// workload holds operands of the benchmarks.
type workload struct {
	r       *Ring
	s       *Sampler
	a, b, c []uint64
	packed  []byte
}

func newWorkload(r *Ring) *workload {
	w := &workload{r: r, s: NewSampler(Seed{1}), a: r.NewPoly(), b: r.NewPoly(), c: r.NewPoly()}
	w.s.Uniform(r, w.a, 0)
	w.s.Uniform(r, w.b, 1)
	w.packed = make([]byte, ring.PackedLen(r.n, uploadBits))
	return w
}

// uploadBits is a typical width of an uploaded coefficient.
const uploadBits = 33

func repeatRun(f func()) func(int) {
	return func(n int) {
		for range n {
			f()
		}
	}
}

func transformBenchmarks(r *Ring) []Benchmark {
	w := newWorkload(r)
	return []Benchmark{
		{fmt.Sprintf("ntt_forward_%d", r.n), r.variant, repeatRun(func() { r.NTT(w.a) })},
		{fmt.Sprintf("ntt_inverse_%d", r.n), r.variant, repeatRun(func() { r.InvNTT(w.a) })},
		{fmt.Sprintf("encrypt_%d", r.n), r.variant, repeatRun(w.encryption())},
	}
}

// encryption is what a client does for one uploaded polynomial: expand the
// uniform part, multiply by the secret, add noise and message, drop low bits
// and pack.
func (w *workload) encryption() func() {
	r := w.r
	secret, x := r.NewPoly(), r.NewPoly()
	w.s.Ternary(r, secret, 0)
	r.NTT(secret)
	w.s.Words(x, 0)
	pack := NewPacker(uploadBits, r.variant)
	drop := r.Bits() - uploadBits
	index := uint64(0)
	return func() {
		index++
		w.s.Uniform(r, w.a, index)
		r.Mul(w.b, w.a, secret)
		r.InvNTT(w.b)
		w.s.Noise(r, w.c, index)
		r.Sub(w.b, w.c, w.b)
		r.EncodeAdd(w.b, x, 26)
		r.DropLow(w.b, w.b, drop)
		pack.Pack(w.packed, w.b)
	}
}

func kernelBenchmarks(r *Ring) []Benchmark {
	w := newWorkload(r)
	acc0, acc1 := r.NewAcc(), r.NewAcc()
	pack := NewPacker(uploadBits, r.variant)
	const terms = 8
	var xs, ys, ws [][]uint64
	for range terms {
		t := newWorkload(r)
		xs, ys, ws = append(xs, t.a), append(ys, t.b), append(ws, t.c)
	}
	rotate, err := r.NewAutomorphism(r.n + 1)
	if err != nil {
		panic("BUG: poly: " + err.Error())
	}
	sparse, dense := benchmarkSupports(r)
	weights := make([]int32, r.n)
	for i := range weights {
		weights[i] = int32(i%255) - 127
	}
	table := []struct {
		name string
		run  func()
	}{
		{"mac", func() { acc0.MulAdd(w.a, w.b) }},
		{"mac_pair", func() { MulAddPair(acc0, acc1, w.a, w.b, w.c) }},
		{"mac_pair_compact64", func() { MulAddPair(acc0, acc1, w.a, w.b, w.c[:r.n/64]) }},
		{fmt.Sprintf("dot_pair_%d_terms", terms), func() { DotPair(acc0, acc1, xs, ys, ws) }},
		{"add_products_2_terms", func() { r.AddProducts(w.c, xs[:2], ys[:2]) }},
		{"digits_2", func() { r.Digits(ws[:2], w.a, 16, 18) }},
		{"reduce", func() { acc0.Reduce(w.c) }},
		{"add", func() { r.Add(w.c, w.a, w.b) }},
		{"mul", func() { r.Mul(w.c, w.a, w.b) }},
		{"mul_scalar", func() { r.MulScalar(w.c, w.a, 12345) }},
		{"automorphism_ntt", func() { rotate.NTT(w.c, w.a) }},
		{"automorphism_coefficients", func() { rotate.Coefficients(w.c, w.a) }},
		{"ntt_weights_stride64", func() { r.NTTWeights(w.c[:sparse.CompactLen()], weights[:sparse.Len()], sparse) }},
		{"ntt_weights_block64", func() { r.NTTWeights(w.c, weights[:dense.Len()], dense) }},
		{"uniform", func() { w.s.Uniform(r, w.c, 7) }},
		{"noise", func() { w.s.Noise(r, w.c, 7) }},
		{"ternary", func() { w.s.Ternary(r, w.c, 7) }},
		{"encode_add", func() { r.EncodeAdd(w.a, w.b, 26) }},
		{"round", func() { r.Round(w.c, w.a, 18) }},
		{fmt.Sprintf("pack_%d_bits", uploadBits), func() { pack.Pack(w.packed, w.b) }},
		{fmt.Sprintf("unpack_%d_bits", uploadBits), func() { _ = pack.Unpack(w.c, w.packed) }},
	}
	var all []Benchmark
	for _, b := range table {
		all = append(all, Benchmark{fmt.Sprintf("%s_%d", b.name, r.n), r.variant, repeatRun(b.run)})
	}
	return all
}

// benchmarkSupports are polynomials in X^64, and polynomials of degree < 64.
func benchmarkSupports(r *Ring) (sparse, dense *Support) {
	ps, ds := make([]int, r.n/64), make([]int, 64)
	for i := range ps {
		ps[i] = 64 * i
	}
	for i := range ds {
		ds[i] = i
	}
	sparse, err := r.NewSupport(ps)
	if err != nil {
		panic("BUG: poly: " + err.Error())
	}
	if dense, err = r.NewSupport(ds); err != nil {
		panic("BUG: poly: " + err.Error())
	}
	return sparse, dense
}
