package plan

// axis is one spatial dimension cut into tiles. A stride splits the input into
// phases (polyphase form): phase p holds the rows p, p+stride, ..., and a
// kernel position reads exactly one phase, shifted.
//
// With one tile, the padding on both sides of a row (or of an image) is one
// shared gap of zeros between neighbours, since a negative index reads the end
// of what lies before. With several tiles, each holds all it reads.
type axis struct {
	in, out, stride int
	taps            []axisTap
	phases          []int // residues modulo stride that some tap reads
	min, max        int   // least and greatest shift

	tile, tiles int
	base        int // input row at index 0, beside tile*its number: of a tile (several), or of the axis (one)
	data        int // one tile: rows beyond this one are gap
	ext         int // rows a tile occupies
}

// axisTap is a kernel position: it reads row y+shift of phases[phase].
type axisTap struct{ k, phase, shift int }

// newAxis cuts an axis; tile is at most out afterwards. Kernel positions that
// can only meet padding are left out.
func newAxis(in, out, kernel, stride, dilation, pad, tile int) axis {
	a := axis{in: in, out: out, stride: stride, tile: min(tile, out)}
	a.tiles = ceilDiv(out, a.tile)
	index := map[int]int{}
	for k := range kernel {
		off := k*dilation - pad
		shift := floorDiv(off, stride)
		res := off - shift*stride
		if shift <= -out || shift >= a.rows(res) {
			continue
		}
		if _, ok := index[res]; !ok {
			index[res] = len(a.phases)
			a.phases = append(a.phases, res)
		}
		if len(a.taps) == 0 {
			a.min, a.max = shift, shift
		}
		a.min, a.max = min(a.min, shift), max(a.max, shift)
		a.taps = append(a.taps, axisTap{k: k, phase: index[res], shift: shift})
	}
	a.extent()
	return a
}

// rows is the number of input rows in a phase.
func (a *axis) rows(residue int) int { return max(0, ceilDiv(a.in-residue, a.stride)) }

func (a *axis) extent() {
	if a.tiles > 1 {
		a.base = a.min
		a.ext = a.tile + a.max - a.min
		return
	}
	a.base = max(0, a.min)
	for _, res := range a.phases {
		a.data = max(a.data, a.rows(res))
	}
	a.data = min(a.data, a.out+a.max)
	a.ext = max(a.out+a.max-a.base, a.data-a.base+max(0, -a.min), a.tile)
}

// size is the number of outputs of tile t.
func (a *axis) size(t int) int { return min(a.tile, a.out-t*a.tile) }

// row gives the input row at an index of a tile, in a phase; -1 is padding.
func (a *axis) row(t, index, phase int) int {
	r := index + a.base
	if a.tiles > 1 {
		r += t * a.tile
	} else if r >= a.data {
		return -1
	}
	res := a.phases[phase]
	if r < 0 || r >= a.rows(res) {
		return -1
	}
	return r*a.stride + res
}

// reads marks the indices (shifted by -min so that none is negative) that size
// outputs read.
func (a *axis) reads(size int) map[int]bool {
	m := map[int]bool{}
	for _, t := range a.taps {
		for r := range size {
			m[r+t.shift-a.base] = true
		}
	}
	return m
}

// uploadClass is what the set of sent coefficients depends on.
type uploadClass struct{ h, w, channels int }

// uploadTable is the set of sent coefficients of a class, ascending. Beside
// each: the channel of the block, row and column it holds, and its sign.
type uploadTable struct {
	coef     []int32
	channel  []int32 // -1: a zero
	row, col []int32
	neg      []bool
}

// UploadLen is the number of coefficients sent of upload i of tile t.
func (y *Layout) UploadLen(t, i int) int { return len(y.table(t, i).coef) }

// Upload lists the coefficients sent of upload i of tile t, ascending, and
// appends to src what each holds: an input element; -1 for zero; or -2-e for
// the negative of element e.
//
// Coefficients that no useful output reads are not sent: whatever stands there
// only reaches coefficients of the response that are thrown away.
func (y *Layout) Upload(t, i int, src []int32) (coef, source []int32) {
	u := y.table(t, i)
	b, ty, tx := y.split(t)
	rowOf, colOf := y.offsets(ty, tx)
	chanOff, phase := y.channels(b, i)
	src = src[:0]
	for k, c := range u.channel {
		e := int32(-1)
		if c >= 0 {
			p := phase[c]
			r, q := rowOf[int(p)/len(y.x.phases)][u.row[k]], colOf[int(p)%len(y.x.phases)][u.col[k]]
			if r >= 0 && q >= 0 {
				e = chanOff[c] + r + q
				if u.neg[k] {
					e = -2 - e
				}
			}
		}
		src = append(src, e)
	}
	return u.coef, src
}

