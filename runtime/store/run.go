package store

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Reserve takes a run out of the store: when it returns, no other call, process or life of this
// one gets it. A witness that cannot be asked leaves the run where it was.
func (s *Store) Reserve(ctx context.Context, b Binding) (*Run, error) {
	e, err := s.take(b)
	if err != nil {
		return nil, err
	}
	if s.witness != nil {
		if err := s.witness.Reserve(ctx, b.Name); err != nil {
			return nil, errors.Join(err, s.denied(e, err))
		}
	}
	s.mu.Lock()
	p := s.past[e.Session]
	p.reserved++
	counter := p.reserved
	err = s.medium.log(record{kind: recordReserved, name: e.Name, counter: counter})
	s.mu.Unlock()
	r := &Run{s: s, e: e, counter: counter}
	if err == nil {
		r.content, err = e.content.open()
	}
	if err != nil {
		return nil, errors.Join(err, r.Burn())
	}
	return r, nil
}

// take takes a run from those that may be reserved.
func (s *Store) take(b Binding) (*entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.ready[b.Name]
	switch {
	case s.closed:
		return nil, ErrClosed
	case e == nil:
		return nil, fmt.Errorf("%w: %v", ErrNone, b.Name)
	case e.For != b.For:
		return nil, fmt.Errorf("%w: %v was made for another plan, other weights or another peer", ErrNone, b.Name)
	}
	delete(s.ready, b.Name)
	s.taken[b.Name] = e
	return e, nil
}

// denied burns a run that the witness knows as used, and puts back one that it cannot tell of.
func (s *Store) denied(e *entry, why error) error {
	s.mu.Lock()
	if !errors.Is(why, ErrNone) {
		delete(s.taken, e.Name)
		s.ready[e.Name] = e
		s.mu.Unlock()
		return nil
	}
	err := s.medium.renew()
	s.mu.Unlock()
	return errors.Join(err, s.erase(e, &s.stats.Burned))
}

// erase removes a run that was taken, and counts it.
func (s *Store) erase(e *entry, as *int64) error {
	err := e.content.erase()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taken, e.Name)
	s.stats.Bytes -= e.held
	*as++
	s.forget(e.Session)
	return err
}

// Run is a reserved run. ReadAt may be called from several goroutines, its other methods by one.
type Run struct {
	s       *Store
	e       *entry
	counter uint64
	content io.ReaderAt
	agreed  bool
	over    bool
}

// Binding is what the run was made for.
func (r *Run) Binding() Binding { return r.e.Binding }

// Size is how many bytes the run has.
func (r *Run) Size() int64 { return r.e.size }

// ReadAt reads the run's bytes, which takes that the parties have agreed on it.
func (r *Run) ReadAt(p []byte, off int64) (int, error) {
	if !r.agreed || r.over {
		return 0, errors.New("BUG: a prepared run is read that the parties have not agreed on, or that is used up")
	}
	return r.content.ReadAt(p, off)
}

// lender is content that can be read where it is.
type lender interface {
	lend(off, n int64) []byte
	returned()
}

// Bytes gives n bytes of the run, under ReadAt's terms. They are the run's own if it is in RAM, and good until
// it is spent; whoever has them when it is burned keeps them as they are.
func (r *Run) Bytes(off, n int64) ([]byte, error) {
	if l, ok := r.content.(lender); ok && r.agreed && !r.over && off >= 0 && n >= 0 && n <= r.e.size-off {
		return l.lend(off, n), nil
	}
	b := make([]byte, n)
	_, err := r.ReadAt(b, off)
	return b, err
}

// Spend ends a run that was used, and nobody reads of any more.
func (r *Run) Spend() error {
	if l, ok := r.content.(lender); ok && !r.over {
		l.returned()
	}
	return r.end(&r.s.stats.Spent)
}

// Burn ends a run that will not be used, or not to the end. After Spend it does nothing.
func (r *Run) Burn() error { return r.end(&r.s.stats.Burned) }

func (r *Run) end(as *int64) error {
	if r.over {
		return nil
	}
	r.over = true
	var err error
	if c, ok := r.content.(io.Closer); ok {
		err = c.Close()
	}
	return errors.Join(err, r.s.erase(r.e, as))
}
