// Package store keeps prepared runs: streams of bytes that two parties made together for one
// inference to come, each of which may be used once. Whatever goes wrong, a run is lost rather
// than used twice: two uses of one mask tell the difference of what it hid.
//
// A run is put while it is prepared, reserved before the first byte that depends on it leaves,
// agreed on with the peer, read, and spent or burned:
//
//	run, err := s.Reserve(ctx, binding) // on the disk from here on: nobody gets it again
//	send(run.Claim()); err = run.Agree(received)
//	io.Copy(dst, io.NewSectionReader(run, 0, run.Size()))
//	err = run.Spend()
package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// For is what a run is good for: this plan, with these weights, with this peer. With other
// weights the server's share of a prepared product is another one.
type For struct {
	Plan, Weights [sha256.Size]byte
	Peer          string // who the peer has shown to be, in at most MaxPeer bytes
}

// MaxPeer bounds a peer's name.
const MaxPeer = 1024

// Name names a run, alike at both parties: the session that prepared it, by an identifier to
// which both contributed, and its running number there.
type Name struct {
	Session [sha256.Size]byte
	Number  uint64
}

func (n Name) String() string { return fmt.Sprintf("%x/%d", n.Session[:8], n.Number) }

// Binding is all that a run is bound to.
type Binding struct {
	For
	Name
}

// What can be wrong with a run or its store.
var (
	ErrNone     = errors.New("there is no such prepared run")
	ErrFull     = errors.New("the store of prepared runs is full")
	ErrMismatch = errors.New("the peer names another prepared run")
	ErrRestored = errors.New("a party's store of prepared runs is older than what was seen of it: a restored copy")
	ErrClosed   = errors.New("the store of prepared runs is closed")
	ErrDamaged  = errors.New("the store of prepared runs is damaged")
)

// Witness knows of runs beyond one store: of several servers that share a database, say. Reserve
// returns nil to one caller a name, ever, and ErrNone to all others.
type Witness interface {
	Reserve(ctx context.Context, n Name) error
}

// Stats is what a store holds and what became of what it held.
type Stats struct {
	Bytes    int64 // with runs that are being written
	Limit    int64
	Ready    int
	Reserved int
	Spent    int64 // since the store was opened
	Burned   int64 // likewise
}

// Store keeps runs. Its methods may be called from several goroutines.
type Store struct {
	witness Witness

	mu     sync.Mutex
	medium medium
	stats  Stats
	ready  map[Name]*entry
	taken  map[Name]*entry // reserved, not yet erased
	drafts map[Name]bool
	past   map[[sha256.Size]byte]*past
	closed bool
}

// entry is a run that is there.
type entry struct {
	Binding
	size, held int64 // of its content; of what it takes
	made       int64 // orders runs by age
	content    content
}

// medium is where runs lie.
type medium interface {
	begin(b Binding, size int64) (draft, error)
	overhead(size int64) int64
	log(r record) error // on the disk when it returns
	renew() error       // the same, of what the store is now
	close() error
	id() string
}

// draft is a run that is being written.
type draft interface {
	io.Writer
	available() []byte               // see Draft.AvailableBuffer
	finish() (content, int64, error) // and when it was made
	discard() error
}

// content is the bytes of a run.
type content interface {
	open() (io.ReaderAt, error)
	erase() error
}

func empty(m medium, limit int64) *Store {
	return &Store{
		medium: m, stats: Stats{Limit: limit}, ready: map[Name]*entry{}, taken: map[Name]*entry{}, drafts: map[Name]bool{},
		past: map[[sha256.Size]byte]*past{},
	}
}

// ID names a store on a disk, and every copy of it alike; it is empty for one in RAM.
func (s *Store) ID() string { return s.medium.id() }

// Watched has a witness asked about every run; it is called before the store is used.
func (s *Store) Watched(w Witness) { s.witness = w }

// Stats is what the store holds.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Ready, st.Reserved = len(s.ready), len(s.taken)
	return st
}

// Ready names the runs that may be reserved, the oldest first.
func (s *Store) Ready(f For) []Name { return s.names(s.ready, f) }

// Taken names those that are reserved and not yet spent or burned.
func (s *Store) Taken(f For) []Name { return s.names(s.taken, f) }

func (s *Store) names(of map[Name]*entry, f For) []Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*entry
	for _, e := range of {
		if e.For == f {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.made, b.made), slices.Compare(a.Session[:], b.Session[:]), cmp.Compare(a.Number, b.Number))
	})
	names := make([]Name, len(found))
	for i, e := range found {
		names[i] = e.Name
	}
	return names
}

// Finish says that no more runs of a session will be put: what is known of it is forgotten with
// its last run. Sessions of an earlier life of the process are finished.
func (s *Store) Finish(session [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.past[session]; p != nil {
		p.finished = true
		s.forget(session)
	}
}

// forget drops what is known of a session that is finished, none of whose runs is left.
func (s *Store) forget(session [sha256.Size]byte) {
	if p := s.past[session]; p == nil || !p.finished {
		return
	}
	for _, of := range [2]map[Name]*entry{s.ready, s.taken} {
		for n := range of {
			if n.Session == session {
				return
			}
		}
	}
	for n := range s.drafts {
		if n.Session == session {
			return
		}
	}
	delete(s.past, session)
}

// Drop burns the runs that are not kept: those for weights that are not served any more, say.
func (s *Store) Drop(keep func(Binding) bool) error {
	s.mu.Lock()
	var dropped []*entry
	for n, e := range s.ready {
		if !keep(e.Binding) {
			dropped = append(dropped, e)
			s.taken[n] = e
			delete(s.ready, n)
		}
	}
	var err error
	if len(dropped) > 0 {
		err = s.medium.renew()
	}
	s.mu.Unlock()
	for _, e := range dropped {
		err = errors.Join(err, s.erase(e, &s.stats.Burned))
	}
	return err
}

// Void burns all runs. A party does so that is told that its store is a restored copy.
func (s *Store) Void() error { return s.Drop(func(Binding) bool { return false }) }

// Close ends the use of the store. Runs in RAM are gone; reserved ones are burned by those who
// hold them, or when the store is opened again.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.medium.close()
}
