package plan

import (
	"errors"
	"fmt"
	"math"
)

// CostProfile prices a packing: seconds = latency + bytes/bandwidth + work.
type CostProfile struct {
	BitsPerSecond float64
	RTT           float64           // seconds
	Server        [NumUnits]float64 // nanoseconds a unit of work, one thread
	Client        [NumUnits]float64
	ServerThreads int
	ClientThreads int
	MaxKeys       int // secret keys a session may have; 0 stands for 8
	MaxLevel      int // highest level with switching keys; -1 forbids merging, 0 stands for no limit
}

// DefaultUnits are nanoseconds a unit on one AVX-512 core.
func DefaultUnits() (u [NumUnits]float64) {
	u[UnitNTT], u[UnitMAC], u[UnitEncrypt], u[UnitRespond], u[UnitDecrypt] = 6000, 900, 50000, 30000, 25000
	u[UnitSwitch], u[UnitElem] = 12000, 2
	return u
}

func (p CostProfile) normal() CostProfile {
	if p.MaxKeys <= 0 {
		p.MaxKeys = 8
	}
	p.MaxKeys = min(p.MaxKeys, MaxKeys)
	p.ServerThreads, p.ClientThreads = max(1, p.ServerThreads), max(1, p.ClientThreads)
	if p.MaxLevel == 0 {
		p.MaxLevel = 12
	}
	return p
}

// Seconds is the predicted time of a cost: what crosses, plus what is computed.
func (p CostProfile) Seconds(c Cost) float64 {
	t := p.RTT / 2 * float64(len(c.Flights))
	if p.BitsPerSecond > 0 {
		t += float64(8*(c.ToServer()+c.ToClient())) / p.BitsPerSecond
	}
	for u := range NumUnits {
		t += c.Work.Server[u] * p.Server[u] * 1e-9 / float64(max(1, p.ServerThreads))
		t += c.Work.Client[u] * p.Client[u] * 1e-9 / float64(max(1, p.ClientThreads))
	}
	return t
}

// LinearDegree is the polynomial degree that the search uses.
const LinearDegree = 2048

// ChoosePacking sets l.Packing to the encoding with the least predicted seconds
// under the profile. The operator's shape, formats and NormLog2 must be set.
func ChoosePacking(l *Linear, p CostProfile) error {
	if err := l.validateShape(); err != nil {
		return fmt.Errorf("linear: %w", err)
	}
	if err := l.validateFormat(); err != nil {
		return fmt.Errorf("linear: %w", err)
	}
	s := search{l: *l, profile: p.normal(), best: math.Inf(1)}
	s.run()
	if math.IsInf(s.best, 1) {
		return s.explain()
	}
	l.Packing = s.packing
	return l.Validate()
}

type search struct {
	l       Linear
	profile CostProfile
	best    float64
	packing Packing
	noise   float64 // least noise met, to explain a failure
	fits    bool
}

func (s *search) explain() error {
	if s.fits {
		return fmt.Errorf("linear: %d output bits with filters of norm 2^%d leave no room for the noise", s.l.EngineBits(), s.l.NormLog2)
	}
	return errors.New("linear: one row of a tile does not fit a polynomial")
}

// run visits the encodings: every useful tile shape, and for each the tiled
// ones and the one merged as far as it goes.
func (s *search) run() {
	hs, ws := tileSizes(s.l.OH), tileSizes(s.l.OW)
	if s.l.KH == 1 && s.l.KW == 1 {
		hs, ws = []int{1}, tileSizes(s.l.Batch*s.l.OH*s.l.OW)
	}
	for _, h := range hs {
		for _, w := range ws {
			if h*w > LinearDegree {
				continue
			}
			s.tile(Packing{N: LinearDegree, TileH: h, TileW: w, High: 1, Filters: 1})
		}
	}
}

// tileSizes lists the balanced ways to cut n outputs.
func tileSizes(n int) []int {
	var sizes []int
	for parts := 1; parts <= n; parts++ {
		size := ceilDiv(n, parts)
		if size > LinearDegree {
			continue
		}
		if len(sizes) == 0 || sizes[len(sizes)-1] != size {
			sizes = append(sizes, size)
		}
	}
	return sizes
}

