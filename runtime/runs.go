package runtime

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// Prepared runs that outlast their session. With its hello a client names the runs that it keeps
// for this server, and says how many it wants to keep; the server answers which of them it has
// too, and how many more are to be made. Each inference then uses the next of them:
//
//	server  reserves the run, says so (a ticket)
//	client  reserves it, compares, says so, and goes on with the inference
//	server  compares
//
// The server's ticket crosses nothing: it follows its hello, or the answer before. A party that has
// no such run says so, and both take the next. Where none is left, inferences are prepared in
// the session or made in one phase. Runs that a session makes for itself go the same way.

// maxOffers is how many runs a client names, the oldest that it has.
const maxOffers = 64

const (
	offerSize  = sha256.Size + 8 // session and number of a run
	answerSize = 1 + 8 + 8 + 4   // whether there is a store; which of the offers are there, and which are taken by another session; how many runs are kept
	ticketSize = 1 + store.ClaimSize
)

// What a ticket says of the run that is due.
const (
	ticketNone  = iota // it is not here
	ticketRun          // it is reserved; the claim follows
	ticketStale        // it is, but the peer's store is older than what was seen of it
)

// sessionID names a session, by what both contributed to it.
func sessionID(p plan.Digest, server, client [SeedSize]byte) (id [sha256.Size]byte) {
	h := sha256.New()
	h.Write([]byte("secc session 1"))
	for _, b := range [3][]byte{p[:], server[:], client[:]} {
		h.Write(b)
	}
	h.Sum(id[:0])
	return id
}

// runsFor is what this session's runs are good for.
func (s *session) runsFor() store.For {
	return store.For{Plan: spentBy(s.digest, protocolVersion), Weights: weightsOf(s.party.Weights), Peer: s.cfg.Peer}
}

// spentBy is what runs of a plan are kept under. What was prepared in one version of the protocol
// fits no inference of another.
func spentBy(p plan.Digest, version uint32) (d plan.Digest) {
	h := sha256.New()
	h.Write([]byte("secc run 1"))
	h.Write(p[:])
	h.Write(binary.LittleEndian.AppendUint32(nil, version))
	h.Sum(d[:0])
	return d
}

// Stale burns what a store holds for this plan and other weights than those that are served: under
// the same plan, new weights void what was prepared.
func (g *Program) Stale(s *store.Store, w Weights) error {
	return StaleOf([]*Program{g}, []Weights{w}, s)
}

// StaleOf is Stale of all programs that are served, whose weights are in the same order.
func StaleOf(served []*Program, weights []Weights, s *store.Store) error {
	plans, known := map[plan.Digest]bool{}, map[store.For]bool{}
	for i, g := range served {
		digest := spentBy(g.digest, protocolVersion)
		plans[digest] = true
		known[store.For{Plan: digest, Weights: weightsOf(weights[i])}] = true
	}
	return s.Drop(func(b store.Binding) bool {
		return !plans[b.Plan] || known[store.For{Plan: b.Plan, Weights: b.Weights}]
	})
}

// names lists the runs of the store that this session may use.
func (s *session) names() []store.Name {
	if s.cfg.Store == nil {
		return nil
	}
	return s.cfg.Store.Ready(s.runsFor())
}

// offer is what the client says of its runs, behind its hello.
func (s *session) offer(c transport.Conn, names []store.Name) error {
	var out []byte
	for _, n := range names {
		out = binary.LittleEndian.AppendUint64(append(out, n.Session[:]...), n.Number)
	}
	return c.Send(out)
}

// offered reads it.
func offered(c transport.Conn, n int) ([]store.Name, error) {
	in := make([]byte, n*offerSize)
	if err := c.Recv(in); err != nil {
		return nil, fmt.Errorf("names of prepared runs: %w", err)
	}
	names := make([]store.Name, n)
	for i := range names {
		b := in[i*offerSize:]
		names[i] = store.Name{Session: [sha256.Size]byte(b[:sha256.Size]), Number: binary.LittleEndian.Uint64(b[sha256.Size:])}
	}
	return names, nil
}

