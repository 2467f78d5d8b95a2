package ot

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// What the known attacks on a parameter set cost, in bits. The counts lean to
// the attacker's side: memory is free, an element of a list costs one operation however
// long it is, constants are left out. A set is n = t*beta samples, beta = 2^depth,
// with exactly one error in each block of beta.

// choose is log2 of a binomial coefficient.
func choose(n, k float64) float64 {
	if k < 0 || k > n {
		return math.Inf(-1)
	}
	a, _ := math.Lgamma(n + 1)
	b, _ := math.Lgamma(k + 1)
	c, _ := math.Lgamma(n - k + 1)
	return (a - b - c) / math.Ln2
}

// plus is log2(2^a + 2^b).
func plus(a, b float64) float64 {
	m := max(a, b)
	return m + math.Log2(math.Exp2(a-m)+math.Exp2(b-m))
}

// Solving the linear system of an information set. Dense: Strassen. Sparse
// (Wiedemann): the rows have weight 10, so a solution takes k products with 10*k entries.
func dense(k float64) float64             { return 2.8 * math.Log2(k) }
func sparse(k, solutions float64) float64 { return 2*math.Log2(k) + math.Log2(lpnWeight*solutions) }

// pooledGauss: guess k - t samples without error, evenly over the blocks; the
// sum of each block is one more equation without error (Esser-Kuebler-May, Crypto 2017, for regular noise).
func pooledGauss(p params) float64 {
	k, t, n := float64(p.k), float64(p.t), float64(p.rows())
	noBlocks := -t*math.Log2(1-k/n) + sparse(k, 1)
	return min(-t*math.Log2(1-(k-t)/n)+dense(k-t), noBlocks)
}

// enumeration: the same with up to w errors in the information set, found as a
// collision of two lists on ell further samples (regular ISD of Esser-Santini, Eurocrypt
// 2024, appendix A). columns is the size of the secret's part that is solved for.
func enumeration(p params, columns float64) float64 {
	t, beta := float64(p.t), math.Exp2(float64(p.depth))
	best := math.Inf(1)
	for w := 0.0; w < 24; w += 2 {
		for ell := 1.0; ell < 200; ell++ {
			setup := min(sparse(columns, ell), dense(columns))
			v := (columns + ell) / t // samples taken of a block
			success := 2*choose(t/2, w/2) + w*math.Log2(v/beta) + (t-w)*math.Log2(1-v/beta)
			list := choose(t/2, w/2) + w/2*math.Log2(v)
			best = min(best, plus(setup, plus(1+list, 2*list-ell))-success)
		}
	}
	return best
}

// Because a row touches ten columns only, some sets S of columns hold more rows
// (that touch nothing outside S) than columns, and the attacks need S alone. A random S
// does from |S| = k*(k/n)^(1/9) on; leaving out columns of low degree gets further; below
// smallestMinor no such S is to be expected at all (first moment).
func randomMinor(p params) float64 {
	return float64(p.k) * math.Pow(float64(p.k)/float64(p.rows()), 1.0/(lpnWeight-1))
}

func smallestMinor(p params) float64 {
	r := float64(p.rows()) / float64(p.k)
	lo, hi := 0.01, 1.0
	for range 60 {
		x := (lo + hi) / 2
		sets := -x*math.Log(x) - (1-x)*math.Log(1-x)
		mean := r * math.Pow(x, lpnWeight)
		if rare := x*math.Log(x/mean) - x + mean; mean >= x || sets >= rare {
			hi = x
		} else {
			lo = x
		}
	}
	return hi * float64(p.k)
}

// algebraic: mu samples of each of f blocks are guessed to be without error, and
// the quadratic system of the regular structure is solved at the degree where its Hilbert series
// ends (Briaud-Oygarden, Eurocrypt 2023), either densely in the variables that the
// linear equations leave, or sparsely in all of them.
func algebraic(p params) float64 {
	best := math.Inf(1)
	for f := p.t; f >= 0; f -= max(1, p.t/24) {
		for i := range 60 {
			mu := (i << p.depth) / 400
			if left := p.k - p.t - f*mu; left > 1 {
				best = min(best, solveQuadratic(p, f, mu, float64(left))-float64(f)*math.Log2(1-float64(mu)/math.Exp2(float64(p.depth))))
			}
		}
	}
	return best
}

