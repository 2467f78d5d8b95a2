package prg

import "secc.example/secc/internal/kernel"

// epochBits: the hash changes its AES key every 2^epochBits indices, so that a
// precomputed or multi-target search pays for at most that many targets at once.
const epochBits = 8

// Hash is the circular correlation-robust hash
//
//	H(x, i) = P(s(x) ^ i) ^ s(x),   P = AES_K(e), e = i >> 8, K(e) = AES_key(e)
//
// with s = Block.Sigma: MMO of Guo-Katz-Wang-Yu (S&P 2020, section 7.3), keyed by
// the epoch as in Guo-Katz-Wang-Weng-Yu (Crypto 2020). In the ideal-cipher model p offline
// queries find one of the hashes of an unknown shift with a chance of at most 2^8 * p / 2^127 for
// one hash an index, whatever the total number of hashes. The blocks must be random and
// independent of the shift, as those of correlated OTs between semi-honest parties are; the
// index then only keeps equal blocks of an epoch apart. The key is public; it must
// be fixed only after both parties have added randomness to it. A Hash is for one goroutine.
type Hash struct {
	keys  *Cipher
	next  [softWidth]Block // keys of as many epochs, that of epoch among them: they cost what one does
	lanes *lanes           // their schedules, for the portable variant
	epoch uint64
	perm  Cipher
	fresh bool
}

// NewHash makes the hash of a session key.
func NewHash(key Block) *Hash { return &Hash{keys: NewCipher(key)} }

// use switches to the key of an epoch.
func (h *Hash) use(epoch uint64) {
	if h.fresh && h.epoch == epoch {
		return
	}
	if from := epoch &^ (softWidth - 1); !h.fresh || from != h.epoch&^(softWidth-1) {
		h.keys.Fill(h.next[:], from)
		if h.keys.variant == kernel.Portable {
			if h.lanes == nil {
				h.lanes = new(lanes)
			}
			h.lanes.expand(&h.next)
		}
	}
	if h.keys.variant == kernel.Portable {
		h.perm.take(h.lanes, int(epoch%softWidth))
	} else {
		h.perm.Reset(h.next[epoch%softWidth])
	}
	h.epoch, h.fresh = epoch, true
}

// Words writes words whose lowest width bits, up to 64, are those of H(x[i] ^ off, index + i). What
// their other bits are is not specified.
func (h *Hash) Words(width int, dst []uint64, x []Block, off Block, index uint64) {
	if len(dst) != len(x) {
		panic("BUG: prg: hash lengths differ")
	}
	for len(x) > 0 {
		n := h.begin(len(x), index)
		if h.perm.variant == kernel.Portable {
			h.perm.soft.hashWords(dst[:n], nil, x[:n], off, off, index, width)
		} else {
			h.perm.words(dst[:n], x[:n], &off, index)
		}
		dst, x, index = dst[n:], x[n:], index+uint64(n)
	}
}

// WordPairs is Words with off0 to dst0 and with off1 to dst1: it changes keys half as often as two
// calls.
func (h *Hash) WordPairs(width int, dst0, dst1 []uint64, x []Block, off0, off1 Block, index uint64) {
	if len(dst0) != len(x) || len(dst1) != len(x) {
		panic("BUG: prg: hash lengths differ")
	}
	for len(x) > 0 {
		n := h.begin(len(x), index)
		if h.perm.variant == kernel.Portable {
			h.perm.soft.hashWords(dst0[:n], dst1[:n], x[:n], off0, off1, index, width)
		} else {
			h.perm.words(dst0[:n], x[:n], &off0, index)
			h.perm.words(dst1[:n], x[:n], &off1, index)
		}
		dst0, dst1, x, index = dst0[n:], dst1[n:], x[n:], index+uint64(n)
	}
}

// begin switches to the key of index, and returns how many of n blocks it is for.
func (h *Hash) begin(n int, index uint64) int {
	h.use(index >> epochBits)
	return min(n, int((index>>epochBits+1)<<epochBits-index))
}

// words hashes under one key, for all variants but the portable one.
func (c *Cipher) words(dst []uint64, x []Block, off *Block, index uint64) {
	if whole(c.variant) {
		hashWords(c.variant, &c.rounds, dst, x, off, index)
		return
	}
	c.composedWords(dst, x, *off, index)
}

// Blocks writes H(x[i] ^ off, index + i).
func (h *Hash) Blocks(dst, x []Block, off Block, index uint64) {
	for len(x) > 0 {
		n := h.begin(min(len(x), composedWidth), index)
		for i := range n {
			dst[i] = x[i].Xor(off)
		}
		h.perm.composedHash(dst[:n], index)
		dst, x, index = dst[n:], x[n:], index+uint64(n)
	}
}