// settle makes the parties agree on which runs there are and how many are to be kept. Nothing is
// exchanged with a client that neither has nor wants any.
func (s *session) settle(mine, theirs wish, have []store.Name) error {
	client := mine
	if s.party.Role == transport.Server {
		client = theirs
	}
	if client.offers == 0 && client.keep == 0 {
		return nil
	}
	c := s.mux.Channel(chanRuns)
	if s.party.Role == transport.Client {
		return s.hearSettled(c, mine, have)
	}
	names, err := offered(c, theirs.offers)
	if err != nil {
		return err
	}
	out := make([]byte, answerSize)
	if s.cfg.Store != nil {
		out[0] = 1
		ready := s.match(names)
		taken := among(names, s.cfg.Store.Taken(s.runsFor())) // after: what is taken meanwhile is in one list at least
		binary.LittleEndian.PutUint64(out[1:], ready)
		binary.LittleEndian.PutUint64(out[9:], taken&^ready)
		s.toKeep(theirs)
		binary.LittleEndian.PutUint32(out[17:], uint32(s.keep))
	}
	return errors.Join(c.Send(out), c.Flush())
}

// match notes which of the client's runs are here too.
func (s *session) match(names []store.Name) (bits uint64) {
	here := map[store.Name]bool{}
	for _, n := range s.names() {
		here[n] = true
	}
	for i, n := range names {
		if here[n] {
			here[n] = false // a name that comes twice is one run
			bits |= 1 << i
			s.stored = append(s.stored, n)
		}
	}
	return bits
}

// among says which of some names stand in a list.
func among(names, list []store.Name) (bits uint64) {
	for i, n := range names {
		if slices.Contains(list, n) {
			bits |= 1 << i
		}
	}
	return bits
}

// toKeep is how many runs the server lets a session make for sessions to come. Of this client's
// that it does not name any more, the oldest make room.
func (s *session) toKeep(theirs wish) {
	left := max(0, len(s.stored)-theirs.inferences)
	want := max(0, min(min(theirs.keep, s.keepAtMost())-left, theirs.room))
	if s.cfg.MostKept != 0 {
		want = max(0, min(want, s.cfg.MostKept))
	}
	if want == 0 {
		return
	}
	known := map[store.Name]bool{}
	for _, n := range s.stored {
		known[n] = true
	}
	var gone []store.Name
	for _, n := range s.names() {
		if !known[n] {
			gone = append(gone, n)
		}
	}
	s.drop(gone[:max(0, min(len(gone), left+len(gone)+want-s.keepAtMost()))])
	s.room = s.cfg.Store.Room(s.two.kept[s.party.Role].size, want)
	s.keep = s.room.Runs()
}

// keepAtMost is how many runs this party keeps of a client, as many as one can name.
func (s *session) keepAtMost() int {
	if s.cfg.Store == nil {
		return 0
	}
	return min(s.cfg.Keep, maxOffers)
}

// drop burns runs.
func (s *session) drop(names []store.Name) {
	if len(names) == 0 {
		return
	}
	gone := map[store.Name]bool{}
	for _, n := range names {
		gone[n] = true
	}
	if err := s.cfg.Store.Drop(func(b store.Binding) bool { return !gone[b.Name] }); err != nil {
		s.note("prepared runs cannot be erased: %v", err)
	}
}

// hearSettled is the client's side: what the server has not, is of no use any more.
func (s *session) hearSettled(c transport.Conn, mine wish, have []store.Name) error {
	in := make([]byte, answerSize)
	if err := c.Recv(in); err != nil {
		return fmt.Errorf("prepared runs: %w", err)
	}
	bits, taken, keep := binary.LittleEndian.Uint64(in[1:]), binary.LittleEndian.Uint64(in[9:]), int(binary.LittleEndian.Uint32(in[17:]))
	if in[0] > 1 || keep > mine.room || (bits|taken)>>mine.offers != 0 || bits&taken != 0 || in[0] == 0 && (bits|taken != 0 || keep != 0) {
		return transport.Violation("prepared runs that were not asked for")
	}
	if in[0] == 0 {
		s.note("the server keeps no prepared runs (its --prepare)")
		return nil
	}
	var gone []store.Name
	for i, n := range have {
		switch {
		case bits>>i&1 == 1:
			s.stored = append(s.stored, n)
		case taken>>i&1 == 0:
			gone = append(gone, n)
		}
	}
	s.drop(gone)
	if len(gone) > 0 {
		s.note("%d of the %d prepared runs here are not at the server (used, lost, or of other weights): they were burned", len(gone), len(have))
	}
	if s.keep = keep; s.room != nil {
		s.room.Shrink(keep)
	}
	return nil
}

