package runtime

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// shareKernels holds the protocols that need no cryptography: local maps of
// shares, and the ways in and out.
func shareKernels() map[plan.Proto]Kernel {
	return map[plan.Proto]Kernel{
		plan.ProtoCopy:    local(copyRegions),
		plan.ProtoAffine:  local(affine),
		plan.ProtoReduce:  local(reduce),
		plan.ProtoSumPool: local(sumPool),
		plan.ProtoTiles:   local(tiles),
		plan.ProtoInput:   {Ideal: idealPass, Run: input},
		plan.ProtoReveal:  {Ideal: idealPass, Run: reveal},
	}
}

// adder is the party that adds constants to its share; the other adds nothing.
// Ideal runs a local map as the adder, on the values.
type adder bool

// local makes a kernel of a map that each party applies to its share alone.
func local(f func(c *Call, constants adder, w Weights) ([]Vec, error)) Kernel {
	return Kernel{
		Ideal: func(c *Call, w Weights) ([]Vec, error) { return f(c, true, w) },
		Run: func(_ context.Context, p *Party, c *Call) ([]Vec, error) {
			return f(c, p.Role == transport.Server, p.Weights)
		},
	}
}

// copyRegions moves strided regions onto a constant background.
func copyRegions(c *Call, constants adder, _ Weights) ([]Vec, error) {
	out, a := c.Out(), c.Attrs.(*plan.Copy)
	if constants && a.Fill != 0 {
		fill := uint64(a.Fill) & mask(c.OutTypes[0].Bits)
		for i := range out[0] {
			out[0][i] = fill
		}
	}
	for _, r := range a.Regions {
		copyRegion(out[0], c.In[r.In], r.DstOff, r.SrcOff, r.Dims, r.DstStride, r.SrcStride)
	}
	return out, nil
}

// copyRegion recurses over the dimensions; the last is a loop.
func copyRegion(dst, src Vec, d, s int, dims, ds, ss []int) {
	switch {
	case len(dims) == 0:
		dst[d] = src[s]
	case len(dims) == 1 && ds[0] == 1 && ss[0] == 1:
		copy(dst[d:d+dims[0]], src[s:s+dims[0]])
	case len(dims) == 1:
		for range dims[0] {
			dst[d] = src[s]
			d, s = d+ds[0], s+ss[0]
		}
	default:
		for range dims[0] {
			copyRegion(dst, src, d, s, dims[1:], ds[1:], ss[1:])
			d, s = d+ds[0], s+ss[0]
		}
	}
}

// affine adds up multiples of the inputs and a constant.
func affine(c *Call, constants adder, w Weights) ([]Vec, error) {
	out, m, a := c.Out(), mask(c.OutTypes[0].Bits), c.Attrs.(*plan.Affine)
	y := out[0]
	for i, x := range c.In {
		k := uint64(a.Coef[i])
		for j := range y {
			y[j] += k * x[j]
		}
	}
	if constants {
		for j := range y {
			y[j] += uint64(a.Public)
		}
		if err := addServer(y, c, w); err != nil {
			return nil, err
		}
	}
	for j := range y {
		y[j] &= m
	}
	return out, nil
}

// addServer adds the server's vector, spread over the elements.
func addServer(y Vec, c *Call, w Weights) error {
	a := c.Attrs.(*plan.Affine)
	if !a.Server {
		return nil
	}
	b, err := w.Ints(c.W+"/b", a.Spread.Channels)
	if err != nil {
		return err
	}
	for j := range y {
		y[j] += uint64(b[a.Spread.At(j)])
	}
	return nil
}

// reduce drops high bits.
func reduce(c *Call, _ adder, _ Weights) ([]Vec, error) {
	out, m := c.Out(), mask(c.OutTypes[0].Bits)
	for j, x := range c.In[0] {
		out[0][j] = x & m
	}
	return out, nil
}

// sumPool adds up each window; what lies outside counts as zero.
func sumPool(c *Call, _ adder, _ Weights) ([]Vec, error) {
	out, g := c.Out(), c.Attrs.(*plan.Pool)
	m := mask(c.OutTypes[0].Bits)
	at := 0
	for ch := range g.C {
		plane := c.In[0][ch*g.H*g.W : (ch+1)*g.H*g.W]
		for oy := range g.OH {
			for ox := range g.OW {
				out[0][at] = sumWindow(plane, g, oy*g.SH-g.PT, ox*g.SW-g.PL) & m
				at++
			}
		}
	}
	return out, nil
}

func sumWindow(plane Vec, g *plan.Pool, top, left int) (sum uint64) {
	for i := range g.KH {
		y := top + i*g.DH
		if y < 0 || y >= g.H {
			continue
		}
		for j := range g.KW {
			if x := left + j*g.DW; x >= 0 && x < g.W {
				sum += plane[y*g.W+x]
			}
		}
	}
	return sum
}

// idealPass: the value stays what it is.
func idealPass(c *Call, _ Weights) ([]Vec, error) { return []Vec{c.In[0]}, nil }

// input makes the sharing (server 0, client x). The executor hands the client's
// encoded tensor in as the operand.
func input(_ context.Context, p *Party, c *Call) ([]Vec, error) {
	if p.Role == transport.Client {
		return []Vec{c.In[0]}, nil
	}
	return c.Out(), nil
}

// reveal gives the client the tensor.
//
// Functionality: shares of x in Z_2^k -> x at the client, nothing at the server.
// One message from server to client, n*k bits packed; exact; the client learns x.
func reveal(_ context.Context, p *Party, c *Call) ([]Vec, error) {
	bits := c.InTypes[0].Bits
	b := make([]byte, ring.PackedLen(len(c.In[0]), bits))
	if p.Role == transport.Server {
		ring.Pack(b, c.In[0], bits)
		if err := p.Conn.Send(b); err != nil {
			return nil, err
		}
		return c.Out(), p.Conn.Flush()
	}
	if err := p.Conn.Recv(b); err != nil {
		return nil, err
	}
	out := make(Vec, len(c.In[0]))
	if err := unpack(out, b, bits); err != nil {
		return nil, err
	}
	for i, x := range c.In[0] {
		out[i] = (out[i] + x) & mask(bits)
	}
	return []Vec{out}, nil
}

// unpack is ring.Unpack of what a peer sent.
func unpack(x Vec, b []byte, bits int) error {
	if err := ring.Unpack(x, b, bits); err != nil {
		return fmt.Errorf("%w: %w", transport.ErrViolation, err)
	}
	return nil
}
