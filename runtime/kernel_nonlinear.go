package runtime

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// nonlinearKernels binds the protocols that compare and multiply to package
// nonlinear.
func nonlinearKernels() map[plan.Proto]Kernel {
	all := map[plan.Proto]Kernel{}
	for proto, k := range nonlinearProtocols() {
		all[proto] = Kernel{Ideal: k.ideal, Slack: k.slack, Run: func(ctx context.Context, p *Party, c *Call) ([]Vec, error) {
			if c.Linear() != nil && (p.Made != nil || p.Tape != nil) {
				return runLinearAhead(ctx, p, c)
			}
			return k.run(ctx, p.crossing(), c, p.Weights)
		}}
	}
	return all
}

// nonlinearProtocol is a Kernel before the correlations are known.
type nonlinearProtocol struct {
	ideal func(c *Call, w Weights) ([]Vec, error)
	slack func(s *plan.Step) uint64
	run   func(ctx context.Context, p *nonlinear.Party, c *Call, w Weights) ([]Vec, error)
}

func nonlinearProtocols() map[plan.Proto]nonlinearProtocol {
	return map[plan.Proto]nonlinearProtocol{
		plan.ProtoExtend:   {idealExtend, nil, runExtend},
		plan.ProtoTruncate: {idealTruncate, slackTruncate, runTruncate},
		plan.ProtoRelu:     {idealRelu, slackSign, runRelu},
		plan.ProtoPRelu:    {idealPRelu, slackPRelu, runPRelu},
		plan.ProtoClip:     {idealClip, slackSign, runClip},
		plan.ProtoMaxPool:  {idealMaxPool, slackMaxPool, runMaxPool},
		plan.ProtoArgMax:   {idealArgMax, nil, runArgMax},
		plan.ProtoMul:      {idealMul, slackMul, runMul},
		plan.ProtoFunc:     {idealFunc, slackFunc, runFunc},
		plan.ProtoLinearOT: {idealLinear, slackLinearOT, runLinearOT},
	}
}

// signOf is how a step compares.
func signOf(c *plan.Sign) nonlinear.Sign {
	return nonlinear.Sign{Bits: c.Bits, Lo: c.Lo, Hi: c.Hi, Tree: c.Tree}
}

func tree(leaf int) wire.Tree { return wire.Tree{Leaf: plan.LeafOf(leaf)} }

// slackSign: near zero the sign may come out negative.
func slackSign(s *plan.Step) uint64 { return 1<<s.Sign().Lo - 1 }

// one wraps a protocol with one result.
func one(y Vec, err error) ([]Vec, error) {
	if err != nil {
		return nil, err
	}
	return []Vec{y}, nil
}

// each computes an ideal result element by element on signed values.
func each(c *Call, f func(i int, x int64) int64) ([]Vec, error) {
	out := c.Out()
	in, m := c.InTypes[0].Bits, mask(c.OutTypes[0].Bits)
	for i, x := range c.In[0] {
		out[0][i] = uint64(f(i, Signed(x, in))) & m
	}
	return out, nil
}

func runExtend(ctx context.Context, p *nonlinear.Party, c *Call, _ Weights) ([]Vec, error) {
	e, x := c.Attrs.(*plan.Extend), c.In[0]
	switch {
	case e.Any:
		return one(p.ExtendAny(ctx, x, e.From, e.To, tree(e.Leaf)))
	case e.NonNeg:
		return one(p.ExtendNonNeg(ctx, x, e.From, e.To))
	}
	return one(p.Extend(ctx, x, e.From, e.To))
}

func idealExtend(c *Call, _ Weights) ([]Vec, error) {
	return each(c, func(_ int, x int64) int64 { return x })
}

func runTruncate(ctx context.Context, p *nonlinear.Party, c *Call, _ Weights) ([]Vec, error) {
	t := c.Attrs.(*plan.Truncate)
	if t.Exact {
		return one(p.TruncateExact(ctx, c.In[0], t.From, t.Shift, t.To, tree(t.Leaf)))
	}
	return one(p.TruncateStochastic(ctx, c.In[0], t.From, t.Shift, t.To))
}

func idealTruncate(c *Call, _ Weights) ([]Vec, error) {
	s := c.Attrs.(*plan.Truncate).Shift
	return each(c, func(_ int, x int64) int64 { return (x + 1<<(s-1)) >> s })
}

func slackTruncate(s *plan.Step) uint64 {
	if s.Attrs.(*plan.Truncate).Exact {
		return 0
	}
	return 1
}

func runRelu(ctx context.Context, p *nonlinear.Party, c *Call, w Weights) ([]Vec, error) {
	flip, err := flips(p.Role, c, w)
	if err != nil {
		return nil, err
	}
	a := c.Attrs.(*plan.Relu)
	return one(p.Relu(ctx, c.In[0], signOf(&a.Sign), flip, max(a.Bits, a.ExtendTo)))
}

