package plan

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"secc.example/secc/backend/plan/wire"
)

// Packing is the chosen encoding of a Linear step into polynomials of degree N:
//
//	response[t][o] = sum_i upload[t][i] * W[i][o],
//
// t a tile (a rectangle of outputs and the inputs under it), i a block of input
// channels, o a block of filters. Layout (below) is its one reading: the cost
// model counts messages with it, the runtime takes its index maps from it.
//
// A polynomial in X is seen as 2^Low interleaved polynomials in Y = X^(2^Low):
// the lowest Low bits of a channel's number choose among these, the next ones
// choose one of High channel images laid end to end in Y, and Filters copies of
// that stand for as many filters of one weight polynomial. With Merge > 0,
// 2^Merge responses are folded into one by Merge levels of key switching.
//
// The tiles of a set of Keys share the uniform half of their ciphertexts, each
// under a secret key of its own, so that it is computed and sent once.
type Packing struct {
	N            int
	TileH, TileW int // outputs a tile; for 1x1 kernels TileH = 1 and TileW counts positions over the whole batch
	Low          int // log2 of the channels in the fastest positions
	High         int // channel images end to end
	Filters      int // filters in one weight polynomial
	Merge        int // levels of folding, at most Low
	Keys         int // tiles that share a uniform half

	UploadBits int // bits kept of an upload coefficient
	C0Bits     int // bits of a response coefficient
	C1Bits     int // bits of a coefficient of the response's uniform half
	Digits     int // digits of a key switch; 0 when nothing is merged
}

// errTileSize: an image of a tile does not fit a polynomial.
var errTileSize = errors.New("a tile does not fit a polynomial")

// Kind names the encoding for tables.
func (p Packing) Kind() string {
	switch {
	case p.Merge > 0:
		return "packed"
	case p.Filters > 1 || p.High > 1:
		return "tiled"
	}
	return "plain"
}

// Bounds on packings that come from a file.
const (
	maxTiles   = 1 << 16
	maxBlocks  = 1 << 20
	maxUploads = 1 << 17
)

// Layout is the index map of one operator: which input element each
// coefficient of an upload holds, where each weight stands, and which output
// element each coefficient of a response is. It is immutable once made, except
// for the cache of Upload; use one per goroutine or call Prepare first.
type Layout struct {
	l  *Linear
	p  Packing
	n  int // coefficients in Y: N >> Low
	ph int // phases a channel is split into (strides)

	pointwise bool
	batch     int // tiles of different images are different tiles
	y, x      axis

	rowStride, chanStride int // B and A of one channel image
	taps                  [][]tap
	maxOff                int
	rot                   int // uploads are multiplied by X^-rot, weights by X^rot: then weights have low degree

	block   int // channels (times phases) a block holds
	blocks  int
	classes map[uploadClass]*uploadTable
}

// tap is one kernel position of a phase: its offset in Y and its place in the kernel.
type tap struct{ off, index int }

// NewLayout makes the index map of a valid operator.
func (l *Linear) NewLayout() (*Layout, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return newLayout(l)
}

// Draft makes the index map of an operator of legal shape whose packing is still being
// chosen: of it the degree, tile, images and filters count. Repack gives it the rest,
// Check says whether it will do.
func (l *Linear) Draft() (*Layout, error) { return newLayout(l) }

// Repack changes what of a draft's packing does not move anything.
func (y *Layout) Repack(p Packing) {
	y.p.Keys, y.p.UploadBits, y.p.C0Bits, y.p.C1Bits = p.Keys, p.UploadBits, p.C0Bits, p.C1Bits
}

// Check says whether a draft has become valid.
func (y *Layout) Check() error { return y.validate() }

// Image is how many coefficients a channel of a tile takes (seen as polynomial in Y).
func (y *Layout) Image() int { return y.chanStride }

// Phases is how many parts strides split a channel into.
func (y *Layout) Phases() int { return y.ph }

// Reads is how many coefficients of a channel's image a full tile's outputs read.
func (y *Layout) Reads() int { return len(y.y.reads(y.y.tile)) * len(y.x.reads(y.x.tile)) }

func newLayout(l *Linear) (*Layout, error) {
	p := l.Packing
	if p.N != 2048 && p.N != 4096 {
		return nil, fmt.Errorf("degree %d", p.N)
	}
	if p.Low < 0 || p.Low > 12 || 1<<p.Low > p.N || p.High < 1 || p.High > p.N || p.Filters < 1 || p.Filters > p.N {
		return nil, fmt.Errorf("2^%d fast channels, %d images, %d filters", p.Low, p.High, p.Filters)
	}
	y := &Layout{l: l, p: p, n: p.N >> p.Low, batch: l.Batch, pointwise: l.KH == 1 && l.KW == 1}
	if err := y.makeAxes(); err != nil {
		return nil, err
	}
	y.rowStride, y.chanStride = y.x.ext, y.x.ext*y.y.ext
	if !bounded(y.n, y.x.ext, y.y.ext) {
		return nil, errTileSize
	}
	y.ph = len(y.y.phases) * len(y.x.phases)
	y.makeTaps()
	y.rot = y.maxOff<<p.Low + 1<<p.Low - 1
	y.block = p.High << p.Low
	y.blocks = ceilDiv(l.CIn*y.ph, y.block)
	return y, nil
}

