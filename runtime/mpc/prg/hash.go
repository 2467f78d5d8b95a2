package prg

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
