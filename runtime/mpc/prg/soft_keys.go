package prg

import "math/bits"

// lanes are the key schedules of softWidth keys of 16 bytes, sliced beside each other: the four
// bytes that a round puts through the S-box are, of all keys, as many as it does in one go.
type lanes [11]sliced

// expand makes the schedules of keys (FIPS 197, 5.2), with the S-box's constant as Soft has it.
func (l *lanes) expand(keys *[softWidth]Block) {
	l[0].pack(keys)
	rcon := uint64(1)
	for r := range l[1:] {
		before, k := &l[r], &l[r+1]
		var z column
		z.of(before, 48)
		subBytes((*[8]uint64)(&z))
		for j, w := range z {
			w = bits.RotateLeft64(w, -16) ^ -uint64(sboxOfZero>>j&1) ^ rcon>>j&1*0xffff
			for i := range k {
				k[i][j] = sums(before[i][j] ^ w>>(16*i)&0xffff)
			}
		}
		rcon = rcon<<1 ^ rcon>>7*0x11b
	}
	for r := range l[1:] {
		for i := range l[r+1] {
			for j := range l[r+1][i] {
				l[r+1][i][j] ^= -uint64(sboxOfZero >> j & 1)
			}
		}
	}
}

// sums adds to every column those before it.
func sums(w uint64) uint64 {
	w ^= w << 16
	return w ^ w<<32
}

// take makes s AES under key number lane.
func (s *Soft) take(l *lanes, lane int) {
	if len(s.keys) != len(l) {
		s.keys = make([]sliced, len(l))
	}
	n := lane & (softWidth - 1)
	for r := range l {
		for i := range l[r] {
			w, to := &l[r][i], &s.keys[r][i]
			to[0], to[1], to[2], to[3] = widen(w[0]>>n), widen(w[1]>>n), widen(w[2]>>n), widen(w[3]>>n)
			to[4], to[5], to[6], to[7] = widen(w[4]>>n), widen(w[5]>>n), widen(w[6]>>n), widen(w[7]>>n)
		}
	}
}
