package store

import (
	"errors"
	"fmt"
)

// Room is space of a store that nobody else gets, for runs of one size.
type Room struct {
	s          *Store
	size, held int64
	left       int
}

// Room holds space for at most n runs of so many bytes, for fewer if there is less.
func (s *Store) Room(size int64, n int) *Room {
	r := &Room{s: s, size: size, held: size + s.medium.overhead(size), left: max(n, 0)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stats.Limit > 0 {
		r.left = min(r.left, int(max(0, s.stats.Limit-s.stats.Bytes)/max(1, r.held)))
	}
	s.stats.Bytes += int64(r.left) * r.held
	return r
}

// Runs is how many runs there is space for.
func (r *Room) Runs() int { return r.left }

// Put begins a run in the space.
func (r *Room) Put(b Binding) (*Draft, error) {
	if r.left == 0 {
		return nil, ErrFull
	}
	r.left--
	return r.s.put(b, r.size, r.held)
}

// Shrink gives space back but for n runs.
func (r *Room) Shrink(n int) {
	n = min(max(n, 0), r.left)
	r.s.give(int64(r.left-n) * r.held)
	r.left = n
}

// Draft is a run that is being prepared. It takes its whole size of the store from the
// beginning, and is used by one goroutine.
type Draft struct {
	s     *Store
	e     *entry
	draft draft
	left  int64
	over  bool
}

// Put begins a run of so many bytes, which the plan knows.
func (s *Store) Put(b Binding, size int64) (*Draft, error) { return s.put(b, size, 0) }

// put is Put in space of which so many bytes are held already.
func (s *Store) put(b Binding, size, already int64) (*Draft, error) {
	if size < 0 || len(b.Peer) > MaxPeer {
		s.give(already)
		return nil, fmt.Errorf("a prepared run of %d bytes for a peer whose name has %d (at most %d)", size, len(b.Peer), MaxPeer)
	}
	held := size + s.medium.overhead(size)
	if err := s.claim(b.Name, held-already); err != nil {
		s.give(already)
		return nil, err
	}
	d := &Draft{s: s, e: &entry{Binding: b, size: size, held: held}, left: size}
	var err error
	if d.draft, err = s.medium.begin(b, size); err != nil {
		d.over = true
		s.unclaim(b.Name, held)
		return nil, err
	}
	return d, nil
}

// give gives space back that was held.
func (s *Store) give(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Bytes -= bytes
}

// claim takes room for a run.
func (s *Store) claim(n Name, held int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.drafts[n] || s.ready[n] != nil || s.taken[n] != nil:
		return fmt.Errorf("the prepared run %v is there already", n)
	case s.past[n.Session] != nil && s.past[n.Session].refused:
		return ErrRestored
	case held > 0 && s.stats.Limit > 0 && s.stats.Bytes+held > s.stats.Limit:
		return fmt.Errorf("%w: %d of %d bytes are used, %d are needed", ErrFull, s.stats.Bytes, s.stats.Limit, held)
	}
	s.stats.Bytes += held
	s.drafts[n] = true
	return nil
}

func (s *Store) unclaim(n Name, held int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Bytes -= held
	delete(s.drafts, n)
	s.forget(n.Session)
}

// Write appends to the run.
func (d *Draft) Write(p []byte) (int, error) {
	if d.over || int64(len(p)) > d.left {
		return 0, fmt.Errorf("a prepared run of %d bytes was announced: %d more than that", d.e.size, int64(len(p))-d.left)
	}
	n, err := d.draft.Write(p)
	d.left -= int64(n)
	return n, err
}

// AvailableBuffer is an empty slice of the memory that the run's next bytes will be in, if that is RAM: what is
// appended to it and then given to Write, before anything else is, is not copied.
func (d *Draft) AvailableBuffer() []byte {
	if d.over {
		return nil
	}
	return d.draft.available()
}

// Commit makes the run one that may be reserved. Until then a crash leaves nothing of it.
func (d *Draft) Commit() error {
	if d.over || d.left != 0 {
		return errors.Join(fmt.Errorf("a prepared run of %d bytes was announced: %d are missing", d.e.size, d.left), d.Discard())
	}
	var err error
	if d.e.content, d.e.made, err = d.draft.finish(); err == nil {
		err = d.s.admit(d.e)
	}
	if err != nil {
		return errors.Join(err, d.Discard())
	}
	d.over = true
	return nil
}

// admit puts a run that is written among those that may be reserved.
func (s *Store) admit(e *entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.past[e.Session] == nil {
		s.past[e.Session] = new(past)
	}
	if s.past[e.Session].refused {
		return ErrRestored
	}
	if err := s.medium.log(record{kind: recordReady, name: e.Name}); err != nil {
		return err
	}
	delete(s.drafts, e.Name)
	s.ready[e.Name] = e
	return nil
}

// Discard leaves nothing of the run. After Commit it does nothing.
func (d *Draft) Discard() error {
	if d.over {
		return nil
	}
	d.over = true
	err := d.draft.discard()
	d.s.unclaim(d.e.Name, d.e.held)
	return err
}
