package plan

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"secc.example/secc/backend/plan/wire"
)

// CostProfile prices a packing: seconds = latency + bytes/bandwidth + work.
type CostProfile struct {
	BitsPerSecond float64
	RTT           float64           // seconds
	Server        [NumUnits]float64 // nanoseconds a unit of work, one thread
	Client        [NumUnits]float64
	ServerThreads int
	ClientThreads int
	MaxKeys       int // secret keys a session may have; 0 stands for no limit of its own
	MaxLevel      int // highest folding level; -1 forbids folding, 0 stands for no limit of its own

	Stop func() error // asked before every operator: an error ends the search with it; may be nil
}

func (p CostProfile) stopped() error {
	if p.Stop == nil {
		return nil
	}
	return p.Stop()
}

// DefaultUnits are nanoseconds a unit of the linear engine on one AVX-512 IFMA
// core, fitted to the convolutions of ResNet-50 (secc bench linear). Uploads are
// received at the price of UnitDecrypt.
func DefaultUnits() (u [NumUnits]float64) {
	u[UnitNTT], u[UnitMAC], u[UnitSwitch] = 4500, 700, 3500
	u[UnitEncrypt], u[UnitDecrypt], u[UnitRespond], u[UnitElem] = 40000, 40000, 80000, 2
	return u
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

// keyCaps are the numbers of secrets that the search tries; levelCaps counts the
// highest folding levels, from 0 (none).
var keyCaps = [...]int{1, 2, 4, 8, 16}

const levelCaps = 12

// ChoosePacking sets l.Packing to the encoding with the least predicted seconds
// under the profile, not counting what the session sets up. The operator's shape,
// formats and NormLog2 must be set.
func ChoosePacking(l *Linear, p CostProfile) error {
	s, err := p.search(l)
	if err != nil {
		return err
	}
	keys, level := p.caps()
	l.Packing = s.best[keys][level].packing
	return l.Validate()
}

// ChoosePackings sets the encodings of all linear operators of a plan so that
// the sum of their predicted seconds and of the session's set-up is least:
// switching keys pay only when enough operators use them.
func ChoosePackings(ls []*Linear, p CostProfile) error {
	for _, l := range ls {
		l.Packing = Packing{}
	}
	found, err := p.searchAll(ls)
	if err != nil {
		return err
	}
	var best, bestAt = math.Inf(1), [2]int{}
	maxKeys, maxLevel := p.caps()
	for k := 0; k <= maxKeys; k++ {
		for level := 0; level <= maxLevel; level++ {
			if t := p.total(ls, found, k, level); t < best {
				best, bestAt = t, [2]int{k, level}
			}
		}
	}
	for i, l := range ls {
		if err := p.stopped(); err != nil {
			return err
		}
		l.Packing = found[*l].best[bestAt[0]][bestAt[1]].packing
		if err := l.Validate(); err != nil {
			return &PackingError{i, err}
		}
	}
	return nil
}

// searchAll searches for every different operator, as many at once as there are cores.
func (p CostProfile) searchAll(ls []*Linear) (map[Linear]*search, error) {
	type result struct {
		first int // operator of this kind
		s     *search
		err   error
	}
	kinds := map[Linear]*result{}
	var order []*result
	for i, l := range ls {
		if kinds[*l] == nil {
			kinds[*l] = &result{first: i}
			order = append(order, kinds[*l])
		}
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(len(order), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(order); i = int(next.Add(1)) - 1 {
				r := order[i]
				if r.err = p.stopped(); r.err == nil {
					r.s, r.err = p.search(ls[r.first])
				}
			}
		})
	}
	wg.Wait()
	if err := p.stopped(); err != nil {
		return nil, err
	}
	found := make(map[Linear]*search, len(order))
	for _, r := range order {
		if r.err != nil {
			return nil, &PackingError{r.first, r.err}
		}
		found[*ls[r.first]] = r.s
	}
	return found, nil
}

// PackingError says which of the operators has no encoding.
type PackingError struct {
	Index int
	Err   error
}