// flips spreads the server's secret signs over the elements.
func flips(role transport.Role, c *Call, w Weights) (*nonlinear.Flip, error) {
	a := c.Attrs.(*plan.Relu)
	if !a.Flip {
		return nil, nil
	}
	if role == transport.Client {
		return &nonlinear.Flip{}, nil
	}
	f, err := w.Ints(c.W+"/flip", a.Spread.Channels)
	if err != nil {
		return nil, err
	}
	bits := make([]uint64, ring.Words(len(c.In[0])))
	for i := range c.In[0] {
		bits[i/64] |= uint64(f[a.Spread.At(i)]) & 1 << (i % 64)
	}
	return &nonlinear.Flip{At: bits}, nil
}

func idealRelu(c *Call, w Weights) ([]Vec, error) {
	flip, err := flips(transport.Server, c, w)
	if err != nil {
		return nil, err
	}
	return each(c, func(i int, x int64) int64 {
		if (x >= 0) == (flip != nil && ring.Bit(flip.At, i) == 1) {
			return 0
		}
		return x
	})
}

func runPRelu(ctx context.Context, p *nonlinear.Party, c *Call, w Weights) ([]Vec, error) {
	a := c.Attrs.(*plan.PRelu)
	var f Vec
	if p.Role == transport.Server {
		slope, err := slopes(c, w)
		if err != nil {
			return nil, err
		}
		f = make(Vec, len(slope))
		for i, s := range slope {
			f[i] = uint64(2<<a.SlopeFrac - s)
		}
	}
	y, err := p.PRelu(ctx, c.In[0], signOf(&a.Sign), f, a.SlopeFrac)
	if out := c.OutTypes[0].Bits; err == nil && out < a.Bits {
		return one(p.TruncateStochastic(ctx, y, a.Bits, a.Bits-out, out))
	}
	return one(y, err)
}

// slopes spreads the server's slopes over the elements.
func slopes(c *Call, w Weights) ([]int64, error) {
	a := c.Attrs.(*plan.PRelu)
	short, err := w.Ints(c.W+"/slope", a.Spread.Channels)
	if err != nil {
		return nil, err
	}
	for _, s := range short {
		if s > 2<<a.SlopeFrac || s <= -2<<a.SlopeFrac {
			return nil, fmt.Errorf("a slope, with %d fraction bits, is not in (-2, 2]", a.SlopeFrac)
		}
	}
	all := make([]int64, len(c.In[0]))
	for i := range all {
		all[i] = short[a.Spread.At(i)]
	}
	return all, nil
}

func idealPRelu(c *Call, w Weights) ([]Vec, error) {
	slope, err := slopes(c, w)
	if err != nil {
		return nil, err
	}
	a := c.Attrs.(*plan.PRelu)
	shift := a.Bits - c.OutTypes[0].Bits
	return each(c, func(i int, x int64) int64 {
		if x >= 0 {
			slope[i] = 1 << a.SlopeFrac
		}
		return roundShift(x*slope[i], shift)
	})
}

func roundShift(x int64, shift int) int64 {
	if shift == 0 {
		return x
	}
	return (x + 1<<(shift-1)) >> shift
}

// slackPRelu: a wrong sign near zero costs up to 3 * 2^Lo before the shift, a
// rounding one ulp; the shift is not known here, so it is left out.
func slackPRelu(s *plan.Step) uint64 { return 1 + 3*slackSign(s)<<s.Attrs.(*plan.PRelu).SlopeFrac }

func runClip(ctx context.Context, p *nonlinear.Party, c *Call, _ Weights) ([]Vec, error) {
	a := c.Attrs.(*plan.Clip)
	s := signOf(&a.Sign)
	below, above := a.Bounded()
	switch {
	case below && above:
		return one(p.Clip(ctx, c.In[0], s, a.Min, a.Max))
	case below:
		return one(p.ClipBelow(ctx, c.In[0], s, a.Min))
	case above:
		return one(p.ClipAbove(ctx, c.In[0], s, a.Max))
	}
	return []Vec{c.In[0]}, nil
}

func idealClip(c *Call, _ Weights) ([]Vec, error) {
	a := c.Attrs.(*plan.Clip)
	return each(c, func(_ int, x int64) int64 { return min(max(x, a.Min), a.Max) })
}

func runMaxPool(ctx context.Context, p *nonlinear.Party, c *Call, _ Weights) ([]Vec, error) {
	a := c.Attrs.(*plan.MaxPool)
	y, _, err := p.Select(ctx, c.In[0], a.Pool.C, a.Pool.Network(), signOf(&a.Sign), 0)
	return one(y, err)
}

func idealMaxPool(c *Call, _ Weights) ([]Vec, error) {
	g, out := &c.Attrs.(*plan.MaxPool).Pool, c.Out()
	bits, at := c.InTypes[0].Bits, 0
	for ch := range g.C {
		plane := c.In[0][ch*g.H*g.W : (ch+1)*g.H*g.W]
		for oy := range g.OH {
			for ox := range g.OW {
				out[0][at] = maxWindow(plane, g, oy*g.SH-g.PT, ox*g.SW-g.PL, bits)
				at++
			}
		}
	}
	return out, nil
}

