package transport

import "sync"

// spares are buffers of whole frames that were used and wait to be used again.
// Bulk traffic would otherwise ask for its whole volume of fresh memory, which
// costs more than the bytes' way through the kernel. What is in a buffer is
// overwritten before it is read. The one used last goes first: it is still in a cache.
type spares struct {
	mu   sync.Mutex
	free [][]byte
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

// give takes a buffer back that nobody reads or writes any more.
func (s *spares) give(b []byte) {
	if cap(b) != frameSize {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) < spareFrames {
		s.free = append(s.free, b[:frameSize])
	}
}

// extend appends p to a frame that is being filled and has room for it; header space first.
func (s *spares) extend(buf, p []byte) []byte {
	need := max(len(buf), headerLen) + len(p)
	switch {
	case need <= cap(buf):
	case need > bulkSend:
		buf = append(s.whole()[:0], buf...)
	case buf == nil:
		buf = make([]byte, 0, max(need, 1<<10))
	}
	return append(buf[:max(len(buf), headerLen)], p...)
}
