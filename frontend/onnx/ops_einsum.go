package onnx

import (
	"slices"
	"strings"

	"secc.example/secc/ir"
)

// einsum is a chain of products of two operands, each a matrix product over the
// letters that both have and the result has not.
func einsum(c *ctx) []*operand {
	terms, result := c.equation(c.str("equation", ""))
	for i, o := range c.in {
		if o == nil {
			c.failf("an input is missing")
		}
		o, terms[i] = c.diagonal(o, terms[i])
		c.in[i] = o
	}
	acc, letters := c.in[0], terms[0]
	for i := 1; i < len(c.in); i++ {
		keep := result + strings.Join(terms[i+1:], "")
		acc, letters = c.contract(acc, letters, c.in[i], terms[i], keep)
	}
	acc, letters = c.dropped(acc, letters, result)
	perm := make([]int, len(result))
	for i, r := range result {
		if perm[i] = strings.IndexRune(letters, r); perm[i] < 0 {
			c.failf("letter %q of the result is in no operand", r)
		}
	}
	return one(c.transpose(acc, perm...))
}

// equation reads the letters of operands and result; an ellipsis becomes
// digits, one a dimension, which broadcast.
func (c *ctx) equation(text string) (terms []string, result string) {
	text = strings.ReplaceAll(text, " ", "")
	for _, r := range strings.NewReplacer("...", "", ",", "", "->", "").Replace(text) {
		if r|0x20 < 'a' || r|0x20 > 'z' {
			c.failf("equation %q", text)
		}
	}
	left, result, explicit := strings.Cut(text, "->")
	terms = strings.Split(left, ",")
	if len(terms) != len(c.in) {
		c.failf("equation %q for %d inputs", text, len(c.in))
	}
	widest := 0
	for i, term := range terms {
		if before, after, dots := strings.Cut(term, "..."); dots {
			n := len(c.in[i].shape) - len(before) - len(after)
			if n < 0 || n > ir.MaxRank {
				c.failf("equation %q for shape %v", text, c.in[i].shape)
			}
			terms[i], widest = before+dotted(n)+after, max(widest, n)
		}
		if len(terms[i]) != len(c.in[i].shape) {
			c.failf("equation %q for shape %v", text, c.in[i].shape)
		}
	}
	if explicit {
		result = strings.ReplaceAll(result, "...", dotted(widest))
	} else {
		result = implicit(terms, widest)
	}
	for i, r := range result {
		if strings.ContainsRune(result[:i], r) {
			c.failf("equation %q repeats %q in its result", text, r)
		}
	}
	return terms, result
}

// dotted names the dimensions of an ellipsis by digits, counted from the end, so
// that shorter ones line up there. A rank is at most 8.
func dotted(n int) string {
	const digits = "9876543210"
	return digits[max(len(digits)-n, 0):]
}

// implicit is the result of an equation without an arrow: the ellipsis, then the
// letters that occur once, sorted.
func implicit(terms []string, widest int) string {
	all := strings.Join(terms, "")
	var once []rune
	for _, r := range all {
		if strings.Count(all, string(r)) == 1 && (r < '0' || r > '9') {
			once = append(once, r)
		}
	}
	slices.Sort(once)
	return dotted(widest) + string(once)
}

// diagonal makes the letters of one operand differ.
func (c *ctx) diagonal(o *operand, letters string) (*operand, string) {
	for i := 0; i < len(letters); i++ {
		j := strings.IndexByte(letters[i+1:], letters[i])
		if j < 0 {
			continue
		}
		j += i + 1
		n := o.shape[i]
		if o.shape[j] != n {
			c.failf("letter %q stands for %d and %d", letters[i], n, o.shape[j])
		}
		perm := []int{i, j}
		for d := range o.shape {
			if d != i && d != j {
				perm = append(perm, d)
			}
		}
		o = c.transpose(o, perm...)
		rest := slices.Clone(o.shape[2:])
		index := make([]int, n)
		for k := range index {
			index[k] = k * (n + 1)
		}
		o = c.gather(c.reshape(o, slices.Concat([]int{n * n}, rest)...), 0, index, []int{n})
		letters = letters[i:i+1] + letters[:i] + letters[i+1:j] + letters[j+1:]
		return c.diagonal(o, letters)
	}
	return o, letters
}

// dropped sums over the letters that nothing further on has.
func (c *ctx) dropped(o *operand, letters, keep string) (*operand, string) {
	var axes []int
	kept := ""
	for i, r := range letters {
		if strings.ContainsRune(keep, r) {
			kept += string(r)
		} else {
			axes = append(axes, i)
		}
	}
	return c.sum(o, axes, dropDims), kept
}

// contract multiplies two operands: letters of both that are kept number matrices,
// those of both that are not are summed over.
func (c *ctx) contract(a *operand, la string, b *operand, lb, keep string) (*operand, string) {
	a, la = c.dropped(a, la, keep+lb)
	b, lb = c.dropped(b, lb, keep+la)
	var batch, inner, rows, columns string
	for _, r := range la {
		switch inB, kept := strings.ContainsRune(lb, r), strings.ContainsRune(keep, r); {
		case inB && kept:
			batch += string(r)
		case inB:
			inner += string(r)
		default:
			rows += string(r)
		}
	}
	for _, r := range lb {
		if !strings.ContainsRune(la, r) {
			columns += string(r)
		}
	}
	size := c.sizes(a, la, b, lb)
	a = c.arranged(a, la, batch+rows+inner, size)
	b = c.arranged(b, lb, batch+inner+columns, size)
	count := func(letters string) int {
		n := 1
		for _, r := range letters {
			n *= size[r]
		}
		return n
	}
	var y *operand
	m, k, n := count(rows), count(inner), count(columns)
	if inner == "" { // nothing to sum over
		y = c.mul(c.reshape(a, count(batch), m, 1), c.reshape(b, count(batch), 1, n))
	} else {
		y = c.matmul(c.reshape(a, batched(count(batch), m, k)...), c.reshape(b, batched(count(batch), k, n)...), nil)
	}
	var shape []int
	for _, r := range batch + rows + columns {
		shape = append(shape, size[r])
	}
	return c.reshape(y, shape...), batch + rows + columns
}

// batched leaves out a batch of one.
func batched(n, rows, columns int) []int {
	if n == 1 {
		return []int{rows, columns}
	}
	return []int{n, rows, columns}
}

// sizes says what letters stand for; a dimension of one broadcasts.
func (c *ctx) sizes(a *operand, la string, b *operand, lb string) map[rune]int {
	size := map[rune]int{}
	for _, o := range []struct {
		shape   []int
		letters string
	}{{a.shape, la}, {b.shape, lb}} {
		for i, r := range o.letters {
			n, known := size[r]
			if known && n != 1 && o.shape[i] != 1 && n != o.shape[i] {
				c.failf("letter %q stands for %d and %d", r, n, o.shape[i])
			}
			size[r] = max(n, o.shape[i])
		}
	}
	return size
}

// arranged brings an operand's dimensions into an order and broadcasts them.
func (c *ctx) arranged(o *operand, letters, order string, size map[rune]int) *operand {
	perm, shape := make([]int, len(order)), make([]int, len(order))
	for i, r := range order {
		perm[i], shape[i] = strings.IndexRune(letters, r), size[r]
	}
	return c.expand(c.transpose(o, perm...), shape...)
}