func maxWindow(plane Vec, g *plan.Pool, top, left, bits int) (best uint64) {
	first := true
	for i := range g.KH {
		for j := range g.KW {
			y, x := top+i*g.DH, left+j*g.DW
			if y < 0 || y >= g.H || x < 0 || x >= g.W {
				continue
			}
			if v := plane[y*g.W+x]; first || Signed(v, bits) > Signed(best, bits) {
				best, first = v, false
			}
		}
	}
	return best
}

// slackMaxPool: every level of the tournament may lose 2^Lo - 1.
func slackMaxPool(s *plan.Step) uint64 {
	net := s.Attrs.(*plan.MaxPool).Pool.Network()
	return slackSign(s) * uint64(len(net.Levels))
}

func runArgMax(ctx context.Context, p *nonlinear.Party, c *Call, _ Weights) ([]Vec, error) {
	a := c.Attrs.(*plan.ArgMax)
	rows := c.OutTypes[0].N() / a.K
	net := wire.TopK(len(c.In[0])/rows, a.K)
	_, y, err := p.Select(ctx, c.In[0], rows, net, signOf(&a.Sign), c.OutTypes[0].Bits)
	return one(y, err)
}

// idealArgMax runs the same network on the values, so that equal elements come
// out in the same order.
func idealArgMax(c *Call, _ Weights) ([]Vec, error) {
	out, bits := c.Out(), c.InTypes[0].Bits
	k := c.Attrs.(*plan.ArgMax).K
	rows := c.OutTypes[0].N() / k
	n := len(c.In[0]) / rows
	net := wire.TopK(n, k)
	for r := range rows {
		idx := make([]int, n)
		for i := range idx {
			idx[i] = i
		}
		row := c.In[0][r*n : (r+1)*n]
		for _, level := range net.Levels {
			for _, g := range level {
				a, b := idx[g[0]], idx[g[1]]
				if Signed(row[a], bits) < Signed(row[b], bits) {
					a, b = b, a
				}
				if idx = append(idx, a); net.Both {
					idx = append(idx, b)
				}
			}
		}
		for i, o := range net.Outputs {
			out[0][r*k+i] = uint64(idx[o]) & mask(c.OutTypes[0].Bits)
		}
	}
	return out, nil
}

func runMul(ctx context.Context, p *nonlinear.Party, c *Call, _ Weights) ([]Vec, error) {
	m, bits := c.Attrs.(*plan.Mul), c.InTypes[0].Bits
	var y Vec
	var err error
	switch {
	case m.Squares(c.Step):
		y, err = p.Square(ctx, c.In[0], bits)
	case m.M == 0:
		y, err = p.Mul(ctx, c.In[0], c.In[1], bits)
	default:
		y, err = p.MatMul(ctx, c.In[0], c.In[1], nonlinear.Matrix{Batch: m.Batch, M: m.M, K: m.K, N: m.N}, bits)
	}
	if err != nil || m.Shift == 0 {
		return one(y, err)
	}
	return one(p.TruncateStochastic(ctx, y, bits, m.Shift, bits-m.Shift))
}

func slackMul(s *plan.Step) uint64 { return min(uint64(s.Attrs.(*plan.Mul).Shift), 1) }

func idealMul(c *Call, _ Weights) ([]Vec, error) {
	m, bits := c.Attrs.(*plan.Mul), c.InTypes[0].Bits
	out := c.Out()
	g := plan.Mul{Batch: len(c.In[0]), M: 1, K: 1, N: 1}
	if m.M > 0 {
		g = *m
	}
	for t := range g.Batch {
		for i := range g.M {
			for j := range g.N {
				var sum uint64
				for k := range g.K {
					sum += c.In[0][(t*g.M+i)*g.K+k] * c.In[1][(t*g.K+k)*g.N+j]
				}
				at := (t*g.M+i)*g.N + j
				out[0][at] = uint64(roundShift(Signed(sum, bits), m.Shift)) & mask(c.OutTypes[0].Bits)
			}
		}
	}
	return out, nil
}

func runFunc(ctx context.Context, p *nonlinear.Party, c *Call, _ Weights) ([]Vec, error) {
	a, bits := c.Attrs.(*plan.Func), c.InTypes[0].Bits
	if f := a.Piecewise; f != nil {
		return one(p.Piecewise(ctx, c.In[0], &f.Piecewise))
	}
	s := a.Spline
	f := nonlinear.Pieces{Knots: s.Knots, Slope: s.Slope, Offset: s.Offset, Frac: s.Frac}
	return one(p.Spline(ctx, c.In[0], f, nonlinear.Sign{Bits: bits, Hi: bits, Tree: a.Tree()}, c.OutTypes[0].Bits))
}

func slackFunc(s *plan.Step) uint64 { return uint64(min(s.Attrs.(*plan.Func).Frac(), 1)) }

// idealFunc is the lines, rounded; how far that is from the function is in the plan.
func idealFunc(c *Call, _ Weights) ([]Vec, error) {
	f := c.Attrs.(*plan.Func)
	frac := f.Frac()
	return each(c, func(_ int, x int64) int64 { return roundShift(f.Eval(x), frac) })
}