func (e *PackingError) Error() string { return e.Err.Error() }
func (e *PackingError) Unwrap() error { return e.Err }

// total is the time of all operators with the best packings under the caps.
func (p CostProfile) total(ls []*Linear, found map[Linear]*search, k, level int) float64 {
	sum := 0.0
	var need needs
	for _, l := range ls {
		o := &found[*l].best[k][level]
		sum += o.seconds
		need.add(o.packing, o.tiles)
	}
	return sum + p.Seconds(KeysCost(need.keys(LinearDegree)))
}

// caps are the profile's own limits, as indices.
func (p CostProfile) caps() (keys, level int) {
	keys, level = len(keyCaps)-1, levelCaps-1
	if p.MaxKeys > 0 {
		for keys > 0 && keyCaps[keys] > p.MaxKeys {
			keys--
		}
	}
	if p.MaxLevel != 0 {
		level = min(max(p.MaxLevel, 0), level)
	}
	return keys, level
}

// option is the best encoding met under some caps.
type option struct {
	seconds float64
	packing Packing
	tiles   int
}

// search looks for the best encodings of one operator.
type search struct {
	l       Linear
	profile CostProfile
	best    [len(keyCaps)][levelCaps]option
	fits    bool // some tile fits a polynomial
	// rooms remembers uploadRoom by all that it depends on: merge, digits, and the
	// extra bits of both halves of a response; 0 is not known yet.
	rooms [levelCaps + 1][wire.MaxDigits + 1][most0 + 1][most1 + 1]float64
}

// Extra bits of a response's halves, beyond the output's, that the search tries.
const (
	least0, most0 = 1, 4
	least1, most1 = 6, 13
)

func (p CostProfile) search(l *Linear) (*search, error) {
	if err := l.validateShape(); err != nil {
		return nil, fmt.Errorf("linear: %w", err)
	}
	if err := l.validateFormat(); err != nil {
		return nil, fmt.Errorf("linear: %w", err)
	}
	s := &search{l: *l, profile: p}
	for k := range s.best {
		for j := range s.best[k] {
			s.best[k][j].seconds = math.Inf(1)
		}
	}
	s.run()
	if !math.IsInf(s.best[0][0].seconds, 1) {
		return s, nil
	}
	if s.fits {
		return nil, fmt.Errorf("linear: %d output bits with filters of norm 2^%d leave no room for the noise", l.EngineBits(), l.NormLog2)
	}
	return nil, errors.New("linear: one row of a tile does not fit a polynomial, or the kernel sees nothing but padding")
}

// run visits every useful tile shape.
func (s *search) run() {
	hs, ws := tileSizes(s.l.OH), tileSizes(s.l.OW)
	if s.l.KH == 1 && s.l.KW == 1 {
		hs, ws = []int{1}, tileSizes(s.l.Batch*s.l.OH*s.l.OW)
	}
	for _, h := range hs {
		for _, w := range ws {
			if h*w <= LinearDegree {
				s.tile(Packing{N: LinearDegree, TileH: h, TileW: w, High: 1, Filters: 1})
			}
		}
	}
}

// tileSizes lists the balanced ways to cut n outputs.
func tileSizes(n int) []int {
	var sizes []int
	for parts := ceilDiv(n, LinearDegree); parts <= n; parts++ {
		size := ceilDiv(n, parts)
		if len(sizes) == 0 || sizes[len(sizes)-1] != size {
			sizes = append(sizes, size)
		}
	}
	return sizes
}

