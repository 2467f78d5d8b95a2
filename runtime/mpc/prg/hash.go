package prg

// epochBits: the hash changes its AES key every 2^epochBits indices, so that a
// precomputed or multi-target search pays for at most that many targets at once.
const epochBits = 12

// Hash is the tweakable, circular correlation-robust hash
//
//	H(x, i) = P(P(x) ^ i) ^ P(x),   P = AES_K(e), e = i >> 12, K(e) = AES_key(e)
//
// TMMO of Guo-Katz-Wang-Yu (S&P 2020, section 7.4) with the key changed as in
// MMO^E (Guo-Katz-Wang-Weng-Yu, Crypto 2020): in the ideal-cipher model the
// advantage of p offline queries is about 2^12 * p / 2^128, whatever the total number
// of hashes. The key is public; it must be fixed only after both parties have
// added randomness to it. A Hash is for one goroutine.
type Hash struct {
	keys  *Cipher
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
	var k [1]Block
	h.keys.Fill(k[:], epoch)
	h.perm.Reset(k[0])
	h.epoch, h.fresh = epoch, true
}

// Words writes the low words of H(x[i] ^ off, index + i).
func (h *Hash) Words(dst []uint64, x []Block, off Block, index uint64) {
	if len(dst) != len(x) {
		panic("BUG: prg: hash lengths differ")
	}
	for len(x) > 0 {
		n := min(len(x), int((index>>epochBits+1)<<epochBits-index))
		h.use(index >> epochBits)
		if whole(h.perm.variant) {
			hashWords(h.perm.variant, &h.perm.rounds, dst[:n], x[:n], &off, index)
		} else {
			h.perm.composedWords(dst[:n], x[:n], off, index)
		}
		dst, x, index = dst[n:], x[n:], index+uint64(n)
	}
}

// Blocks writes H(x[i] ^ off, index + i).
func (h *Hash) Blocks(dst, x []Block, off Block, index uint64) {
	for len(x) > 0 {
		n := min(len(x), composedWidth, int((index>>epochBits+1)<<epochBits-index))
		h.use(index >> epochBits)
		for i := range n {
			dst[i] = x[i].Xor(off)
		}
		h.perm.composedHash(dst[:n], index)
		dst, x, index = dst[n:], x[n:], index+uint64(n)
	}
}
