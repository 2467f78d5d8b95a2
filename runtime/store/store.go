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
	"encoding/binary"
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

// ReadAt reads the run's bytes, which takes that the parties have agreed on it.
func (r *Run) ReadAt(p []byte, off int64) (int, error) {
	if !r.agreed || r.over {
		return 0, errors.New("BUG: a prepared run is read that the parties have not agreed on, or that is used up")
	}
	return r.content.ReadAt(p, off)
}

// Spend ends a run that was used.
func (r *Run) Spend() error { return r.end(&r.s.stats.Spent) }

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
