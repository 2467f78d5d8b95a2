package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// past is what is known of the runs of a session that prepared some. It is forgotten with the
// last of them, once none can follow: nothing is left then that could be used again.
type past struct {
	finished bool   // no more runs of it will be put
	reserved uint64 // runs of it that were reserved here
	seen     seen   // of those that the peer reserved, as it said
	refused  bool   // the peer's store was seen to be a restored copy
}

// seen is which counters a peer has come with. Inferences side by side may agree in another
// order than they reserved in, so it is not the largest alone.
type seen struct {
	top    uint64 // the largest
	window uint64 // bit i: top-i was among them
}

// seenWindow is how many reservations of a session the peer may be ahead of one that is agreed
// on only then. What lies further back is taken for seen.
const seenWindow = 64

// add notes a counter, and tells whether it was new.
func (s *seen) add(counter uint64) bool {
	if counter > s.top {
		s.window = s.window<<(counter-s.top) | 1
		s.top = counter
		return true
	}
	back := s.top - counter
	if counter == 0 || back >= seenWindow || s.window>>back&1 == 1 {
		return false
	}
	s.window |= 1 << back
	return true
}

// Claim is what parties tell each other of a run before they use it.
type Claim struct {
	Name
	Counter uint64 // how many runs of the session this party has reserved, this one included
}

// ClaimSize is the length of an encoded claim.
const ClaimSize = sha256.Size + 8 + 8

// Encode gives the claim's bytes.
func (c Claim) Encode() []byte {
	b := binary.LittleEndian.AppendUint64(slices.Clone(c.Session[:]), c.Number)
	return binary.LittleEndian.AppendUint64(b, c.Counter)
}

// DecodeClaim reads a claim of ClaimSize bytes.
func DecodeClaim(b []byte) (c Claim, err error) {
	if len(b) != ClaimSize {
		return c, fmt.Errorf("a claim of %d bytes, %d expected", len(b), ClaimSize)
	}
	copy(c.Session[:], b)
	c.Number = binary.LittleEndian.Uint64(b[sha256.Size:])
	c.Counter = binary.LittleEndian.Uint64(b[sha256.Size+8:])
	return c, nil
}

// Claim is what the peer is told.
func (r *Run) Claim() Claim { return Claim{r.e.Name, r.counter} }

// Agree compares what the peer says with what is known here, and remembers it on the disk: both
// must name the same run, and no other run of its session may have been the counter-th that the
// peer reserved. Otherwise the run is burned.
func (r *Run) Agree(theirs Claim) error {
	if r.over {
		return ErrNone
	}
	err := r.s.agree(r.e.Name, theirs)
	if err != nil {
		return errors.Join(err, r.Burn(), r.s.refuse(r.e.Session, err))
	}
	r.agreed = true
	return nil
}

func (s *Store) agree(ours Name, theirs Claim) error {
	if theirs.Name != ours {
		return fmt.Errorf("%w: %v, not %v", ErrMismatch, theirs.Name, ours)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.past[ours.Session]
	if p.refused || !p.seen.add(theirs.Counter) {
		p.refused = true
		return errors.Join(ErrRestored, s.medium.log(p.heard(ours.Session)))
	}
	return s.medium.log(p.heard(ours.Session))
}

// Refuse ends a run whose other party says that it has seen a later state of this store: what
// there is of the session's runs is burned, and none of them comes back.
func (r *Run) Refuse() error {
	return errors.Join(r.s.stale(r.e.Session), r.Burn(), r.s.refuse(r.e.Session, ErrRestored))
}

// stale notes that a session is refused. One of which nothing is left is not known any more.
func (s *Store) stale(session [sha256.Size]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.past[session]
	if p == nil {
		return nil
	}
	p.refused = true
	return s.medium.log(p.heard(session))
}

// heard is a record of what the peer has said.
func (p *past) heard(session [sha256.Size]byte) record {
	return record{kind: recordSeen, refused: p.refused, name: Name{session, p.seen.window}, counter: p.seen.top}
}

// refuse burns all runs of a session whose other party has a restored copy: which of them it
// used already, nobody can tell.
func (s *Store) refuse(session [sha256.Size]byte, why error) error {
	if !errors.Is(why, ErrRestored) {
		return nil
	}
	return s.Drop(func(b Binding) bool { return b.Session != session })
}
