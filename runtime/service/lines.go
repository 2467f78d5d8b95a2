package service

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Lines writes without ever making the writer wait: a reader of the log that stands still, or
// is gone, is no reason for sessions to. What does not fit is dropped, and counted.
type Lines struct {
	queue   chan []byte
	dropped atomic.Int64
	done    chan struct{}
	closing sync.Once
}

// lines is how many writes wait for a slow reader.
const lines = 1024

// NewLines starts writing to w.
func NewLines(w io.Writer) *Lines {
	l := &Lines{queue: make(chan []byte, lines), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for b := range l.queue {
			_, _ = w.Write(b) // nobody is left to be told
		}
	}()
	return l
}

// Write takes a line or drops it. It never fails.
func (l *Lines) Write(p []byte) (int, error) {
	select {
	case l.queue <- append([]byte(nil), p...):
	default:
		l.dropped.Add(1)
	}
	return len(p), nil
}

// Dropped is how many writes were dropped since it was asked last.
func (l *Lines) Dropped() int64 { return l.dropped.Swap(0) }

// Close waits until all is written, but no longer than limit. Nothing is written afterwards.
func (l *Lines) Close(limit time.Duration) {
	l.closing.Do(func() { close(l.queue) })
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-l.done:
	case <-t.C:
	}
}
