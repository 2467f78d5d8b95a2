package ot

import (
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"testing"

	"secc.example/secc/backend/plan/wire"
)

// What the known attacks on a parameter set cost, in bits. The counts lean to
// the attacker's side: memory is free, an element of a list costs one operation however
// long it is, constants are left out. A set is n = t*beta samples, beta = 2^depth,
// with exactly one error in each block of beta.
//
// The code is quasi-cyclic of index lineSize: turning every line and every group
// of rows by one leaves it as it is. So it can be folded: with the sums of the blocks of a line
// as unknowns and the sums of the rows of a group as samples, an instance with a
// quarter of k and of beta is left (or half of them, with pairs), at the same noise rate
// for its size. All attacks are counted against all foldings, and where turns are left that map
// the instance to others of its kind the attacker is given their number as a gain (decoding one out of many).

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
func dense(k float64) float64 { return 2.8 * math.Log2(k) }
func sparse(k, solutions float64) float64 {
	return 2*math.Log2(k) + math.Log2(wire.LPNWeight*solutions)
}

// pooledGauss: guess k - t samples without error, evenly over the blocks; the
// sum of each block is one more equation without error (Esser-Kuebler-May, Crypto 2017, for regular noise).
func pooledGauss(p wire.FerretSet) float64 {
	k, t, n := float64(p.K), float64(p.Trees), float64(p.Rows())
	noBlocks := -t*math.Log2(1-k/n) + sparse(k, 1)
	return min(-t*math.Log2(1-(k-t)/n)+dense(k-t), noBlocks)
}

