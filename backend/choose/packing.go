package choose

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
)

// Search chooses encodings under a profile.
type Search struct {
	Profile
	MaxKeys  int          // secret keys a session may have; 0 stands for no limit of its own
	MaxLevel int          // highest folding level; -1 forbids folding, 0 stands for no limit of its own
	Stop     func() error // asked before every operator: an error ends the search with it; may be nil
}

func (s Search) stopped() error {
	if s.Stop == nil {
		return nil
	}
	return s.Stop()
}

// linearDegree is the polynomial degree that the search uses.
const linearDegree = 2048

// keyCaps are the numbers of secrets that the search tries; levelCaps counts the
// highest folding levels, from 0 (none).
var keyCaps = [...]int{1, 2, 4, 8, 16}

const levelCaps = 12

// Packing sets l.Packing to the encoding with the least predicted seconds
// under the profile, not counting what the session sets up. The operator's shape,
// formats and NormLog2 must be set.
func (s Search) Packing(l *plan.Linear) error {
	found, err := s.of(l)
	if err != nil {
		return err
	}
	keys, level := s.caps()
	l.Packing = found.best[keys][level].packing
	return l.Validate()
}

// Packings sets the encodings of all linear operators of a plan so that
// the sum of their predicted seconds and of the session's set-up is least:
// switching keys pay only when enough operators use them.
func (s Search) Packings(ls []*plan.Linear) error {
	for _, l := range ls {
		l.Packing = plan.Packing{}
	}
	found, err := s.all(ls)
	if err != nil {
		return err
	}
	var best, bestAt = math.Inf(1), [2]int{}
	maxKeys, maxLevel := s.caps()
	for k := 0; k <= maxKeys; k++ {
		for level := 0; level <= maxLevel; level++ {
			if t := s.total(ls, found, k, level); t < best {
				best, bestAt = t, [2]int{k, level}
			}
		}
	}
	for i, l := range ls {
		if err := s.stopped(); err != nil {
			return err
		}
		l.Packing = found[*l].best[bestAt[0]][bestAt[1]].packing
		if err := l.Validate(); err != nil {
			return &PackingError{i, err}
		}
	}
	return nil
}

// all searches for every different operator, as many at once as there are cores.
func (s Search) all(ls []*plan.Linear) (map[plan.Linear]*search, error) {
	type result struct {
		first int // operator of this kind
		found *search
		err   error
	}
	kinds := map[plan.Linear]*result{}
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
				if r.err = s.stopped(); r.err == nil {
					r.found, r.err = s.of(ls[r.first])
				}
			}
		})
	}
	wg.Wait()
	if err := s.stopped(); err != nil {
		return nil, err
	}
	found := make(map[plan.Linear]*search, len(order))
	for _, r := range order {
		if r.err != nil {
			return nil, &PackingError{r.first, r.err}
		}
		found[*ls[r.first]] = r.found
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
func (s Search) total(ls []*plan.Linear, found map[plan.Linear]*search, k, level int) float64 {
	sum := 0.0
	var need plan.KeyNeeds
	for _, l := range ls {
		o := &found[*l].best[k][level]
		sum += o.seconds
		need.Add(o.packing, o.tiles)
	}
	return sum + s.choosing().Seconds(plan.KeysCost(need.Keys(linearDegree)))
}

// caps are the profile's own limits, as indices.
func (s Search) caps() (keys, level int) {
	keys, level = len(keyCaps)-1, levelCaps-1
	if s.MaxKeys > 0 {
		for keys > 0 && keyCaps[keys] > s.MaxKeys {
			keys--
		}
	}
	if s.MaxLevel != 0 {
		level = min(max(s.MaxLevel, 0), level)
	}
	return keys, level
}

// option is the best encoding met under some caps.
type option struct {
	seconds float64
	packing plan.Packing
	tiles   int
}

// search looks for the best encodings of one operator.
type search struct {
	l       plan.Linear
	profile Profile
	best    [len(keyCaps)][levelCaps]option
	fits    bool // some tile fits a polynomial
	// rooms remembers UploadRoom by all that it depends on: merge, digits, and the
	// extra bits of both halves of a response; 0 is not known yet.
	rooms [levelCaps + 1][wire.MaxDigits + 1][most0 + 1][most1 + 1]float64
}

// Extra bits of a response's halves, beyond the output's, that the search tries.
const (
	least0, most0 = 1, 4
	least1, most1 = 6, 13
)

// of searches for one operator.
func (s Search) of(l *plan.Linear) (*search, error) {
	if err := l.CheckShape(); err != nil {
		return nil, err
	}
	one := &search{l: *l, profile: s.choosing()}
	for k := range one.best {
		for j := range one.best[k] {
			one.best[k][j].seconds = math.Inf(1)
		}
	}
	one.run()
	if !math.IsInf(one.best[0][0].seconds, 1) {
		return one, nil
	}
	if one.fits {
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
			if h*w <= linearDegree {
				s.tile(plan.Packing{N: linearDegree, TileH: h, TileW: w, High: 1, Filters: 1})
			}
		}
	}
}

