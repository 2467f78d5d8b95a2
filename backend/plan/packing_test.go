package plan

import (
	"math/rand/v2"
	"testing"
)

// someLinear draws a small operator, and somePacking an encoding of it that
// need not be a good one.
func someLinear(r *rand.Rand) Linear {
	l := Linear{
		Batch: 1 + r.IntN(2), G: 1, H: 1 + r.IntN(12), W: 1 + r.IntN(12), KH: 1 + r.IntN(4), KW: 1 + r.IntN(4),
		SH: 1 + r.IntN(3), SW: 1 + r.IntN(3), DH: 1 + r.IntN(2), DW: 1 + r.IntN(2), PT: r.IntN(4), PL: r.IntN(4),
		InBits: 28, Shift: 12, OutBits: 16, NormLog2: 12,
	}
	if r.IntN(4) == 0 {
		l.KH, l.KW = 1, 1
	}
	if r.IntN(3) == 0 {
		l.G = 1 + r.IntN(4)
	}
	l.CIn, l.COut = l.G*(1+r.IntN(7)), l.G*(1+r.IntN(9))
	l.OH, l.OW = 1+r.IntN(8), 1+r.IntN(8)
	return l
}

func somePacking(r *rand.Rand, l *Linear) Packing {
	p := Packing{
		N: 2048, TileH: 1 + r.IntN(l.OH), TileW: 1 + r.IntN(l.OW), Low: r.IntN(6), High: 1 + r.IntN(4), Filters: 1 + r.IntN(3),
		Keys: 1 + r.IntN(3), UploadBits: 40, C0Bits: 20, C1Bits: 28,
	}
	if l.KH == 1 && l.KW == 1 {
		p.TileH, p.TileW = 1, 1+r.IntN(l.Batch*l.OH*l.OW)
	}
	if p.Low > 0 && r.IntN(2) == 0 {
		p.Merge, p.Digits = 1+r.IntN(p.Low), 3
	}
	return p
}

// The index map says what it should: the polynomial products it describes hold
// the convolution, whatever stands at coefficients that are not sent.
func TestLayoutIsTheConvolution(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	done := 0
	for range 1200 {
		l := someLinear(r)
		l.Packing = somePacking(r, &l)
		y, err := l.NewLayout()
		if err != nil {
			continue
		}
		done++
		checkLayout(t, r, &l, y)
		if t.Failed() {
			t.Fatalf("%+v", l)
		}
	}
	if done < 200 {
		t.Fatalf("only %d of 1200 drawn packings were valid", done)
	}
}

func checkLayout(t *testing.T, r *rand.Rand, l *Linear, y *Layout) {
	in, w := make([]int64, l.NumIn()), make([]int64, l.NumWeights())
	for i := range in {
		in[i] = r.Int64N(200) - 100
	}
	for i := range w {
		w[i] = r.Int64N(200) - 100
	}
	written := make([]int, l.NumOut())
	for tile := range y.Tiles() {
		var uploads [][]int64
		for i := range y.Blocks() {
			uploads = append(uploads, uploadPoly(t, r, y, tile, i, in))
		}
		for m := range y.Responses() {
			coef, elem := y.Response(tile, m, nil, nil)
			if len(coef) != y.ResponseLen(tile, m) {
				t.Errorf("response of %d coefficients, announced %d", len(coef), y.ResponseLen(tile, m))
			}
			checkResponse(t, l, y, m, coef, elem, uploads, in, w)
			for _, e := range elem {
				written[e]++
			}
		}
	}
	for e, n := range written {
		if n != 1 {
			t.Errorf("output %d is given %d times", e, n)
		}
	}
}

// uploadPoly is the message of an upload, with rubbish where nothing is sent.
func uploadPoly(t *testing.T, r *rand.Rand, y *Layout, tile, i int, in []int64) []int64 {
	p := make([]int64, y.Degree())
	for k := range p {
		p[k] = r.Int64N(1000)
	}
	coef, src := y.Upload(tile, i, nil)
	if len(coef) != len(src) || len(coef) != y.UploadLen(tile, i) {
		t.Errorf("upload of %d coefficients, %d sources, announced %d", len(coef), len(src), y.UploadLen(tile, i))
	}
	for k, c := range coef {
		if k > 0 && c <= coef[k-1] {
			t.Errorf("coefficients are not ascending")
		}
		switch s := src[k]; {
		case s >= 0:
			p[c] = in[s]
		case s == -1:
			p[c] = 0
		default:
			p[c] = -in[-2-s]
		}
	}
	return p
}

func checkResponse(t *testing.T, l *Linear, y *Layout, m int, coef, elem []int32, uploads [][]int64, in, w []int64) {
	at := 0
	for q := range 1 << l.Packing.Merge {
		o := m<<l.Packing.Merge + q
		if o >= y.OutBlocks() {
			break
		}
		_, _, count := y.OutBlock(o)
		run := len(coef) / leavesFilters(y, m) * count
		product := leafProduct(y, o, uploads, w)
		seen := map[int32]bool{}
		for k := at; k < at+run; k++ {
			c := coef[k] - int32(y.LeafOffset(q))
			if c%(1<<l.Packing.Low) != 0 || c < 0 || int(c) >= y.Degree() || seen[c] {
				t.Errorf("useful coefficient %d of leaf %d", c, q)
				return
			}
			seen[c] = true
			if want := convolve(l, in, w, int(elem[k])); product[c] != want {
				t.Errorf("output %d at coefficient %d is %d, want %d", elem[k], c, product[c], want)
				return
			}
		}
		at += run
	}
}