func (y *Layout) makeAxes() error {
	l, p := y.l, y.p
	if p.TileH < 1 || p.TileH > maxLinearSide || p.TileW < 1 || p.TileW > maxLinearElems {
		return fmt.Errorf("tile of %dx%d", p.TileH, p.TileW)
	}
	if y.pointwise {
		// Positions have no neighbours: all of the batch is one long row.
		y.batch = 1
		y.y = newAxis(1, 1, 1, 1, 1, 0, p.TileH)
		n := l.Batch * l.OH * l.OW
		y.x = newAxis(n, n, 1, 1, 1, 0, p.TileW)
		return nil
	}
	y.y = newAxis(l.H, l.OH, l.KH, l.SH, l.DH, l.PT, p.TileH)
	y.x = newAxis(l.W, l.OW, l.KW, l.SW, l.DW, l.PL, p.TileW)
	if len(y.y.phases) == 0 || len(y.x.phases) == 0 {
		return errors.New("the kernel sees nothing but padding")
	}
	return nil
}

// makeTaps lists, for every phase, the kernel positions that can meet data.
func (y *Layout) makeTaps() {
	y.taps = make([][]tap, y.ph)
	for _, ty := range y.y.taps {
		for _, tx := range y.x.taps {
			t := tap{off: (ty.shift-y.y.base)*y.rowStride + tx.shift - y.x.base, index: ty.k*y.l.KW + tx.k}
			ph := ty.phase*len(y.x.phases) + tx.phase
			y.taps[ph] = append(y.taps[ph], t)
			y.maxOff = max(y.maxOff, t.off)
		}
	}
}

// validate checks what newLayout can only check once the geometry is known.
func (y *Layout) validate() error {
	l, p := y.l, y.p
	if !bounded(y.n, y.chanStride, p.High, p.Filters) {
		return fmt.Errorf("%d filters of %d images of %d do not fit %d coefficients", p.Filters, p.High, y.chanStride, y.n)
	}
	if p.Filters > 1 && l.G > 1 && l.COut/l.G%p.Filters != 0 {
		return fmt.Errorf("%d filters a polynomial across groups of %d", p.Filters, l.COut/l.G)
	}
	if err := wire.CheckFolding(p.Low, p.Merge, p.Digits); err != nil {
		return err
	}
	if p.Merge > 0 && l.Exact {
		return errors.New("an exact operator is not merged")
	}
	if err := y.validateNumbers(); err != nil {
		return err
	}
	if err := wire.CheckCoefficients(p.UploadBits, p.C0Bits, p.C1Bits, l.EngineBits()); err != nil {
		return err
	}
	if e := y.Noise(math.Exp2(float64(l.NormLog2))).Bound(); !(e <= l.maxNoise()) {
		return fmt.Errorf("noise may reach %.3f ulp, allowed are %.3f", e, l.maxNoise())
	}
	return nil
}

// validateNumbers bounds what a party makes and sends.
func (y *Layout) validateNumbers() error {
	if !bounded(maxTiles, y.batch, y.y.tiles, y.x.tiles) || y.p.Keys < 1 || y.p.Keys > wire.MaxSecrets {
		return fmt.Errorf("too many tiles, or %d keys", y.p.Keys)
	}
	if !bounded(maxBlocks, y.blocks) || !bounded(maxUploads, y.blocks, y.Tiles()) {
		return errors.New("too many polynomials")
	}
	return nil
}

// Degree is N.
func (y *Layout) Degree() int { return y.p.N }

// Tiles is the number of tiles.
func (y *Layout) Tiles() int { return y.batch * y.y.tiles * y.x.tiles }

// KeySets is the number of sets of tiles that share a uniform half; tile t
// belongs to set t/Keys and stands under secret key t%Keys.
func (y *Layout) KeySets() int { return ceilDiv(y.Tiles(), y.p.Keys) }

// Blocks is the number of input channel blocks.
func (y *Layout) Blocks() int { return y.blocks }

// OutBlocks is the number of filter blocks: of weight polynomials an input block.
func (y *Layout) OutBlocks() int { return y.l.G * y.outBlocksPerGroup() }

func (y *Layout) outBlocksPerGroup() int { return ceilDiv(y.l.COut/y.l.G, y.p.Filters) }

// Responses is the number of responses a tile.
func (y *Layout) Responses() int { return ceilDiv(y.OutBlocks(), 1<<y.p.Merge) }

