package onnx

// packedWeights are weights that are stored in two to eight bits, in blocks along the
// inner dimension that have a scale and a zero point each.
type packedWeights struct {
	k, n, bits, block, blocks int
	data, zeros               *Tensor // zeros may be nil
	scales                    *Tensor
}

// matMulNBits multiplies by packed weights.
func matMulNBits(c *ctx) []*operand {
	if c.arg(4) != nil {
		c.refuseQuantised("weights in an order of their own (g_idx)")
	}
	p := c.packedWeights()
	w := c.fresh(Float, []int{p.k, p.n})
	for row := range p.n {
		for i := range p.k {
			w.F[i*p.n+row] = p.at(row, i)
		}
	}
	return one(c.matmul(c.in[0], c.secret(w), c.arg(5)))
}

func (c *ctx) packedWeights() *packedWeights {
	p := &packedWeights{k: c.int("K", 0), n: c.int("N", 0), bits: c.int("bits", 4), block: c.int("block_size", 0)}
	if p.bits != 2 && p.bits != 4 && p.bits != 8 {
		c.refuseQuantised("weights of an odd number of bits")
	}
	if p.k < 1 || p.n < 1 || p.block < 1 || p.k > maxElements || p.n > maxElements/p.k || p.block > maxElements {
		c.failf("%d x %d weights in blocks of %d", p.k, p.n, p.block)
	}
	p.blocks = (p.k + p.block - 1) / p.block
	p.data, p.scales = c.constant(1, "the weights"), c.constant(2, "the scales")
	if p.data.I == nil || p.data.N() != p.n*p.blocks*p.blockBytes() || p.scales.N() != p.n*p.blocks {
		c.failf("%d bytes of weights and %d scales for %d x %d in blocks of %d", p.data.N(), p.scales.N(), p.k, p.n, p.block)
	}
	p.zeros = c.constant(3, "the zero points")
	if p.zeros != nil && p.zeros.N() != p.n*p.zerosEach() {
		c.failf("%d zero points for %d rows of %d blocks", p.zeros.N(), p.n, p.blocks)
	}
	return p
}

// zerosEach is how many zero points a row has: a real number for each block, or integers
// that are packed as the weights are.
func (p *packedWeights) zerosEach() int {
	if p.zeros.I == nil {
		return p.blocks
	}
	return p.zeroBytes()
}

func (p *packedWeights) blockBytes() int { return (p.block*p.bits + 7) / 8 }
func (p *packedWeights) zeroBytes() int  { return (p.blocks*p.bits + 7) / 8 }

// at is the weight of an output at an input.
func (p *packedWeights) at(row, i int) float32 {
	b := i / p.block
	q := bitsAt(p.data.I[(row*p.blocks+b)*p.blockBytes():], i%p.block, p.bits)
	return float32((float64(q) - p.zero(row, b)) * p.scales.at(row*p.blocks+b))
}

func (p *packedWeights) zero(row, b int) float64 {
	switch {
	case p.zeros == nil:
		return float64(int(1) << (p.bits - 1))
	case p.zeros.I == nil:
		return p.zeros.at(row*p.blocks + b)
	}
	return float64(bitsAt(p.zeros.I[row*p.zeroBytes():], b, p.bits))
}

// bitsAt is the i-th of small numbers in bytes, the lowest bits first.
func bitsAt(bytes []int64, i, bits int) int64 {
	each := 8 / bits
	return bytes[i/each] >> (i % each * bits) & (1<<bits - 1)
}