// channels gives, for each channel of block i, the offset of its plane and its phase.
func (y *Layout) channels(b, i int) (off, phase []int32) {
	n := y.blockLen(i)
	off, phase = make([]int32, n), make([]int32, n)
	for k := range n {
		v := i*y.block + k
		off[k] = int32((b*y.l.CIn + v/y.ph) * y.l.H * y.l.W)
		phase[k] = int32(v % y.ph)
	}
	return off, phase
}

// blockLen is the number of channels (times phases) in block i.
func (y *Layout) blockLen(i int) int { return min(y.block, y.l.CIn*y.ph-i*y.block) }

// offsets tabulates, by phase, the element offset of every row and column of a
// tile; -1 is padding.
func (y *Layout) offsets(ty, tx int) (rows, cols [][]int32) {
	rows, cols = make([][]int32, len(y.y.phases)), make([][]int32, len(y.x.phases))
	for p := range rows {
		rows[p] = make([]int32, y.y.ext)
		for k := range rows[p] {
			rows[p][k] = int32(y.y.row(ty, k, p))
			if !y.pointwise && rows[p][k] > 0 {
				rows[p][k] *= int32(y.l.W)
			}
		}
	}
	for p := range cols {
		cols[p] = make([]int32, y.x.ext)
		for k := range cols[p] {
			cols[p][k] = int32(y.x.row(tx, k, p))
			if y.pointwise && cols[p][k] >= 0 {
				cols[p][k] = y.position(int(cols[p][k]))
			}
		}
	}
	return rows, cols
}

// position is the element offset (without the channel) that output position p
// of a 1x1 kernel reads; -1 is padding.
func (y *Layout) position(p int) int32 {
	l := y.l
	plane := l.OH * l.OW
	r, c := p%plane/l.OW*l.SH-l.PT, p%l.OW*l.SW-l.PL
	if r < 0 || r >= l.H || c < 0 || c >= l.W {
		return -1
	}
	return int32(p/plane*l.CIn*l.H*l.W + r*l.W + c)
}

func (y *Layout) table(t, i int) *uploadTable {
	_, ty, tx := y.split(t)
	c := uploadClass{h: y.y.size(ty), w: y.x.size(tx), channels: y.blockLen(i)}
	u, ok := y.classes[c]
	if !ok {
		u = y.newTable(c)
		if y.classes == nil {
			y.classes = map[uploadClass]*uploadTable{}
		}
		y.classes[c] = u
	}
	return u
}

// Prepare fills the cache of Upload: afterwards a Layout is safe for concurrent use.
func (y *Layout) Prepare() {
	for t := range y.Tiles() {
		y.table(t, 0)
		y.table(t, y.blocks-1)
	}
}

func (y *Layout) newTable(c uploadClass) *uploadTable {
	sent := y.sent(c)
	u := &uploadTable{}
	mask := 1<<y.p.Low - 1
	for p, yes := range sent {
		if !yes {
			continue
		}
		q, neg := p+y.rot, false
		if q >= y.p.N {
			q, neg = q-y.p.N, true
		}
		at := q >> y.p.Low
		hi, rem := at/y.chanStride, at%y.chanStride
		ch := int32(hi<<y.p.Low | q&mask)
		if hi >= y.p.High || int(ch) >= c.channels {
			ch = -1
		}
		u.coef = append(u.coef, int32(p))
		u.channel = append(u.channel, ch)
		u.row = append(u.row, int32(rem/y.rowStride))
		u.col = append(u.col, int32(rem%y.rowStride))
		u.neg = append(u.neg, neg)
	}
	return u
}

// sent marks the coefficients that some useful output of the class reads. With
// several filters a polynomial, outputs read the images of other filters' copies
// too (as zeros), and everything is sent.
func (y *Layout) sent(c uploadClass) []bool {
	sent := make([]bool, y.p.N)
	if y.p.Filters > 1 {
		for p := range sent {
			sent[p] = true
		}
		return sent
	}
	rows, cols := y.y.reads(c.h), y.x.reads(c.w)
	for v := range c.channels {
		hi, lo := v>>y.p.Low, v&(1<<y.p.Low-1)
		for r := range rows {
			for q := range cols {
				at := (hi*y.chanStride+r*y.rowStride+q)<<y.p.Low + lo - y.rot
				sent[((at%y.p.N)+y.p.N)%y.p.N] = true
			}
		}
	}
	return sent
}