// tileSizes lists the balanced ways to cut n outputs.
func tileSizes(n int) []int {
	var sizes []int
	for parts := ceilDiv(n, linearDegree); parts <= n; parts++ {
		size := ceilDiv(n, parts)
		if len(sizes) == 0 || sizes[len(sizes)-1] != size {
			sizes = append(sizes, size)
		}
	}
	return sizes
}

// tile visits the encodings of a tile shape: the tiled ones, then the folded ones.
func (s *search) tile(p plan.Packing) {
	s.l.Packing = p
	y, err := s.l.Draft()
	if err != nil {
		return
	}
	s.fits = true
	slots := p.N / y.Image()
	channels, filters := s.l.CIn*y.Phases(), s.l.COut/s.l.G
	reads := y.Reads()
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
			p.High = min(p.N>>low/(y.Image()*f), ceilDiv(channels, 1<<low))
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

func ceilDiv(a, b int) int { return (a + b - 1) / b }

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
func (s *search) consider(p plan.Packing, reads int) {
	s.l.Packing = p
	y, err := s.l.Draft()
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
	up := float64(y.Tiles() * y.Blocks() * p.N)
	if p.Filters == 1 {
		up = float64(y.Tiles() * s.l.CIn * y.Phases() * min(reads, y.Image()))
	}
	for k, keys := range keyCaps {
		if p.Keys = min(keys, y.Tiles()); keys > keyCaps[0] && p.Keys <= keyCaps[k-1] {
			break // no more tiles than that
		}
		y.Repack(p)
		c1, c0 := float64(y.KeySets()*y.Responses()*p.N), float64(s.l.NumOut())
		q, ok := s.chooseBits(y, p, up, c1, c0)
		if !ok {
			return
		}
		if y.Repack(q); y.Check() != nil {
			return
		}
		c := plan.Cost{Work: y.Work(), Flights: []plan.Flight{
			{ToServer: int64(up*float64(q.UploadBits)) / 8},
			{ToClient: int64(c1*float64(q.C1Bits)+c0*float64(q.C0Bits)) / 8},
		}}
		s.offer(option{s.profile.Seconds(c), q, y.Tiles()}, k, level)
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
func (s *search) chooseBits(y *plan.Layout, p plan.Packing, up, c1, c0 float64) (chosen plan.Packing, ok bool) {
	out, best := s.l.EngineBits(), math.Inf(1)
	for extra0 := least0; extra0 <= most0; extra0++ {
		for extra1 := least1; extra1 <= most1; extra1++ {
			p.C0Bits, p.C1Bits = min(wire.QBits, out+extra0), min(wire.QBits, out+extra1)
			room := &s.rooms[p.Merge][p.Digits][extra0][extra1]
			if *room == 0 {
				*room = y.UploadRoom(p)
			}
			if p.UploadBits = y.LeastUploadBits(*room); p.UploadBits < 0 {
				continue
			}
			if bits := up*float64(p.UploadBits) + c1*float64(p.C1Bits) + c0*float64(p.C0Bits); bits < best {
				best, chosen = bits, p
			}
		}
	}
	return chosen, !math.IsInf(best, 1)
}
