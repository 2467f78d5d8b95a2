package transport

import "sync"

// spares are buffers of whole frames that were used and wait to be used again.
// Bulk traffic would otherwise ask for its whole volume of fresh memory, which
// costs more than the bytes' way through the kernel. What is in a buffer is
// overwritten before it is read. The one used last goes first: it is still in a cache.
type spares struct {
	mu    sync.Mutex
	free  [][]byte
	small [][]byte // of bulkSend bytes
}

const (
	frameSize   = headerLen + maxFrame
	spareFrames = 32       // kept at most: a default window
	bulkSend    = 16 << 10 // a frame that outgrows this is expected to become a whole one
)

// take gives n bytes. Less than half a frame gets memory of its own size, so
// that a peer's small frames do not hold large buffers.
func (s *spares) take(n int) []byte {
	if n < maxFrame/2 {
		return make([]byte, n)
	}
	return s.whole()[:n]
}

func (s *spares) whole() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.free) - 1
	if last < 0 {
		return make([]byte, frameSize)
	}
	b := s.free[last]
	s.free = s.free[:last]
	return b
}

// begin gives room for a frame that is being filled.
func (s *spares) begin() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.small) - 1
	if last < 0 {
		return make([]byte, 0, bulkSend)
	}
	b := s.small[last]
	s.small = s.small[:last]
	return b[:0]
}

// give takes a buffer back that nobody reads or writes any more.
func (s *spares) give(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case cap(b) == frameSize && len(s.free) < spareFrames:
		s.free = append(s.free, b[:frameSize])
	case cap(b) == bulkSend && len(s.small) < spareFrames:
		s.small = append(s.small, b)
	}
}

// extend appends p to a frame that is being filled and has room for it; header space first.
func (s *spares) extend(buf, p []byte) []byte {
	need := max(len(buf), headerLen) + len(p)
	switch {
	case need <= cap(buf):
	case need > bulkSend:
		whole := append(s.whole()[:0], buf...)
		s.give(buf)
		buf = whole
	case buf == nil:
		buf = s.begin()
	}
	return append(buf[:max(len(buf), headerLen)], p...)
}
