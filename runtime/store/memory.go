package store

import (
	"bytes"
	"io"
	"sync/atomic"
)

// Memory is a store in RAM of at most so many bytes; 0: any number. What it holds ends with the
// process.
func Memory(maxBytes int64) *Store { return empty(new(ram), maxBytes) }

// ram keeps runs as they are. It has no past that could be restored.
type ram struct{ made atomic.Int64 }

func (*ram) overhead(int64) int64 { return 0 }
func (*ram) log(record) error     { return nil }
func (*ram) renew() error         { return nil }
func (*ram) close() error         { return nil }
func (*ram) id() string           { return "" }

func (m *ram) begin(_ Binding, size int64) (draft, error) {
	return &ramRun{m: m, b: make([]byte, 0, size)}, nil
}

type ramRun struct {
	m *ram
	b []byte
}

func (r *ramRun) Write(p []byte) (int, error) {
	r.b = append(r.b, p...)
	return len(p), nil
}

func (r *ramRun) finish() (content, int64, error) { return r, r.m.made.Add(1), nil }
func (r *ramRun) discard() error                  { return r.erase() }
func (r *ramRun) open() (io.ReaderAt, error)      { return bytes.NewReader(r.b), nil }

func (r *ramRun) erase() error {
	clear(r.b)
	r.b = nil
	return nil
}
