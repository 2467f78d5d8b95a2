package choose

import (
	"maps"
	"slices"
)

// coefficients are the bits of slope, offset and step.
type coefficients [3]uint64

func (c coefficients) plus(d coefficients) coefficients {
	return coefficients{c[0] ^ d[0], c[1] ^ d[1], c[2] ^ d[2]}
}

// normalForm collects, for every product of bits of the name, the bits of the coefficients
// that it changes.
type normalForm struct {
	named, low int
	gate       uint32 // bits that are set wherever that matters
	terms      map[uint32]coefficients
}

func (n *normalForm) add(mask uint32, v coefficients) {
	if v = v.plus(n.terms[mask]); v == (coefficients{}) {
		delete(n.terms, mask)
		return
	}
	n.terms[mask] = v
}

// flip turns bits of the name round, one after the other, where that leaves fewer
// products, and says which: a product with 1+b is one without b, and one with.
func (n *normalForm) flip() (mask uint32) {
	for i := range n.named {
		b := uint32(1) << i
		if n.turned(b) >= 0 {
			continue
		}
		for m, v := range maps.Clone(n.terms) {
			if m&b != 0 {
				n.add(m&^b, v)
			}
		}
		mask |= b
	}
	return mask
}

// turned is by how many products there are more if a bit is turned round.
func (n *normalForm) turned(b uint32) (more int) {
	for m, v := range n.terms {
		if m&b == 0 {
			continue
		}
		switch w, ok := n.terms[m&^b]; {
		case !ok:
			more++
		case w == v:
			more--
		}
	}
	return more
}

// side adds the values of one side's segments, the tail's last. marked says that
// the top bit of the name is set there.
func (n *normalForm) side(d side, values []coefficients, marked bool) {
	tail := values[len(values)-1]
	n.where(marked, 0, tail)
	at := 0
	for _, c := range d.cells {
		some := make([]coefficients, 0, 1<<c.cuts)
		for _, q := range c.parts {
			v := values[at].plus(tail)
			some = append(some, slices.Repeat([]coefficients{v}, 1<<(q.width-c.width+c.cuts))...)
			at++
		}
		above := n.above(c.width)
		if c.from > 0 { // the bit at c.width is not like the sign, those above are
			n.cell(marked, n.above(c.width+1), c, some)
		}
		n.cell(marked, above, c, some)
	}
}

// above is the product of the bits of the name from a bit of x on.
func (n *normalForm) above(bit int) uint32 {
	at := max(bit-n.low, 0)
	return (1<<n.named - 1) &^ (1<<at - 1)
}

// cell adds a function of the bits that cut a cell, in normal form: the part of
// a set of bits is the sum over all of its subsets.
func (n *normalForm) cell(marked bool, prefix uint32, c cell, values []coefficients) {
	form := make([]coefficients, len(values))
	for u := range form {
		form[u] = values[len(values)-1-u] // a set bit of the name is a bit of the magnitude that is not set
	}
	for b := 1; b < len(form); b <<= 1 {
		for u := range form {
			if u&b != 0 {
				form[u] = form[u].plus(form[u^b])
			}
		}
	}
	for u, v := range form {
		n.where(marked, prefix|uint32(u)<<(c.width-c.cuts-n.low), v)
	}
}

// where adds a product on one side of zero.
func (n *normalForm) where(marked bool, mask uint32, v coefficients) {
	n.add((mask|1<<n.named)&^n.gate, v)
	if !marked {
		n.add(mask&^n.gate, v)
	}
}