func (s *search) tile(p Packing) {
	s.l.Packing = p
	y, err := newLayout(&s.l)
	if err != nil || y.chanStride > p.N {
		return
	}
	s.fits = true
	slots := p.N / y.chanStride
	channels, filters := s.l.CIn*y.ph, s.l.COut/s.l.G
	p.Keys = min(s.profile.MaxKeys, y.Tiles())
	for _, f := range filterCounts(min(filters, slots)) {
		if f > 1 && s.l.G > 1 && filters%f != 0 {
			continue
		}
		tiled := p
		tiled.Filters, tiled.High = f, min(slots/f, channels)
		s.consider(tiled)
	}
	if s.l.Exact {
		return
	}
	for low := min(floorLog2(slots), s.profile.MaxLevel); low >= 1; low-- {
		for _, f := range []int{1, 2, 4} {
			merged := p
			merged.Low, merged.Filters = low, f
			merged.High = min(p.N>>low/(y.chanStride*f), ceilDiv(channels, 1<<low))
			merged.Merge = min(low, ceilLog2(ceilDiv(s.l.COut, f)))
			if merged.High < 1 || merged.Merge < 1 || f > 1 && (f > filters || filters%f != 0) {
				continue
			}
			for merged.Digits = 2; merged.Digits <= 4; merged.Digits++ {
				s.consider(merged)
			}
		}
	}
}

func filterCounts(most int) (counts []int) {
	for f := 1; f <= most; f += max(1, f/6) {
		counts = append(counts, f)
	}
	return counts
}

func floorLog2(n int) int {
	k := 0
	for n >>= 1; n > 0; n >>= 1 {
		k++
	}
	return k
}

func ceilLog2(n int) int {
	k := 0
	for 1<<k < n {
		k++
	}
	return k
}

// consider prices an encoding with the best numbers of bits it can have.
func (s *search) consider(p Packing) {
	s.l.Packing = p
	y, err := newLayout(&s.l)
	if err != nil {
		return
	}
	if !y.chooseBits() {
		return
	}
	s.l.Packing = y.p
	if y.validate() != nil {
		return
	}
	c := s.l.Cost()
	if t := s.profile.Seconds(c); t < s.best {
		s.best, s.packing = t, y.p
	}
}

// chooseBits takes the numbers of bits that make the fewest bytes while the
// noise stays in bounds.
func (y *Layout) chooseBits() bool {
	l := y.l
	up, c1, c0 := y.coefficients()
	best := math.Inf(1)
	var chosen Packing
	for extra0 := 1; extra0 <= 4; extra0++ {
		for extra1 := 6; extra1 <= 13; extra1++ {
			p := y.p
			p.C0Bits, p.C1Bits = min(QBits, l.EngineBits()+extra0), min(QBits, l.EngineBits()+extra1)
			if p.UploadBits = y.leastUploadBits(p); p.UploadBits == 0 {
				continue
			}
			if bits := up*float64(p.UploadBits) + c1*float64(p.C1Bits) + c0*float64(p.C0Bits); bits < best {
				best, chosen = bits, p
			}
		}
	}
	if math.IsInf(best, 1) {
		return false
	}
	y.p = chosen
	return true
}

// coefficients counts what is sent, roughly: upload, uniform half, own half.
func (y *Layout) coefficients() (up, c1, c0 float64) {
	up = float64(y.Tiles()) * float64(y.blocks) * float64(y.p.N)
	if y.p.Filters == 1 {
		up = float64(y.Tiles()) * float64(y.l.CIn*y.ph) * float64(y.chanStride)
	}
	return up, float64(y.KeySets()*y.Responses()) * float64(y.p.N), float64(y.l.NumOut())
}

// leastUploadBits solves the noise bound for the dropped bits; 0 if there is no room.
func (y *Layout) leastUploadBits(p Packing) int {
	z := *y
	z.p = p
	norm := math.Exp2(float64(y.l.NormLog2))
	for bits := 8; bits <= QBits; bits++ {
		if z.p.UploadBits = bits; z.noise(norm) <= MaxNoise {
			return bits
		}
	}
	return 0
}