// tile visits the encodings of a tile shape: the tiled ones, then the folded ones.
func (s *search) tile(p Packing) {
	s.l.Packing = p
	y, err := newLayout(&s.l)
	if err != nil {
		return
	}
	s.fits = true
	slots := p.N / y.chanStride
	channels, filters := s.l.CIn*y.ph, s.l.COut/s.l.G
	reads := len(y.y.reads(y.y.tile)) * len(y.x.reads(y.x.tile))
	for _, f := range filterCounts(min(filters, slots)) {
		if f > 1 && s.l.G > 1 && filters%f != 0 {
			continue
		}
		p.Filters, p.High = f, min(slots/f, channels)
		s.consider(p, reads)
	}
	if s.l.Exact {
		return
	}
	top := floorLog2(slots)
	for low := top; low >= max(1, top-3); low-- {
		for _, f := range []int{1, 2, 4} {
			p.Low, p.Filters = low, f
			p.High = min(p.N>>low/(y.chanStride*f), ceilDiv(channels, 1<<low))
			p.Merge = min(low, ceilLog2(ceilDiv(s.l.COut, f)))
			if p.High < 1 || p.Merge < 1 || f > 1 && (f > filters || filters%f != 0) {
				continue
			}
			for p.Digits = 2; p.Digits <= wire.MaxDigits; p.Digits++ {
				s.consider(p, reads)
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

// consider prices an encoding for every number of keys.
func (s *search) consider(p Packing, reads int) {
	s.l.Packing = p
	y, err := newLayout(&s.l)
	if err != nil {
		return
	}
	level := 0
	if p.Merge > 0 {
		level = p.Low
	}
	if level >= levelCaps {
		return
	}
	up := float64(y.Tiles() * y.blocks * p.N)
	if p.Filters == 1 {
		up = float64(y.Tiles() * s.l.CIn * y.ph * min(reads, y.chanStride))
	}
	for k, keys := range keyCaps {
		y.p.Keys = min(keys, y.Tiles())
		if keys > keyCaps[0] && y.p.Keys <= keyCaps[k-1] {
			break // no more tiles than that
		}
		c1, c0 := float64(y.KeySets()*y.Responses()*p.N), float64(s.l.NumOut())
		if !s.chooseBits(y, up, c1, c0) || y.validate() != nil {
			return
		}
		c := Cost{Work: y.work(), Flights: []Flight{
			{ToServer: int64(up*float64(y.p.UploadBits)) / 8},
			{ToClient: int64(c1*float64(y.p.C1Bits)+c0*float64(y.p.C0Bits)) / 8},
		}}
		s.offer(option{s.profile.Seconds(c), y.p, y.Tiles()}, k, level)
	}
}

// offer keeps an option wherever its keys and levels are allowed and it is better.
func (s *search) offer(o option, keys, level int) {
	for k := keys; k < len(keyCaps); k++ {
		for j := level; j < levelCaps; j++ {
			if o.seconds < s.best[k][j].seconds {
				s.best[k][j] = o
			}
		}
	}
}

// chooseBits takes the numbers of bits that make the fewest bytes, for so many
// coefficients of uploads and of both halves of the responses, while the noise
// stays in bounds.
func (s *search) chooseBits(y *Layout, up, c1, c0 float64) bool {
	out, best := y.l.EngineBits(), math.Inf(1)
	chosen := y.p
	for extra0 := least0; extra0 <= most0; extra0++ {
		for extra1 := least1; extra1 <= most1; extra1++ {
			p := y.p
			p.C0Bits, p.C1Bits = min(wire.QBits, out+extra0), min(wire.QBits, out+extra1)
			room := &s.rooms[p.Merge][p.Digits][extra0][extra1]
			if *room == 0 {
				*room = y.uploadRoom(p)
			}
			if p.UploadBits = y.leastUploadBits(*room); p.UploadBits < 0 {
				continue
			}
			if bits := up*float64(p.UploadBits) + c1*float64(p.C1Bits) + c0*float64(p.C0Bits); bits < best {
				best, chosen = bits, p
			}
		}
	}
	y.p = chosen
	return !math.IsInf(best, 1)
}

// leastUploadBits is how many bits of an upload coefficient must be kept for its
// errors to fit the room; -1 when they do not fit.
func (y *Layout) leastUploadBits(room float64) int {
	dropped := mostDropped(room/y.uploadWeight(math.Exp2(float64(y.l.NormLog2))) - wire.NoiseEta/2.0)
	if dropped < 0 {
		return -1
	}
	return min(wire.QBits, max(leastUpload, wire.QBits-dropped))
}
