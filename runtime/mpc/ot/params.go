package ot

// params is a Ferret parameter set: a secret of k = 2^(depth+7) bits, t trees of
// 2^depth leaves, one noisy leaf each, a local linear code of weight lpnWeight
// whose rows share lines of the secret (gather.go).
//
// What governs security is k/2^depth: some 1.44 bits for each unit, less what an
// attacker gains by folding the lines and by working in a subset of the columns that holds
// more rows than columns, which a code of weight 10 has (estimate_test.go,
// docs/security-ot.md). The sets that others publish have half this k and do not
// count the latter; they are not offered.
type params struct{ k, t, depth int }

const lpnWeight = 10

// paramsOf returns the set that a depth names.
func paramsOf(depth int) (params, bool) {
	switch depth {
	case 13:
		return params{1 << 20, 1900, 13}, true
	case 12:
		return params{1 << 19, 1520, 12}, true
	case 11:
		return params{1 << 18, 1170, 11}, true
	case 10:
		return params{1 << 17, 850, 10}, true
	}
	return params{}, false
}

// rows is what a whole iteration makes.
func (p params) rows() int { return p.t << p.depth }

// rowAlign keeps the rows that are handed out aligned to the kernels.
const rowAlign = 64

// reserve is what an iteration keeps of its rows for the next one.
func (p params) reserve() int {
	return (p.k + p.t*p.depth + rowAlign - 1) / rowAlign * rowAlign
}

// trees is the number of trees of an iteration that is to hand out want rows,
// and whether it is the last. The last one keeps nothing back and makes no tree
// in vain: a prefix of a regular LPN instance is no easier than all of it.
func (p params) trees(want int64) (trees int, last bool) {
	if want > int64(p.rows()) {
		return p.t, false
	}
	return int((want + 1<<p.depth - 1) >> p.depth), true
}

// first is what must be there before the first iteration.
func (p params) first(total int64) int {
	t, _ := p.trees(total)
	return p.k + t*p.depth
}

// bootstrapK is SoftSpoken's group size for the bootstrap.
const bootstrapK = 8

// chainOf lists the sets that run one after the other: the smallest makes what
// the others begin with, at less than SoftSpoken's price.
func chainOf(depth int) []params {
	small, _ := paramsOf(10)
	if depth == 10 {
		return []params{small}
	}
	p, _ := paramsOf(depth)
	return []params{small, p}
}