// solveQuadratic is the cost of one guess.
func solveQuadratic(p params, f, mu int, left float64) float64 {
	const most = 5
	var guessed, free, all, linear [most + 1]*big.Int
	for j := range guessed {
		guessed[j] = term(1<<p.depth-mu-1, f, j)
		free[j] = term(1<<p.depth-1, p.t-f, j)
		linear[j] = new(big.Int).Binomial(int64(p.rows()-p.k+j-1), int64(j)) // 1/(1+z)^(n-k)
		if j%2 == 1 {
			linear[j].Neg(linear[j])
		}
	}
	for d := range all {
		all[d] = product(guessed[:], free[:], d)
	}
	h := new(big.Int)
	dense, full := math.Log2(left), 0.0
	for d := 2; d <= most; d++ {
		h.Add(h, product(all[:], linear[:], d))
		dense = plus(dense, choose(left, float64(d)))
		size, _ := new(big.Float).SetInt(all[d]).Float64()
		full = plus(full, math.Log2(size))
		if h.Sign() <= 0 {
			return max(min(2.8*dense, 2*full+math.Log2(3*left)), sparse(float64(p.k), 1))
		}
	}
	return math.Inf(1)
}

// term is the coefficient of z^j in (1 + a*z)^n.
func term(a, n, j int) *big.Int {
	c := new(big.Int).Binomial(int64(n), int64(j))
	return c.Mul(c, new(big.Int).Exp(big.NewInt(int64(a)), big.NewInt(int64(j)), nil))
}

// product is coefficient d of the product of two series.
func product(a, b []*big.Int, d int) *big.Int {
	sum := new(big.Int)
	for i := range d + 1 {
		sum.Add(sum, new(big.Int).Mul(a[i], b[d-i]))
	}
	return sum
}

// TestParametersKeep128Bits is what docs/SECURITY.md quotes.
func TestParametersKeep128Bits(t *testing.T) {
	for depth := 10; depth <= 13; depth++ {
		p, _ := paramsOf(depth)
		t.Logf("set %d: k = %d, t = %d, n = %d; minors: random %.2f k, smallest %.2f k", depth, p.k, p.t, p.rows(), randomMinor(p)/float64(p.k), smallestMinor(p)/float64(p.k))
		for name, bits := range map[string]float64{
			"pooled Gauss": pooledGauss(p), "algebraic": algebraic(p),
			"enumeration, all columns": enumeration(p, float64(p.k)), "enumeration, random minor": enumeration(p, randomMinor(p)),
			"enumeration, smallest conceivable minor": enumeration(p, smallestMinor(p)),
		} {
			t.Logf("set %d: %s %.0f bits", depth, name, bits)
			if bits < 128 {
				t.Errorf("set %d: %s costs %.1f bits", depth, name, bits)
			}
		}
	}
}

// TestEstimateFindsWeakSets: what is not offered must show as weaker.
func TestEstimateFindsWeakSets(t *testing.T) {
	for name, p := range map[string]params{
		"half of k, depth 11": {1 << 17, 1170, 11},
		"half of k, depth 13": {1 << 19, 1900, 13},
		"2020, depth 13":      {452000, 1280, 13},
	} {
		all, random, least := enumeration(p, float64(p.k)), enumeration(p, randomMinor(p)), enumeration(p, smallestMinor(p))
		t.Logf("%s: all columns %.0f, random minor %.0f, smallest conceivable minor %.0f bits; pooled Gauss %.0f; algebraic %.0f", name, all, random, least, pooledGauss(p), algebraic(p))
		if random > 100 {
			t.Errorf("%s: %.1f bits", name, random)
		}
	}
}

// TestMinorsExist peels columns of low degree off a small code until rows are
// no more than columns: such a set must exist, smaller than a random one
// and not smaller than the bound.
func TestMinorsExist(t *testing.T) {
	p := params{k: 4096, t: 64, depth: 10} // n = 16 k
	found := peel(p)
	t.Logf("random %.0f, found %d, bound %.0f columns", randomMinor(p), found, smallestMinor(p))
	if float64(found) > randomMinor(p) || float64(found) < smallestMinor(p) {
		t.Errorf("%d columns hold as many rows; random %.0f, bound %.0f", found, randomMinor(p), smallestMinor(p))
	}
}

// peel removes the column of least degree, with its rows, as long as the rest
// has at least as many rows as columns, and returns the columns that are left.
func peel(p params) int {
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([][lpnWeight]int, p.rows())
	in := make([]map[int]bool, p.k)
	for c := range in {
		in[c] = map[int]bool{}
	}
	for i := range rows {
		for j := range rows[i] {
			rows[i][j] = r.IntN(p.k)
			in[rows[i][j]][i] = true
		}
	}
	for left, columns := len(rows), p.k; ; columns-- {
		least := -1
		for c := range in {
			if in[c] != nil && (least < 0 || len(in[c]) < len(in[least])) {
				least = c
			}
		}
		gone := in[least]
		if left-len(gone) < columns-1 {
			return columns
		}
		left -= len(gone)
		in[least] = nil
		for i := range gone {
			for _, c := range rows[i] {
				if in[c] != nil {
					delete(in[c], i)
				}
			}
		}
	}
}