func leavesFilters(y *Layout, m int) (n int) {
	for o := m << y.p.Merge; o < min((m+1)<<y.p.Merge, y.OutBlocks()); o++ {
		_, _, count := y.OutBlock(o)
		n += count
	}
	return n
}

// leafProduct is sum_i upload_i * W_i modulo X^N+1.
func leafProduct(y *Layout, o int, uploads [][]int64, w []int64) []int64 {
	n := y.Degree()
	out := make([]int64, n)
	group, first, count := y.OutBlock(o)
	from, to := y.InBlocks(group)
	for i := from; i < to; i++ {
		exponent, index := y.Terms(group, i)
		for f := range count {
			for k, e := range exponent {
				v := w[(first+f)*y.l.FilterLen()+int(index[k])]
				at := int(e) + f*y.FilterStep()
				for c, u := range uploads[i] {
					if j := c + at; j < n {
						out[j] += u * v
					} else {
						out[j-n] -= u * v
					}
				}
			}
		}
	}
	return out
}

// convolve is one output, by the definition.
func convolve(l *Linear, in, w []int64, e int) (acc int64) {
	plane := l.OH * l.OW
	b, o, yy, xx := e/plane/l.COut, e/plane%l.COut, e%plane/l.OW, e%l.OW
	per, group := l.CIn/l.G, o/(l.COut/l.G)
	for c := range per {
		for i := range l.KH {
			for j := range l.KW {
				r, q := yy*l.SH+i*l.DH-l.PT, xx*l.SW+j*l.DW-l.PL
				if r >= 0 && r < l.H && q >= 0 && q < l.W {
					acc += w[((o*per+c)*l.KH+i)*l.KW+j] * in[((b*l.CIn+group*per+c)*l.H+r)*l.W+q]
				}
			}
		}
	}
	return acc
}

// Whatever a plan file says, validation ends without a panic and a valid
// operator has a cost.
func FuzzLinear(f *testing.F) {
	f.Add(int64(1), uint(0), 0)
	f.Add(int64(7), uint(5), -1)
	f.Add(int64(9), uint(30), 1<<40)
	f.Fuzz(func(t *testing.T, seed int64, field uint, value int) {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		l := someLinear(r)
		l.Packing = somePacking(r, &l)
		fields := []*int{
			&l.Batch, &l.G, &l.CIn, &l.COut, &l.H, &l.W, &l.OH, &l.OW, &l.KH, &l.KW, &l.SH, &l.SW, &l.DH, &l.DW, &l.PT, &l.PL,
			&l.InBits, &l.Shift, &l.OutBits, &l.NormLog2, &l.Packing.N, &l.Packing.TileH, &l.Packing.TileW, &l.Packing.Low, &l.Packing.High,
			&l.Packing.Filters, &l.Packing.Merge, &l.Packing.Keys, &l.Packing.UploadBits, &l.Packing.C0Bits, &l.Packing.C1Bits, &l.Packing.Digits,
		}
		*fields[field%uint(len(fields))] = value
		if l.Validate() != nil {
			return
		}
		l.CostRLWE()
		l.MemoryRLWE()
	})
}

// Every field at extreme values, alone and doubled.
func TestLinearHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	values := []int{-1 << 63, -1 << 31, -1, 0, 1, 2, 63, 64, 1 << 12, 1 << 16, 1<<16 + 1, 1 << 20, 1 << 28, 1 << 31, 1<<63 - 1}
	for range 300 {
		base := someLinear(r)
		base.Packing = somePacking(r, &base)
		for field := range 32 {
			l := base
			setField(&l, field, values[r.IntN(len(values))])
			setField(&l, r.IntN(32), values[r.IntN(len(values))])
			if l.Validate() == nil {
				if c := l.CostRLWE(); c.ToServer() <= 0 || c.ToClient() <= 0 {
					t.Fatalf("%+v costs %+v", l, c)
				}
			}
		}
	}
}

func setField(l *Linear, field, value int) {
	p := &l.Packing
	*[]*int{
		&l.Batch, &l.G, &l.CIn, &l.COut, &l.H, &l.W, &l.OH, &l.OW, &l.KH, &l.KW, &l.SH, &l.SW, &l.DH, &l.DW, &l.PT, &l.PL,
		&l.InBits, &l.Shift, &l.OutBits, &l.NormLog2, &p.N, &p.TileH, &p.TileW, &p.Low, &p.High, &p.Filters, &p.Merge, &p.Keys,
		&p.UploadBits, &p.C0Bits, &p.C1Bits, &p.Digits,
	}[field] = value
}
