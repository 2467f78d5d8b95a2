package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"secc.example/secc/runtime/guard"
)

// Line is a frame's data as it was heard: Size bytes of a recording, from At on.
type Line struct {
	Depth    int
	At, Size int64
}

// Recite is a peer that says on every channel what a recording holds of it, whatever it hears: it
// keeps to credit and causality, as the peer did who was recorded, and takes all that it is sent.
// Channels named as lanes are those that the other party uses as such (Mux.Lanes). It ends with the
// connection, which it closes.
func Recite(conn io.ReadWriteCloser, from io.ReaderAt, lines [][]Line, lanes ...int) error {
	r := &reciter{conn: conn, from: from, wake: make(chan struct{}, 1), chs: make([]recited, len(lines))}
	for i := range r.chs {
		r.chs[i] = recited{lines: slices.Clone(lines[i]), credit: firstWindow, grant: reciteWindow, heard: new(int)}
	}
	for _, id := range lanes {
		if id < len(r.chs) {
			r.chs[id].heard = r.chs[lanes[0]].heard
		}
	}
	heard := make(chan error, 1)
	guard.Go(r.hear, func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.over = true
		wake(r.wake)
		heard <- err
	})
	err := guard.Do(r.say)
	_ = conn.Close() // it may be closed already
	gone := <-heard
	if err != nil && !errors.Is(err, ErrPeerClosed) { // why it left says more than that it did
		return err
	}
	return gone
}

// reciteWindow is what the other party may send ahead on a channel.
const reciteWindow = 8 << 20

type reciter struct {
	conn io.ReadWriteCloser
	from io.ReaderAt
	wake chan struct{}

	mu   sync.Mutex // guards what follows
	chs  []recited
	over bool // the other party has left
}

// recited is a channel.
type recited struct {
	lines  []Line // to be said
	credit int64  // bytes that the other party will take
	grant  int64  // credit that is to be granted to it
	heard  *int   // largest depth heard on the channel or its lanes, plus one
}

// hear takes what the other party sends until it says goodbye.
func (r *reciter) hear() error {
	in := bufio.NewReaderSize(r.conn, 64<<10)
	hello := make([]byte, len(preface))
	if _, err := io.ReadFull(in, hello); err != nil {
		return lost(err)
	}
	for {
		var hb [headerLen]byte
		if _, err := io.ReadFull(in, hb[:]); err != nil {
			return lost(err)
		}
		h, err := parseHeader(&hb)
		if err != nil {
			return err
		}
		if int(h.channel) >= len(r.chs) {
			return Violation("frame on channel %d of %d", h.channel, len(r.chs))
		}
		switch h.kind {
		case kindData:
			if _, err = in.Discard(int(h.length)); err == nil {
				r.note(h)
			}
		case kindCredit:
			var n [4]byte
			if _, err = io.ReadFull(in, n[:]); err == nil {
				r.credit(int(h.channel), int64(binary.LittleEndian.Uint32(n[:])))
			}
		case kindBye:
			why, err := in.ReadByte()
			if err == nil && reason(why) != reasonDone {
				err = reason(why).err()
			}
			return err
		}
		if err != nil {
			return lost(err)
		}
	}
}

func (r *reciter) note(h header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.chs[h.channel]
	*c.heard = max(*c.heard, int(h.depth)+1)
	c.grant += int64(h.length)
	wake(r.wake)
}

func (r *reciter) credit(id int, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chs[id].credit += n
	wake(r.wake)
}

// say says what may be said until nothing is left of it and the other party is gone.
func (r *reciter) say() error {
	if _, err := io.WriteString(r.conn, preface); err != nil {
		return lost(err)
	}
	frame := make([]byte, headerLen+maxFrame)
	for seq := uint32(0); ; seq++ {
		h, at := r.next()
		payload := frame[headerLen:][:h.length]
		switch h.kind {
		case kindData:
			if _, err := r.from.ReadAt(payload, at); err != nil {
				return fmt.Errorf("the recording: %w", err)
			}
		case kindCredit:
			binary.LittleEndian.PutUint32(payload, uint32(at))
		case kindBye:
			payload[0] = byte(reasonDone)
		}
		h.sequence, h.crc = seq, crc(payload)
		h.put(frame)
		if _, err := r.conn.Write(frame[:headerLen+len(payload)]); err != nil {
			return lost(err)
		}
		if h.kind == kindBye {
			return nil
		}
	}
}

// next waits for what may be said next, and gives its header with the place of the data, or the
// credit.
func (r *reciter) next() (header, int64) {
	for {
		if h, at, ok := r.ready(); ok {
			return h, at
		}
		<-r.wake
	}
}

// ready is next for what may be said at once.
func (r *reciter) ready() (header, int64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.chs {
		c := &r.chs[id]
		if n := c.grant; n >= reciteWindow/4 {
			c.grant = 0
			return header{kind: kindCredit, channel: uint8(id), length: 4}, n, true
		}
		if len(c.lines) == 0 || c.credit <= 0 || c.lines[0].Depth > *c.heard {
			continue
		}
		l := &c.lines[0]
		n, at := min(l.Size, c.credit, maxFrame), l.At
		h := header{kind: kindData, channel: uint8(id), length: uint32(n), depth: uint32(l.Depth)}
		l.At, l.Size, c.credit = at+n, l.Size-n, c.credit-n
		if l.Size == 0 {
			c.lines = c.lines[1:]
		}
		return h, at, true
	}
	return header{kind: kindBye, length: 1}, 0, r.over
}