// note tells whoever runs this party.
func (s *session) note(format string, args ...any) {
	if s.cfg.Note != nil {
		s.cfg.Note(fmt.Sprintf(format, args...))
	}
}

// use takes a run out of a store, and both parties make sure that they mean the same: before it
// nothing that depends on the run is sent, and after it nobody else can get it, whatever happens.
// Without an error there may be none: it is not there at one of them.
func (s *session) use(from *store.Store, b store.Binding) (*made, error) {
	c := s.mux.Channel(chanRuns)
	if s.party.Role == transport.Client {
		return s.useAfter(c, from, b)
	}
	run, err := from.Reserve(s.ctx, b)
	if err != nil {
		s.note("%v", err)
		return nil, sendTicket(c, ticketNone, store.Claim{})
	}
	s.using = run
	if err := sendTicket(c, ticketRun, run.Claim()); err != nil {
		return nil, err
	}
	verdict, claim, err := recvTicket(c)
	switch {
	case err != nil:
		return nil, fmt.Errorf("waiting for inference %d: %w", s.inference+1, err)
	case verdict == ticketNone:
		s.using = nil
		return nil, run.Burn()
	case verdict == ticketStale:
		s.using = nil
		s.note("the client has seen a later state of this store, which is a restored copy: what it held of their session was burned")
		return nil, run.Refuse()
	}
	if err := run.Agree(claim); err != nil {
		return nil, disagree(err)
	}
	return newMade(run, &s.two.kept[s.party.Role], s.party.Role)
}

// useAfter is the client's side.
func (s *session) useAfter(c transport.Conn, from *store.Store, b store.Binding) (*made, error) {
	verdict, claim, err := recvTicket(c)
	switch {
	case err != nil:
		return nil, fmt.Errorf("prepared run: %w", err)
	case verdict == ticketStale:
		return nil, transport.Violation("a verdict before a claim")
	case verdict == ticketNone:
		return nil, nil
	}
	run, err := from.Reserve(s.ctx, b)
	if err != nil {
		s.note("%v", err)
		return nil, sendTicket(c, ticketNone, store.Claim{})
	}
	s.using = run
	switch err := run.Agree(claim); {
	case errors.Is(err, store.ErrRestored):
		s.using = nil
		s.note("the server's store is older than what was seen of it, a restored copy: what was prepared with it in that session was burned")
		return nil, sendTicket(c, ticketStale, store.Claim{})
	case err != nil:
		return nil, disagree(err)
	}
	if err := sendTicket(c, ticketRun, run.Claim()); err != nil {
		return nil, err
	}
	return newMade(run, &s.two.kept[s.party.Role], s.party.Role)
}

// disagree is the error of a session whose peer claims another run than the one that is due, or
// has a restored copy.
func disagree(err error) error {
	if errors.Is(err, store.ErrMismatch) {
		return fmt.Errorf("%w: %w", transport.ErrViolation, err)
	}
	return fmt.Errorf("%w: %w", transport.ErrStale, err)
}

func sendTicket(c transport.Conn, verdict byte, claim store.Claim) error {
	return errors.Join(c.Send(append([]byte{verdict}, claim.Encode()...)), c.Flush())
}

func recvTicket(c transport.Conn) (verdict byte, claim store.Claim, err error) {
	in := make([]byte, ticketSize)
	if err := c.Recv(in); err != nil {
		return 0, claim, err
	}
	if claim, err = store.DecodeClaim(in[1:]); err != nil || in[0] > ticketStale {
		return 0, claim, transport.Violation("a ticket of kind %d", in[0])
	}
	return in[0], claim, nil
}

// spent ends the run that was used, if one was.
func (s *session) spent() error {
	run := s.using
	if s.using = nil; run == nil {
		return nil
	}
	return run.Spend()
}

// burned ends the run that is being used when a session fails. A peer that says that this
// party's store is a restored copy has all runs burned that were made in that session.
func (s *session) burned(why error) error {
	switch {
	case s.using == nil:
		return nil
	case errors.Is(why, transport.ErrStale) && !errors.Is(why, store.ErrRestored):
		return s.using.Refuse()
	}
	return s.using.Burn()
}
