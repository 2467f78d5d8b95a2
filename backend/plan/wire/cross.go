package wire

// Cross is one OT of a leaf that crosses: the product of the server's bits in Server, a mask
// that is not 0, with a bit of the client's for each of some results.
//
// The carry that the lowest bits of a leaf generate, and whether they propagate one, are sums of
// such products: polynomials in the server's bits, whose coefficients the client knows.
type Cross struct {
	Server uint32
	Of     []CrossOf
}

// CrossOf is a result of the lowest Bits bits of a leaf: the carry that they generate, or
// whether they propagate one.
type CrossOf struct {
	Bits       int
	Propagates bool
}

// Crosses are the OTs of a leaf that crosses, of which each bit doubles the number. Whether a single bit propagates is local, and so
// are the products of all the server's bits and of none.
func (l *Leaf) Crosses() []Cross {
	all := make([]Cross, 0, 1<<l.Size-1)
	for m := uint32(1); m < 1<<l.Size; m++ {
		x := Cross{Server: m}
		for bits := 1; bits <= l.Size; bits++ {
			if bits < l.Size && len(l.Sums[0].Inner) == 0 || m >= 1<<bits {
				continue
			}
			x.Of = append(x.Of, CrossOf{bits, false})
			if l.Asked && m != 1<<bits-1 {
				x.Of = append(x.Of, CrossOf{bits, true})
			}
		}
		all = append(all, x)
	}
	return all
}

// Client is what the client's bits c multiply the server's with: each word holds the bits of
// 64 sums.
func (o CrossOf) Client(server uint32, c []uint64) uint64 {
	if o.Propagates {
		all := ^uint64(0)
		for i := range o.Bits {
			if server>>i&1 == 0 {
				all &= c[i]
			}
		}
		return all
	}
	// g = s c ^ (s ^ c) g' for the highest bits s and c, g' the carry into them.
	top := o.Bits - 1
	if top < 0 || server == 0 {
		return 0
	}
	below := CrossOf{top, false}
	switch rest := server &^ (1 << top); {
	case rest == server:
		return c[top] & below.Client(server, c)
	case rest == 0:
		return c[top]
	default:
		return below.Client(rest, c)
	}
}
