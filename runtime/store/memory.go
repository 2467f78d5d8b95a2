package store

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"

	"secc.example/secc/internal/largepage"
)

// Memory is a store in RAM of at most so many bytes; 0: any number. What it holds ends with the
// process.
func Memory(maxBytes int64) *Store { return empty(&ram{keep: maxBytes == 0}, maxBytes) }

// ram keeps runs as they are. It has no past that could be restored.
type ram struct {
	made atomic.Int64
	keep bool // the memory of an erased run for the next one

	mu     sync.Mutex
	spare  []byte
	held   int64 // of runs and spare, which the collector knows of
	closed bool  // what is erased from now on is not held any more
}

func (*ram) overhead(int64) int64 { return 0 }
func (*ram) log(record) error     { return nil }
func (*ram) renew() error         { return nil }
func (*ram) id() string           { return "" }

func (m *ram) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hold(-int(m.held))
	m.spare, m.closed = nil, true
	return nil
}

func (m *ram) begin(_ Binding, size int64) (draft, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed { // since the store was asked
		return nil, ErrClosed
	}
	return &ramRun{m: m, b: m.bytes(int(size))[:0]}, nil
}

// bytes gives n bytes, those of an erased run if they fit. m.mu is held.
func (m *ram) bytes(n int) []byte {
	if b := m.spare; n > 0 && cap(b) == n {
		m.spare = nil
		return b[:n]
	}
	m.hold(n - cap(m.spare))
	m.spare = nil
	return largepage.Bytes(n)
}

// hold counts n bytes more. m.mu is held.
func (m *ram) hold(n int) {
	m.held += int64(n)
	largepage.Keep(int64(n))
}

type ramRun struct {
	m    *ram
	b    []byte
	lent bool // somebody reads of b
}

func (r *ramRun) Write(p []byte) (int, error) {
	if room := r.available(); len(p) > 0 && len(p) <= cap(room) && &p[0] == &room[:1][0] { // it is there
		r.b = r.b[:len(r.b)+len(p)]
		return len(p), nil
	}
	r.b = append(r.b, p...)
	return len(p), nil
}

func (r *ramRun) available() []byte { return r.b[len(r.b):] }

func (r *ramRun) finish() (content, int64, error) { return r, r.m.made.Add(1), nil }
func (r *ramRun) discard() error                  { return r.erase() }
func (r *ramRun) open() (io.ReaderAt, error)      { return r, nil }

func (r *ramRun) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(r.b).ReadAt(p, off)
}

// lend gives bytes of the run that are read where they are.
func (r *ramRun) lend(off, n int64) []byte {
	r.lent = true
	return r.b[off : off+n : off+n]
}

func (r *ramRun) returned() { r.lent = false }

// erase forgets the run. Bytes that somebody may still read are left as they are, until nobody has them: whoever
// read zeros for pads would send what they should have masked.
func (r *ramRun) erase() error {
	m, b := r.m, r.b
	r.b = nil
	if !r.lent {
		clear(b)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b == nil || m.closed {
		return nil
	}
	if r.lent || !m.keep {
		m.hold(-cap(b))
		return nil
	}
	m.hold(-cap(m.spare))
	m.spare = b
	return nil
}
