package transport

import (
	"encoding/binary"
	"hash"
	"maps"
	"slices"
	"sync"

	"github.com/zeebo/blake3"
)

// DigestSize is the size of digests of transcripts.
const DigestSize = 32

// NewDigest is the hash of transcripts, and of messages that challenges are drawn from: BLAKE3, which
// takes half the time of SHA-256 where processors have AVX2, also of those with instructions for SHA-256.
func NewDigest() hash.Hash { return blake3.New() }

// Transcript is the digest of all data of a connection, both directions, channel by channel: how
// messages are cut into frames and how channels alternate, which is a matter of time, does not
// enter it. After a session that ended well it is the same at both parties.
type Transcript struct {
	mu    sync.Mutex
	sides [2]map[uint8]*side // sent, received
}

type side struct {
	hash.Hash
	n uint64
}

// sent takes in the payload of a frame that was sent.
func (t *Transcript) sent(channel uint8, payload []byte) { t.add(0, channel, payload) }

// received takes in the payload of a frame that has come.
func (t *Transcript) received(channel uint8, payload []byte) { t.add(1, channel, payload) }

func (t *Transcript) add(at int, channel uint8, payload []byte) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sides[at] == nil {
		t.sides[at] = map[uint8]*side{}
	}
	s := t.sides[at][channel]
	if s == nil {
		s = &side{Hash: NewDigest()}
		t.sides[at][channel] = s
	}
	s.Write(payload)
	s.n += uint64(len(payload))
}

// Said is all that one party said on one channel.
type Said struct {
	From    Role
	Channel uint8
	Bytes   uint64
	Sum     [DigestSize]byte
}

// Said tells what was said by now, side by side: this party is of a role.
func (t *Transcript) Said(role Role) (all []Said) {
	t.mu.Lock()
	defer t.mu.Unlock()
	byServer := t.sides
	if role == Client {
		byServer[0], byServer[1] = byServer[1], byServer[0]
	}
	for from, channels := range byServer {
		for _, id := range slices.Sorted(maps.Keys(channels)) {
			s := Said{From: Role(from), Channel: id, Bytes: channels[id].n}
			channels[id].Hash.Sum(s.Sum[:0])
			all = append(all, s)
		}
	}
	return all
}

// Sum is the digest of what was said by now, for the party of a role.
func (t *Transcript) Sum(role Role) [DigestSize]byte { return SumOf(t.Said(role)) }

// SumOf is the digest of a transcript whose sides are these, in the order of Transcript.Said.
func SumOf(all []Said) (sum [DigestSize]byte) {
	h := NewDigest()
	h.Write([]byte("secc transcript 2\n"))
	for _, s := range all {
		h.Write([]byte{byte(s.From), s.Channel})
		h.Write(binary.LittleEndian.AppendUint64(nil, s.Bytes))
		h.Write(s.Sum[:])
	}
	h.Sum(sum[:0])
	return sum
}
