package transport

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
	"sync"
)

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

// data takes in a frame's payload.
func (t *Transcript) data(received bool, channel uint8, payload []byte) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	at := 0
	if received {
		at = 1
	}
	if t.sides[at] == nil {
		t.sides[at] = map[uint8]*side{}
	}
	s := t.sides[at][channel]
	if s == nil {
		s = &side{Hash: sha256.New()}
		t.sides[at][channel] = s
	}
	s.Write(payload)
	s.n += uint64(len(payload))
}

// Sum is the digest of what was said by now, for the party of a role.
func (t *Transcript) Sum(role Role) (sum [sha256.Size]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	byServer := t.sides
	if role == Client {
		byServer[0], byServer[1] = byServer[1], byServer[0]
	}
	h := sha256.New()
	h.Write([]byte("secc transcript 1\n"))
	for from, channels := range byServer {
		for _, id := range slices.Sorted(maps.Keys(channels)) {
			s := channels[id]
			h.Write([]byte{byte(from), id})
			h.Write(binary.LittleEndian.AppendUint64(nil, s.n))
			h.Write(s.Hash.Sum(nil))
		}
	}
	h.Sum(sum[:0])
	return sum
}
