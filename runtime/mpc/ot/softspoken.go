package ot

import (
	"crypto/sha256"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// SoftSpoken OT extension (Roy, Crypto 2022, section 5) with the
// repetition code: Delta is cut into 128/k groups of k bits; for each group the
// receiver holds 2^k seeds and the sender all of them but number Delta_g.
//
//	u_g = xor_x G(s_x)        v_g = xor_x x*G(s_x)        (receiver)
//	w_g = xor_y y*G(s_(y ^ Delta_g)) = v_g ^ Delta_g*u_g   (sender; the missing seed has factor y = 0)
//
// The choice bits are r = u_0. For every other group the receiver sends u_g ^ r
// and the sender adds Delta_g times that, so w = v ^ r*Delta. Bit 0 of Delta is 1;
// in column 0 the sender then puts 0 and the receiver r, which keeps the
// relation and makes the lowest bit of a receiver's block its choice.
//
// One flight, receiver to sender, of (128/k - 1)/8 bytes a COT. A message ends with what the
// sender checks its columns by (columns.go).

// soft is what both sides of SoftSpoken share: the streams and the matrices.
type soft struct {
	conn transport.Conn
	k    int
	seed []prg.Cipher // group g, value x at g<<k + x
	next uint64       // block of the streams to be used next
	left int64        // COTs still to be made
	cols []prg.Block  // 128 columns of `rows` bits
	sum  []prg.Block  // u of one group
	part []prg.Block  // columns and u of a part of a group's streams
	msg  []byte
	made int         // OTs of the message at hand; its last wire.SoftSpent are not handed out
	at   int         // those handed out
	unit []prg.Block // rows of a part of them: those from a multiple of wire.SoftRowsUnit

	binding [sha256.Size]byte // of what was sent before
	check   columnCheck
}

func newSoft(conn transport.Conn, k int, seeds []prg.Block, binding [sha256.Size]byte, total int64) soft {
	s := soft{conn: conn, k: k, left: total, seed: make([]prg.Cipher, len(seeds)), binding: binding}
	for i := range seeds {
		s.seed[i].Reset(seeds[i])
	}
	n := int(wire.SoftMessage(total))
	s.cols = make([]prg.Block, n)
	s.sum = make([]prg.Block, n/128)
	s.check = newColumnCheck(n)
	s.part = make([]prg.Block, 5*n/128)
	s.msg = make([]byte, wire.SoftMessageBytes(k, int64(n)))
	s.unit = make([]prg.Block, wire.SoftRowsUnit)
	return s
}

// group computes u into s.sum and the k columns of group g. The sender does not
// know the seed of value 0 and has zero in its place: its u is wrong, and not
// used; the columns leave value 0 out.
func (s *soft) group(g, w int) {
	seeds, cols, sum := s.seed[g<<s.k:(g+1)<<s.k], s.cols[g*s.k*w:][:s.k*w], s.sum[:w]
	if s.k <= 4 {
		prg.Fold(seeds, cols, sum, s.next)
		return
	}
	clear(cols[4*w:])
	prg.Fold(seeds[:16], cols[:4*w], sum, s.next)
	low, part := s.part[:4*w], s.part[4*w:5*w]
	for x := 16; x < len(seeds); x += 16 { // 16 values that agree in all bits but the lowest four
		prg.Fold(seeds[x:x+16], low, part, s.next)
		xorInto(cols[:4*w], cols[:4*w], low)
		xorInto(sum, sum, part)
		for j := 4; j < s.k; j++ {
			if x>>j&1 == 1 {
				col := cols[j*w : (j+1)*w]
				xorInto(col, col, part)
			}
		}
	}
}

func (s *soft) flush() error { return s.conn.Flush() }

// fill hands out rows, making more with next.
func (s *soft) fill(dst []prg.Block, next func(rows int) error) error {
	for len(dst) > 0 {
		if s.at == s.good() {
			n := int(wire.SoftMessage(s.left))
			if err := next(n); err != nil {
				return err
			}
			s.next += uint64(n / 128)
			s.left -= min(int64(n-wire.SoftSpent), s.left)
			s.made, s.at = n, 0
		}
		n := s.hand(dst)
		dst = dst[n:]
		s.at += n
	}
	return nil
}

// good is how many OTs of the message at hand are handed out.
func (s *soft) good() int { return max(0, s.made-wire.SoftSpent) }

// hand makes rows of the columns where they go, in whole units; over spent ones go those that come
// next. What is less than a unit goes by way of one.
func (s *soft) hand(dst []prg.Block) int {
	cols, good, into := s.cols[:s.made], s.good()-s.at, s.at%wire.SoftRowsUnit
	if whole := min(len(dst), s.made-s.at) &^ (wire.SoftRowsUnit - 1); into == 0 && whole > 0 {
		transpose(dst[:whole], cols, s.at)
		return min(whole, good)
	}
	if into == 0 {
		transpose(s.unit, cols, s.at)
	}
	return copy(dst, s.unit[into:min(into+good, len(s.unit))])
}

// message is the part of the buffer for so many OTs: the whole, the corrections, and what is said
// of the columns.
func (s *soft) message(rows int) (whole, corrections, said []byte) {
	whole = s.msg[:wire.SoftMessageBytes(s.k, int64(rows))]
	n := len(whole) - wire.SoftCheckBytes
	return whole, whole[:n], whole[n:]
}

// hash is that of the columns of the message at hand.
func (s *soft) hash(corrections []byte, rows int) columnHash {
	return s.check.draw(s.binding, s.next, corrections, rows)
}

// softSender makes q.
type softSender struct {
	soft
	delta prg.Block
}

func (s *softSender) fill(dst []prg.Block) error { return s.soft.fill(dst, s.batch) }

func (s *softSender) batch(rows int) error {
	w := rows / 128
	groups := 128 / s.k
	whole, msg, said := s.message(rows)
	if err := s.conn.Recv(whole); err != nil {
		return err
	}
	for g := range groups {
		s.group(g, w)
		if g == 0 {
			clear(s.cols[:w])
			continue
		}
		part := msg[(g-1)*w*prg.BlockSize:]
		for j := range s.k {
			bit := g*s.k + j
			mask := -(s.delta[bit/64] >> (bit % 64) & 1)
			addMasked(s.cols[bit*w:(bit+1)*w], part, mask)
		}
	}
	return s.hash(msg, rows).check(said, s.cols[:rows], s.delta)
}

// softReceiver makes t.
type softReceiver struct{ soft }

func (s *softReceiver) fill(dst []prg.Block) error { return s.soft.fill(dst, s.batch) }

func (s *softReceiver) batch(rows int) error {
	w := rows / 128
	groups := 128 / s.k
	choice := s.cols[:w] // column 0
	whole, msg, said := s.message(rows)
	for g := range groups {
		s.group(g, w)
		if g == 0 {
			copy(choice, s.sum)
			continue
		}
		xorWire(msg[(g-1)*w*prg.BlockSize:], s.sum[:w], choice)
	}
	s.hash(msg, rows).respond(said, s.cols[:rows])
	return s.conn.Send(whole)
}
