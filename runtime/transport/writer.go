package transport

import (
	"encoding/binary"
	"errors"
	"time"
)

// write puts frames on the wire until the connection ends, then says goodbye.
func (m *Mux) write() {
	w := frameWriter{m: m}
	err := w.raw([]byte(preface))
	for err == nil {
		var more bool
		if more, err = w.next(); err != nil || more {
			continue
		}
		select {
		case <-m.wake:
		case <-m.done:
			m.farewell(&w)
			return
		}
	}
	m.lastWords()
	m.fail(lost(err))
	m.rw.Close()
}

// lastWords gives the reader a moment when writing has failed: what the peer said
// before it left, a TLS alert or a goodbye, says more than a broken pipe.
func (m *Mux) lastWords() {
	t := time.NewTimer(linger)
	defer t.Stop()
	select {
	case <-m.done:
	case <-t.C:
	}
}

// farewell flushes if the end is an orderly one, tells the peer the reason and
// gives it a moment to take both in before the connection is torn down.
func (m *Mux) farewell(w *frameWriter) {
	m.mu.Lock()
	err := m.err
	m.mu.Unlock()
	if c, ok := m.rw.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = c.SetWriteDeadline(time.Now().Add(linger)) // a dead peer must not hold us up; the outcome no longer matters
	}
	var werr error
	for more := errors.Is(err, ErrClosed); more && werr == nil; {
		more, werr = w.next()
	}
	if werr == nil {
		werr = w.control(0, kindBye, []byte{byte(reasonFor(err))})
	}
	half, ok := m.rw.(interface{ CloseWrite() error })
	if werr != nil || !ok || m.peerIsDone() || half.CloseWrite() != nil {
		m.rw.Close()
	}
}

// frameWriter numbers frames. Only the writing goroutine uses it.
type frameWriter struct {
	m   *Mux
	seq uint32
}

// next writes what is most urgent and reports whether there was anything.
func (w *frameWriter) next() (bool, error) {
	m := w.m
	m.mu.Lock()
	for _, c := range m.chs {
		if n := c.takeGrant(); n > 0 {
			m.mu.Unlock()
			return true, w.control(c.id, kindCredit, binary.LittleEndian.AppendUint32(nil, uint32(n)))
		}
	}
	if len(m.out) > 0 {
		f := m.out[0]
		m.out[0] = outFrame{}
		m.out, m.alive = m.out[1:], false
		m.drained(len(f.buf) - headerLen)
		m.mu.Unlock()
		return true, w.data(f)
	}
	alive := m.alive
	m.alive = false
	m.mu.Unlock()
	if alive {
		return true, w.control(0, kindAlive, nil)
	}
	return false, nil
}

// drained makes room in the queue of what is to be sent. m.mu is held.
func (m *Mux) drained(n int) {
	full := m.outBytes >= m.cfg.Window
	m.outBytes -= n
	if !full || m.outBytes >= m.cfg.Window {
		return
	}
	for _, c := range m.chs {
		wake(c.writable)
	}
}

func (w *frameWriter) data(f outFrame) error {
	payload := f.buf[headerLen:]
	h := header{length: uint32(len(payload)), channel: f.ch.id, kind: kindData, sequence: w.seq, depth: uint32(f.depth), crc: crc(payload)}
	h.put(f.buf)
	w.seq++
	var err error
	for rest := f.buf; len(rest) > 0 && err == nil; {
		n := min(len(rest), writePiece)
		err = w.raw(rest[:n])
		rest = rest[n:]
		w.m.inched()
	}
	w.m.cfg.Transcript.sent(h.channel, payload)
	w.m.spare.give(f.buf)
	return err
}

// writePiece is written at once: small enough that a slow link takes one well before the
// session counts as standing still.
const writePiece = 64 << 10

// inched notes that payload was written.
func (m *Mux) inched() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moved = m.wrote
}

func (w *frameWriter) control(channel uint8, k kind, payload []byte) error {
	b := make([]byte, headerLen, headerLen+len(payload))
	header{length: uint32(len(payload)), channel: channel, kind: k, sequence: w.seq, crc: crc(payload)}.put(b)
	w.seq++
	return w.raw(append(b, payload...))
}

func (w *frameWriter) raw(b []byte) error {
	_, err := w.m.rw.Write(b)
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	w.m.wrote = time.Now()
	w.m.wire.Sent += int64(len(b))
	return err
}