// enumeration: the same with up to w errors in the information set, found as a
// collision of two lists on ell further samples (regular ISD of Esser-Santini, Eurocrypt
// 2024, appendix A). columns is the size of the secret's part that is solved for.
func enumeration(p wire.FerretSet, columns float64) float64 {
	t, beta := float64(p.Trees), math.Exp2(float64(p.Depth))
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

// statistical: a sum of samples in which the secret cancels is biased by their noise. What the
// lightest such sums that can be made cost to find is left out, and there are taken to be as many
// as are needed. Elimination in a minor of so many columns leaves half as many samples in a sum;
// twelve standard deviations less are granted: of 2^100 sums none is so light.
func statistical(p wire.FerretSet, columns float64) float64 {
	return sumsNeeded(p, columns/2-6*math.Sqrt(columns))
}

// sumsNeeded is how many sums of so many samples each tell noise from chance, as log2.
func sumsNeeded(p wire.FerretSet, weight float64) float64 {
	return -2 * float64(p.Trees) * math.Log2(1-2*weight/float64(p.Rows()))
}

// lightestSum is the least number of samples whose sum is expected to be free of the secret
// for some choice of them (first moment). No way is known to find them.
func lightestSum(p wire.FerretSet) float64 {
	k, n := float64(p.K), float64(p.Rows())
	lo, hi := k/64, k
	for range 60 {
		w := (lo + hi) / 2
		if choose(n, w)+allEven(wire.LPNWeight*w, k) >= 0 {
			hi = w
		} else {
			lo = w
		}
	}
	return hi
}

// allEven is log2 of the chance that so many balls in so many boxes leave an even number in
// each: the coefficient of cosh(x)^boxes at its saddle point.
func allEven(balls, boxes float64) float64 {
	lo, hi := 1e-6, 1e6
	for range 200 {
		if x := math.Sqrt(lo * hi); boxes*x*math.Tanh(x) < balls {
			lo = x
		} else {
			hi = x
		}
	}
	x := hi
	factorial, _ := math.Lgamma(balls + 1)
	return (factorial - balls*math.Log(boxes*x) + boxes*math.Log(math.Cosh(x))) / math.Ln2
}

// Because a row touches ten columns only, some sets S of columns hold more rows
// (that touch nothing outside S) than columns, and the attacks need S alone. A random S
// does from |S| = k*(k/n)^(1/9) on; leaving out columns of low degree gets further; below
// smallestMinor no such S is to be expected at all (first moment).
func randomMinor(p wire.FerretSet) float64 {
	return float64(p.K) * math.Pow(float64(p.K)/float64(p.Rows()), 1.0/(wire.LPNWeight-1))
}

func smallestMinor(p wire.FerretSet) float64 {
	r := float64(p.Rows()) / float64(p.K)
	lo, hi := 0.01, 1.0
	for range 60 {
		x := (lo + hi) / 2
		sets := -x*math.Log(x) - (1-x)*math.Log(1-x)
		mean := r * math.Pow(x, wire.LPNWeight)
		if rare := x*math.Log(x/mean) - x + mean; mean >= x || sets >= rare {
			hi = x
		} else {
			lo = x
		}
	}
	return hi * float64(p.K)
}

// algebraic: mu samples of each of f blocks are guessed to be without error, and
// the quadratic system of the regular structure is solved at the degree where its Hilbert series
// ends (Briaud-Oygarden, Eurocrypt 2023), either densely in the variables that the
// linear equations leave, or sparsely in all of them.
func algebraic(p wire.FerretSet) float64 {
	best := math.Inf(1)
	for f := p.Trees; f >= 0; f -= max(1, p.Trees/24) {
		for i := range 60 {
			mu := (i << p.Depth) / 400
			if left := p.K - p.Trees - f*mu; left > 1 {
				best = min(best, solveQuadratic(p, f, mu, float64(left))-float64(f)*math.Log2(1-float64(mu)/math.Exp2(float64(p.Depth))))
			}
		}
	}
	return best
}

// solveQuadratic is the cost of one guess.
func solveQuadratic(p wire.FerretSet, f, mu int, left float64) float64 {
	const most = 5
	var guessed, free, all, linear [most + 1]*big.Int
	for j := range guessed {
		guessed[j] = term(1<<p.Depth-mu-1, f, j)
		free[j] = term(1<<p.Depth-1, p.Trees-f, j)
		linear[j] = new(big.Int).Binomial(int64(p.Rows()-p.K+j-1), int64(j)) // 1/(1+z)^(n-k)
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
			return max(min(2.8*dense, 2*full+math.Log2(3*left)), sparse(float64(p.K), 1))
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

// twoStage is the hybrid of AGB 2.0 (ePrint 2025/1476): most guesses are thrown
// away after a sparse elimination at a degree where the system is not yet solved, and the dense
// rest is done for those guesses only that come that far.
func twoStage(p wire.FerretSet) float64 {
	const most, steps = 4, 24
	var points []guess
	for i := range steps + 1 {
		f := p.Trees * i / steps
		if f == 0 {
			points = append(points, newGuess(p, 0, 0, most))
			continue
		}
		limit := min(1<<p.Depth-2, (p.K-p.Trees-2)/f)
		for j := range 60 {
			points = append(points, newGuess(p, f, limit*j/59, most))
		}
	}
	best := math.Inf(1)
	for d := 2; d <= most; d++ {
		best = min(best, bestPair(p, points, d))
	}
	return best
}

// guess is one choice of how much is guessed to be without error: in tries, log2
// of 1 over its chance; for every degree the log2 of the monomials and of what
// the equations leave of them.
type guess struct {
	f, mu     int
	tries     float64
	all, left []float64
	rank      []float64 // log2 of their difference
	solved    []bool
}

func newGuess(p wire.FerretSet, f, mu, most int) guess {
	guessed, free, linear := make([]*big.Int, most+1), make([]*big.Int, most+1), make([]*big.Int, most+1)
	for j := range guessed {
		guessed[j] = term(1<<p.Depth-mu-1, f, j)
		free[j] = term(1<<p.Depth-1, p.Trees-f, j)
		linear[j] = new(big.Int).Binomial(int64(p.Rows()-p.K+j-1), int64(j))
		if j%2 == 1 {
			linear[j].Neg(linear[j])
		}
	}
	g := guess{f: f, mu: mu, tries: -float64(f) * math.Log2(1-float64(mu)/math.Exp2(float64(p.Depth)))}
	series := make([]*big.Int, most+1)
	all, left := new(big.Int), new(big.Int)
	for d := range series {
		series[d] = product(guessed, free, d)
	}
	for d := range series {
		if d > 0 {
			all.Add(all, series[d])
			left.Add(left, product(series, linear, d))
		}
		g.all = append(g.all, log2(all))
		g.left = append(g.left, log2(left))
		g.rank = append(g.rank, log2(new(big.Int).Sub(all, left)))
		g.solved = append(g.solved, left.Sign() <= 0)
	}
	return g
}

// log2 of a number, 0 for what is below one.
func log2(x *big.Int) float64 {
	f, _ := new(big.Float).SetInt(x).Float64()
	return max(0, math.Log2(max(f, 1)))
}

// bestPair is the best first guess with the likeliest that ends at degree d.
func bestPair(p wire.FerretSet, points []guess, d int) float64 {
	last, best := math.Inf(1), math.Inf(1)
	for _, g := range points {
		if g.solved[d] {
			last = min(last, g.tries)
		}
	}
	for _, g := range points {
		krylov := math.Log2(float64(3*(p.K+1-g.f*g.mu))) + 2*g.all[d]
		if g.solved[d] {
			best = min(best, krylov+g.tries)
		}
		if g.tries > last {
			continue
		}
		sparse := min(krylov, g.all[d]+2*g.rank[d])
		dense := math.Log2(5.64) + 2.8*min(g.left[d], g.rank[d])
		best = min(best, plus(sparse+g.tries, dense+last))
	}
	return best
}

// folded is the instance that is left when lines and groups are cut to 1/by.
func folded(p wire.FerretSet, by int) wire.FerretSet {
	return wire.FerretSet{K: p.K / by, Trees: p.Trees, Depth: p.Depth - bits.TrailingZeros(uint(by))}
}

// attacks are the rows of the table in docs/security/ot.md, in bits.
func attacks(p wire.FerretSet, peeled float64) map[string]float64 {
	costs := map[string]float64{}
	for by := 1; by <= lineSize; by *= 2 {
		q, gain := folded(p, by), math.Log2(float64(lineSize/by))
		for name, bits := range map[string]float64{
			"pooled Gauss":                            pooledGauss(q),
			"algebraic":                               algebraic(q),
			"algebraic, two stages":                   twoStage(q),
			"enumeration, all columns":                enumeration(q, float64(q.K)),
			"enumeration, random minor":               enumeration(q, randomMinor(q)),
			"enumeration, peeled minor":               enumeration(q, peeled*float64(q.K)),
			"enumeration, smallest conceivable minor": enumeration(q, smallestMinor(q)),
			"statistical, peeled minor":               statistical(q, peeled*float64(q.K)),
			"statistical, smallest conceivable minor": statistical(q, smallestMinor(q)),
		} {
			if was, ok := costs[name]; !ok || bits-gain < was {
				costs[name] = bits - gain
			}
		}
	}
	return costs
}

// TestParametersKeep128Bits is what docs/security/ot.md quotes: the least over all foldings.
func TestParametersKeep128Bits(t *testing.T) {
	for depth := 10; depth <= 13; depth++ {
		p, _ := wire.FerretOf(depth)
		peeled := peeledFraction(p, 1<<13)
		t.Logf("set %d: k = %d, t = %d, n = %d; minors: random %.2f k, peeled %.2f k, smallest %.2f k", depth, p.K, p.Trees, p.Rows(),
			randomMinor(p)/float64(p.K), peeled, smallestMinor(p)/float64(p.K))
		for by := 1; by <= lineSize; by *= 2 {
			q := folded(p, by)
			t.Logf("set %d folded by %d: the lightest sums have %.3f k samples, 2^%.0f of them tell", depth, by, lightestSum(q)/float64(q.K), sumsNeeded(q, lightestSum(q)))
		}
		for name, bits := range attacks(p, peeled) {
			t.Logf("set %d: %s %.0f bits", depth, name, bits)
			if bits < 128 {
				t.Errorf("set %d: %s costs %.1f bits", depth, name, bits)
			}
		}
	}
}

// TestEstimateFindsWeakSets: what is not offered must show as weaker.
func TestEstimateFindsWeakSets(t *testing.T) {
	for name, p := range map[string]wire.FerretSet{
		"half of k, depth 11": {K: 1 << 17, Trees: 1170, Depth: 11},
		"half of k, depth 13": {K: 1 << 19, Trees: 1900, Depth: 13},
		"2020, depth 13":      {K: 452000, Trees: 1280, Depth: 13},
	} {
		costs := attacks(p, peeledFraction(p, 1<<12))
		random := costs["enumeration, random minor"]
		for attack, bits := range costs {
			t.Logf("%s: %s %.0f bits", name, attack, bits)
		}
		if random > 100 {
			t.Errorf("%s: %.1f bits", name, random)
		}
	}
}

// TestMinorsExist peels columns of low degree off a small code until rows are
// no more than columns: such a set must exist, smaller than a random one
// and not smaller than the bound; turning lines does not make it any smaller.
func TestMinorsExist(t *testing.T) {
	p := wire.FerretSet{K: 4096, Trees: 64, Depth: 10} // n = 16 k
	random, turned := peel(p, 1), peel(p, lineSize)
	t.Logf("random %.0f, found %d, in a quasi-cyclic code %d, bound %.0f columns", randomMinor(p), random, turned, smallestMinor(p))
	for _, found := range []int{random, turned} {
		if float64(found) > randomMinor(p) || float64(found) < smallestMinor(p) {
			t.Errorf("%d columns hold as many rows; random %.0f, bound %.0f", found, randomMinor(p), smallestMinor(p))
		}
	}
	if d := math.Abs(float64(random-turned)) / float64(random); d > 0.02 {
		t.Errorf("peeled minors of %d columns, %d with lines that turn", random, turned)
	}
}

// peeledFraction is the part of the columns that peeling leaves in a code of
// this set's shape, found in one of k columns.
func peeledFraction(p wire.FerretSet, k int) float64 {
	small := wire.FerretSet{K: k, Trees: int(float64(p.Rows()) / float64(p.K) * float64(k) / 16), Depth: 4}
	return float64(peel(small, 1)) / float64(k)
}

// peeling is a code of which columns are removed.
type peeling struct {
	rows   [][wire.LPNWeight]int32
	in     [][]int32 // rows of a column
	degree []int32   // of a column that is left, else -1
	least  int       // no column has a smaller degree
	queue  [][]int32 // columns by degree; an entry is stale when the degree has changed
	gone   []bool    // rows
}

// peel removes the column of least degree, with its rows, again and again, and
// returns the least number of columns that still had as many rows. Lines of the code have size line.
func peel(p wire.FerretSet, line int) int {
	c := newPeeling(p, line)
	left, best := len(c.rows), p.K
	for columns := p.K; columns > 1; columns-- {
		if left >= columns {
			best = columns
		}
		left -= c.remove(c.next())
	}
	return best
}

func newPeeling(p wire.FerretSet, line int) *peeling {
	r := rand.New(rand.NewPCG(1, 2))
	c := &peeling{rows: make([][wire.LPNWeight]int32, p.Rows()), in: make([][]int32, p.K), degree: make([]int32, p.K), gone: make([]bool, p.Rows())}
	for i := 0; i < len(c.rows); i += line {
		for j := range wire.LPNWeight {
			at, turn := r.IntN(p.K/line)*line, r.IntN(line)
			for n := range line {
				column := at + (n+turn)%line
				c.rows[i+n][j] = int32(column)
				c.in[column] = append(c.in[column], int32(i+n))
			}
		}
	}
	for column := range c.in {
		c.degree[column] = int32(len(c.in[column]))
		c.put(int32(column))
	}
	return c
}

func (c *peeling) put(column int32) {
	d := int(c.degree[column])
	for len(c.queue) <= d {
		c.queue = append(c.queue, nil)
	}
	c.queue[d] = append(c.queue[d], column)
	c.least = min(c.least, d)
}

// next takes a column of least degree.
func (c *peeling) next() int32 {
	for {
		q := c.queue[c.least]
		if len(q) == 0 {
			c.least++
			continue
		}
		column := q[len(q)-1]
		c.queue[c.least] = q[:len(q)-1]
		if int(c.degree[column]) == c.least {
			return column
		}
	}
}

// remove takes a column and its rows away and returns how many rows that were.
func (c *peeling) remove(column int32) (rows int) {
	c.degree[column] = -1
	for _, row := range c.in[column] {
		if c.gone[row] {
			continue
		}
		c.gone[row] = true
		rows++
		for _, other := range c.rows[row] {
			if c.degree[other] > 0 {
				c.degree[other]--
				c.put(other)
			}
		}
	}
	return rows
}