// OutBlock gives what filter block o is: its group, its first filter and how many.
func (y *Layout) OutBlock(o int) (group, first, count int) {
	per := y.outBlocksPerGroup()
	group = o / per
	k := o % per * y.p.Filters
	filters := y.l.COut / y.l.G
	return group, group*filters + k, min(y.p.Filters, filters-k)
}

// InBlocks gives the input blocks [from, to) that a group's filters read.
func (y *Layout) InBlocks(group int) (from, to int) {
	v := y.l.CIn / y.l.G * y.ph
	return group * v / y.block, ceilDiv((group+1)*v, y.block)
}

// Terms lists the weight polynomial of input block i for the first filter of a
// group: the exponent of X (below N) and the weight's index in its filter. The
// f-th filter of a block stands FilterStep()*f higher.
func (y *Layout) Terms(group, i int) (exponent, index []int32) {
	per := y.l.CIn / y.l.G
	v0 := i * y.block
	from, to := max(v0, group*per*y.ph), min(v0+y.block, (group+1)*per*y.ph)
	for v := from; v < to; v++ {
		c, hi, lo := v/y.ph-group*per, (v-v0)>>y.p.Low, (v-v0)&(1<<y.p.Low-1)
		for _, t := range y.taps[v%y.ph] {
			e := ((y.p.High-1-hi)*y.chanStride + y.maxOff - t.off) << y.p.Low
			exponent = append(exponent, int32(e+1<<y.p.Low-1-lo))
			index = append(index, int32(c*y.l.KH*y.l.KW+t.index))
		}
	}
	return exponent, index
}

// FilterStep is the distance between two filters of a weight polynomial.
func (y *Layout) FilterStep() int { return y.p.High * y.chanStride << y.p.Low }

// Response lists the useful coefficients of tile t's response m, in the order
// they are sent: the coefficient and the output element it is. The lists that are given are overwritten.
func (y *Layout) Response(t, m int, coef, elem []int32) ([]int32, []int32) {
	b, ty, tx := y.split(t)
	h, w := y.y.size(ty), y.x.size(tx)
	n := y.ResponseLen(t, m)
	coef, elem = slices.Grow(coef[:0], n), slices.Grow(elem[:0], n)
	for q := range min(1<<y.p.Merge, y.OutBlocks()-m<<y.p.Merge) {
		_, first, count := y.OutBlock(m<<y.p.Merge + q)
		leaf := y.LeafOffset(q)
		for f := range count {
			at := f*y.p.High*y.chanStride + (y.p.High-1)*y.chanStride
			for r := range h {
				coef = y.appendRow(coef, at+r*y.rowStride, leaf, w)
				elem = y.appendElems(elem, b, first+f, ty*y.y.tile+r, tx*y.x.tile, w)
			}
		}
	}
	return coef, elem
}

// appendRow appends w coefficients from at (in Y) on.
func (y *Layout) appendRow(coef []int32, at, leaf, w int) []int32 {
	c := int32(at<<y.p.Low + leaf)
	for range w {
		coef = append(coef, c)
		c += 1 << y.p.Low
	}
	return coef
}

// appendElems appends w output elements of filter o from row r, column c on.
func (y *Layout) appendElems(elem []int32, b, o, r, c, w int) []int32 {
	plane := y.l.OH * y.l.OW
	at := r*y.l.OW + c
	if y.pointwise { // a position counts over the whole batch
		b, at = c/plane, c%plane
	}
	for w > 0 {
		n, e := min(w, plane-at), int32((b*y.l.COut+o)*plane+at)
		for range n {
			elem = append(elem, e)
			e++
		}
		b, at, w = b+1, 0, w-n
	}
	return elem
}

// ResponseLen is the number of useful coefficients of tile t's response m.
func (y *Layout) ResponseLen(t, m int) int {
	_, ty, tx := y.split(t)
	filters := 0
	for q := range min(1<<y.p.Merge, y.OutBlocks()-m<<y.p.Merge) {
		_, _, count := y.OutBlock(m<<y.p.Merge + q)
		filters += count
	}
	return filters * y.y.size(ty) * y.x.size(tx)
}

// LeafOffset is the exponent of X by which leaf q of a fold is shifted: bit b of
// q moves it by 2^(Low-1-b).
func (y *Layout) LeafOffset(q int) int {
	off := 0
	for b := range y.p.Merge {
		off += (q >> b & 1) << (y.p.Low - 1 - b)
	}
	return off
}

// split takes a tile's number apart: image, tile row, tile column.
func (y *Layout) split(t int) (b, ty, tx int) {
	per := y.y.tiles * y.x.tiles
	return t / per, t % per / y.x.tiles, t % y.x.tiles
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func floorDiv(a, b int) int {
	if a < 0 {
		return -ceilDiv(-a, b)
	}
	return a / b
}
