package backend

import "secc.example/secc/ir"

// layer is an operator of a real graph as far as its price goes.
type layer struct {
	LayerCost
	kind    layerKind
	conv    *conv2d
	size    int    // average pool: elements of a window
	mats    [4]int // product of two secret matrices: how many, and their three dimensions
	inputs  int    // elements that a product reads
	outputs int    // elements that it makes
	clients bool   // it reads what the client holds itself
}

type layerKind uint8

const (
	kindConv     layerKind = iota
	kindFactor             // elementwise product by a constant
	kindProduct            // elementwise product of two secrets
	kindMatrices           // matrix product of two secrets
	kindCompare            // relu and its like
	kindArgMax             // a comparison that also carries an index
	kindDivision           // average pool
)

// conv2d is what a product over OT depends on.
type conv2d struct {
	group, in, filters int
	kh, kw, sh, sw     int
	batch, oh, ow      int
	dilated            bool
}

func (c *conv2d) positions() int { return c.batch * c.oh * c.ow }

// layerOf describes a value that costs something, or gives nil. Functions by
// tables (sigmoid and the like) are left out: CrypTFlow2 has none.
func layerOf(v *ir.Value, uses map[*ir.Value]int) *layer {
	n := v.Type.N()
	l := &layer{LayerCost: LayerCost{Name: v.Name, Op: string(v.Op), Elems: int64(n)}, kind: kindCompare, outputs: n}
	switch v.Op {
	case ir.OpConv:
		l.convolution(v)
	case ir.OpRelu, ir.OpPRelu, ir.OpAbs, ir.OpMax, ir.OpMin:
	case ir.OpClip:
		l.Elems *= 2
	case ir.OpMaxPool:
		l.Elems *= int64(ir.Numel(v.Attrs.(*ir.PoolAttrs).Kernel) - 1)
	case ir.OpReduceMax:
		l.Elems = int64(v.Args[0].Type.N() - n)
	case ir.OpArgMax:
		l.kind, l.Elems = kindArgMax, int64(max(v.Args[0].Type.N()-n, 0))
	case ir.OpAvgPool:
		l.kind, l.size = kindDivision, ir.Numel(v.Attrs.(*ir.PoolAttrs).Kernel)
	case ir.OpBatchNorm:
		if folds(v.Args[0], uses) {
			return nil
		}
		l.kind = kindFactor
	case ir.OpMul:
		if ir.IsConst(v.Args[0]) || ir.IsConst(v.Args[1]) {
			return nil // a factor by a constant is folded or local
		}
		l.kind = kindProduct
	case ir.OpMatMul:
		l.matrices(v)
	default:
		return nil
	}
	return l
}

// folds: a batch_norm behind a convolution that nobody else reads vanishes into
// its weights, as EzPC's front end has it.
func folds(x *ir.Value, uses map[*ir.Value]int) bool { return x.Op == ir.OpConv && uses[x] == 1 }

func (l *layer) convolution(v *ir.Value) {
	g := convGeometry(v)
	l.kind, l.Elems, l.MACs = kindConv, 0, int64(v.Type.N())*int64(g.FilterLen())
	l.inputs, l.clients = v.Args[0].Type.N(), v.Args[0].Op == ir.OpInput
	l.conv = &conv2d{group: g.G, in: g.CIn, filters: g.COut, kh: g.KH, kw: g.KW, sh: g.SH, sw: g.SW,
		batch: g.Batch, oh: g.OH, ow: g.OW, dilated: g.DH*g.DW != 1}
}

func (l *layer) matrices(v *ir.Value) {
	a, y := v.Args[0].Type.Shape, v.Type.Shape
	d1, d2, d3 := 1, a[len(a)-1], 1
	if len(a) > 1 {
		d1 = a[len(a)-2]
	}
	if b := v.Args[1].Type.Shape; len(b) > 1 {
		d3 = y[len(y)-1]
	}
	l.kind, l.Elems, l.MACs = kindMatrices, 0, int64(v.Type.N())*int64(d2)
	l.inputs, l.mats = v.Args[0].Type.N()+v.Args[1].Type.N(), [4]int{v.Type.N() / (d1 * d3), d1, d2, d3}
}

// price gives the bytes of a layer: of its products, and of all else.
func (r rung) price(l *layer) (linear, rest int64) {
	bits, more := 0.0, 0.0
	n := float64(l.Elems)
	switch l.kind {
	case kindConv:
		bits, more = r.convolution(l.conv), r.around(l)
	case kindFactor:
		bits, more = n*float64(r.terms)*r.matmul(1, 1, 1, r.weight, r.input, r.ring), n*r.truncate(r.ring, r.shift)
	case kindProduct:
		bits, more = 2*n*r.matmul(1, 1, 1, r.input, r.input, r.ring), n*r.truncate(r.ring, r.shift)
	case kindMatrices:
		bits, more = 2*float64(l.mats[0])*r.matmul(l.mats[1], l.mats[2], l.mats[3], r.input, r.input, r.ring), r.around(l)
	case kindCompare:
		more = n * r.relu(r.compare)
	case kindArgMax:
		more = n * (r.relu(r.compare) + r.multiplex(r.compare))
	case kindDivision:
		more = n * r.divide(r.compare, l.size)
	}
	return int64(bits / 8), int64(more / 8)
}

// around is what a product needs beside itself: in one ring its result is
// truncated, with mixed widths it is narrowed and its argument widened.
func (r rung) around(l *layer) float64 {
	if !r.mixed {
		return float64(l.outputs) * r.truncate(r.ring, r.shift)
	}
	bits := float64(l.outputs) * r.narrow(r.ring, r.shift)
	if !l.clients {
		bits += float64(l.inputs) * r.widen(r.compare, r.ring)
	}
	return bits
}

// product is a matrix product by weights with all its cross terms.
func (r rung) product(d1, d2, d3 int) float64 {
	return float64(r.terms) * r.matmul(d1, d2, d3, r.weight, r.input, r.ring)
}

// convolution is the cheapest form that the rung has.
func (r rung) convolution(c *conv2d) float64 {
	best := r.spatial(c)
	if r.xop && c.group == 1 && c.kh*c.kw > 1 && c.in > 3 {
		best = min(best, r.xOperator(c))
	}
	return best
}

// xOperator: half of the channels convolved one by one, the other half as they
// are, then a dense 1x1: positions*C*(k^2/2 + filters) multiplications. That is
// the operator benchmark in the public code; the paper gives no formula.
func (r rung) xOperator(c *conv2d) float64 {
	half := *c
	half.group, half.in, half.filters = c.in/2, c.in/2, c.in/2
	return r.spatial(&half) + r.product(c.filters, c.in, c.positions())
}

// spatial is a convolution direct or, on its rungs, by Winograd's algorithm:
// F(4x4,3x3) or F(2x2,5x5), both on tiles of 6x6, stride 1.
func (r rung) spatial(c *conv2d) float64 {
	g := c.group
	direct := float64(g) * r.product(c.filters/g, c.in/g*c.kh*c.kw, c.positions())
	side := map[int]int{3: 4, 5: 2}[c.kh]
	if !r.winograd || side == 0 || c.kh != c.kw || c.sh*c.sw != 1 || c.dilated {
		return direct
	}
	tiles := c.batch * ((c.oh + side - 1) / side) * ((c.ow + side - 1) / side)
	if r.mixed {
		r.weight, r.ring, r.input = r.weight+mixedTileExt, r.ring+mixedTileExt, r.input+mixedTileExt
	}
	return min(direct, 36*float64(g)*r.product(c.filters/g, c.in/g, tiles))
}
