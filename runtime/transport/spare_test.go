package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"
)

// stream is n bytes that say where they stand, cut into sends of all sizes.
func stream(n int, salt uint32) []byte {
	p := make([]byte, 0, n)
	for i := range uint32(n / 4) {
		p = binary.LittleEndian.AppendUint32(p, i*2654435761^salt)
	}
	return p
}

// Frames of all sizes on two channels at once, both ways: what passes through
// used buffers comes out whole and in order.
func TestBuffersAreUsedAgain(t *testing.T) {
	s, c := muxes(t, Config{}, Link{})
	const n = 24 << 20
	part := func(m *Mux, channel int, mine, theirs uint32) func() error {
		return func() error {
			x, out, got := m.Channel(channel), stream(n, mine), make([]byte, n)
			for at, size := 0, 1; at < n; size = size*5%(3*maxFrame/2) + 1 {
				k := min(size, n-at)
				if err := errors.Join(x.Send(out[at:at+k]), x.Recv(got[at:at+k])); err != nil {
					return err
				}
				at += k
			}
			if !bytes.Equal(got, stream(n, theirs)) {
				return fmt.Errorf("channel %d: wrong bytes", channel)
			}
			return nil
		}
	}
	both(t,
		func() error { return two(part(s, 1, 1, 2), part(s, 2, 3, 4)) },
		func() error { return two(part(c, 1, 2, 1), part(c, 2, 4, 3)) })
}

func two(f, g func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return errors.Join(g(), <-done)
}

// Bulk traffic takes no more memory than a window, however long it lasts.
func TestBulkTakesLittleMemory(t *testing.T) {
	s, c := muxes(t, Config{}, Link{})
	const total, size = 512 << 20, 60_000
	p, q := make([]byte, size), make([]byte, size)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	both(t, func() error {
		for range total / size {
			if err := s.Channel(1).Send(p); err != nil {
				return err
			}
		}
		return s.Channel(1).Flush()
	}, func() error {
		for range total / size {
			if err := c.Channel(1).Recv(q); err != nil {
				return err
			}
		}
		return nil
	})
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
		t.Errorf("%d MiB were allocated for %d MiB", took>>20, total>>20)
	}
}

// A peer that sends frames below half the largest cannot make them hold large
// buffers, and no more than a window of those is kept.
func TestSmallFramesHoldSmallBuffers(t *testing.T) {
	var s spares
	for _, n := range []int{1, 1 << 10, maxFrame/2 - 1} {
		if b := s.take(n); len(b) != n || cap(b) > n+n/4+64 {
			t.Errorf("%d bytes for %d", cap(b), n)
		}
	}
	var used [][]byte
	for range spareFrames + 5 {
		used = append(used, s.take(maxFrame/2))
	}
	for _, b := range used {
		s.give(b)
	}
	s.give(make([]byte, maxFrame))
	if len(s.free) != spareFrames {
		t.Errorf("%d buffers kept", len(s.free))
	}
	if b := s.take(maxFrame); len(b) != maxFrame || &b[0] != &used[spareFrames-1][0] {
		t.Error("not the buffer that was used last")
	}
}
