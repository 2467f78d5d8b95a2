package mpctest

import (
	"context"
	"math"
	"math/bits"
	"sync/atomic"

	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// View deals random OTs such that one party's part of them (the observer's
// choices and chosen pads, or both of its own pads) is the same for all OTs of a batch, and only what
// it lacks is fresh for each. With inputs that are the same for all elements too, what the
// observer receives must then be uniform and independent from element to element: that is what a
// perfectly masked protocol sends, whatever the view is.
type View struct {
	observer transport.Role
	seed     uint64
	reuse    int64 // so many batches in a row are the same one; 1 in a sound run
}

// NewView makes a view of the observer's.
func NewView(observer transport.Role, seed uint64) *View { return &View{observer, seed, 1} }

// NewReusedView is a view in which each batch is dealt twice: what a protocol
// does that uses a pad again. Results stay right; secrecy is lost.
func NewReusedView(observer transport.Role, seed uint64) *View { return &View{observer, seed, 2} }

// Sources are a party's ends of both directions.
func (v *View) Sources(role transport.Role) (ViewSender, ViewReceiver) {
	return ViewSender{&viewSource{view: v, sender: role}}, ViewReceiver{&viewSource{view: v, sender: 1 - role}}
}

// viewSource is one party's end of a direction.
type viewSource struct {
	view   *View
	sender transport.Role
	taken  atomic.Int64
}

// ViewSender hands out batches to the OT sender.
type ViewSender struct{ s *viewSource }

// ViewReceiver hands out batches to the OT receiver.
type ViewReceiver struct{ s *viewSource }

// Take returns the next n OTs.
func (s ViewSender) Take(_ context.Context, n int) (*ViewSendBatch, error) {
	return &ViewSendBatch{s.s.batch(n)}, nil
}

// Take returns the next n OTs.
func (r ViewReceiver) Take(_ context.Context, n int) (*ViewRecvBatch, error) {
	return &ViewRecvBatch{r.s.batch(n)}, nil
}

func (s *viewSource) batch(n int) viewBatch {
	number := (s.taken.Add(1) - 1) / s.view.reuse
	seed := mix(s.view.seed ^ mix(uint64(number)<<1|uint64(s.sender)))
	return viewBatch{n: n, seed: seed, sees: s.view.observer == s.sender}
}

// mix is the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

type viewBatch struct {
	n    int
	seed uint64
	sees bool // the observer is this direction's OT sender
}

// ot is OT number i: its two pads and its choice.
func (b viewBatch) ot(i int) (pad [2]uint64, choice uint64) {
	fixed := func(what uint64) uint64 { return mix(b.seed + what) }
	fresh := func(what uint64) uint64 { return mix(mix(b.seed+what) ^ uint64(i+1)<<3) }
	pad = [2]uint64{fixed(0), fixed(1)}
	if b.sees {
		return pad, fresh(2) & 1
	}
	choice = fixed(2) & 1
	pad[1-choice] = fresh(1 - choice)
	return pad, choice
}

// ViewSendBatch is a batch at the sender.
type ViewSendBatch struct{ viewBatch }

// ViewRecvBatch is a batch at the receiver.
type ViewRecvBatch struct{ viewBatch }

// PadsInto fills both pads of every OT.
func (b *ViewSendBatch) PadsInto(width int, p0, p1 []uint64) {
	b.fill(width, p0, func(pad [2]uint64, _ uint64) uint64 { return pad[0] })
	b.fill(width, p1, func(pad [2]uint64, _ uint64) uint64 { return pad[1] })
}

// PadsInto fills the choices (bit-packed) and the chosen pads.
func (b *ViewRecvBatch) PadsInto(width int, choice, p []uint64) {
	b.fill(1, choice, func(_ [2]uint64, c uint64) uint64 { return c })
	b.fill(width, p, func(pad [2]uint64, c uint64) uint64 { return pad[c] })
}

func (b viewBatch) fill(width int, dst []uint64, of func(pad [2]uint64, choice uint64) uint64) {
	if width == 1 {
		clear(dst[:(b.n+63)/64])
	}
	for i := range b.n {
		v := of(b.ot(i)) & (^uint64(0) >> (64 - width))
		if width == 1 {
			dst[i/64] |= v << (i % 64)
		} else {
			dst[i] = v
		}
	}
}

// SeedsInto fills both seeds of every OT.
func (b *ViewSendBatch) SeedsInto(s0, s1 []prg.Block) {
	for i := range s0 {
		pad, _ := b.ot(i)
		s0[i], s1[i] = seedOf(pad[0]), seedOf(pad[1])
	}
}

// SeedsInto fills the choices (bit-packed) and the chosen seeds.
func (b *ViewRecvBatch) SeedsInto(choice []uint64, s []prg.Block) {
	b.fill(1, choice, func(_ [2]uint64, c uint64) uint64 { return c })
	for i := range s {
		pad, c := b.ot(i)
		s[i] = seedOf(pad[c])
	}
}

func seedOf(pad uint64) prg.Block { return prg.Block{pad, mix(pad)} }

// Recorder keeps what its party receives, and what it has sent before: of both together the party
// learns what it opens.
type Recorder struct {
	transport.Conn
	Received [][]byte

	sent []sending
}

// sending is a message and how many were received before it.
type sending struct {
	message []byte
	after   int
}

// Send sends and keeps.
func (r *Recorder) Send(p []byte) error {
	r.sent = append(r.sent, sending{append([]byte(nil), p...), len(r.Received)})
	return r.Conn.Send(p)
}

// planes visits the planes of all messages of n elements, in the order in which they went.
func (r *Recorder) planes(n int, visit func(plane []uint64, received bool)) {
	sent := r.sent
	for i, m := range r.Received {
		for ; len(sent) > 0 && sent[0].after <= i; sent = sent[1:] {
			for _, p := range split(sent[0].message, n) {
				visit(p, false)
			}
		}
		for _, p := range split(m, n) {
			visit(p, true)
		}
	}
}

// Recv receives and keeps.
func (r *Recorder) Recv(p []byte) error {
	err := r.Conn.Recv(p)
	r.Received = append(r.Received, append([]byte(nil), p...))
	return err
}

// Bias is the worst deviation, in standard deviations, of the planes of what was
// received and of the sums of each with any that went before, either way, or with one of either: what
// is opened is such a sum. A plane is the same bit of the messages of all n elements (n a multiple
// of 64). planes is how many were received.
func (r *Recorder) Bias(n int) (worst float64, planes int) {
	var in, out [][]uint64
	opened, sum := make([]uint64, n/64), make([]uint64, n/64)
	add := func(to, p, q []uint64) {
		for w := range to {
			to[w] = p[w] ^ q[w]
		}
		worst = max(worst, deviation(to, n))
	}
	r.planes(n, func(p []uint64, received bool) {
		if !received {
			out = append(out, p)
			return
		}
		worst = max(worst, deviation(p, n))
		for _, q := range in {
			add(sum, p, q)
		}
		for _, s := range out {
			add(opened, p, s)
			for _, q := range in {
				add(sum, opened, q)
			}
		}
		in = append(in, p)
	})
	return worst, len(in)
}

// Dependent counts the received planes that are a constant or a sum of planes that went before, either
// way, of however many, and a constant: what the receiver can tell of such a plane it knew before. Of planes
// that are uniform and independent there is none, but for a chance of 2^(planes-n).
func (r *Recorder) Dependent(n int) (dependent int) {
	ones := make([]uint64, n/64)
	for i := range ones {
		ones[i] = ^uint64(0)
	}
	basis := map[int][]uint64{} // by the place of the lowest one
	reduce := func(p []uint64) bool {
		for {
			at := lowest(p)
			if at < 0 {
				return false
			}
			b, ok := basis[at]
			if !ok {
				basis[at] = p
				return true
			}
			for w := range p {
				p[w] ^= b[w]
			}
		}
	}
	reduce(ones)
	r.planes(n, func(p []uint64, received bool) {
		if !reduce(p) && received {
			dependent++
		}
	})
	return dependent
}

// lowest is the place of the lowest one, -1 without any.
func lowest(p []uint64) int {
	for w, x := range p {
		if x != 0 {
			return 64*w + bits.TrailingZeros64(x)
		}
	}
	return -1
}

// split cuts a message of n elements of some width into planes; what is too
// short for one bit an element has none.
func split(m []byte, n int) [][]uint64 {
	width := 8 * len(m) / n
	planes := make([][]uint64, width)
	for j := range planes {
		planes[j] = make([]uint64, n/64)
		for i := range n {
			at := i*width + j
			planes[j][i/64] |= uint64(m[at/8]>>(at%8)&1) << (i % 64)
		}
	}
	return planes
}

// deviation is that of the number of ones from n/2.
func deviation(plane []uint64, n int) float64 {
	ones := 0
	for _, w := range plane {
		ones += bits.OnesCount64(w)
	}
	d := float64(2*ones - n)
	return math.Abs(d) / math.Sqrt(float64(n))
}
