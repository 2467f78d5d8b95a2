package runtime

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	goruntime "runtime"
	"slices"
	"sync/atomic"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/guard"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// The channels of a session.
const (
	chanExec    = 0 // the plan's calls, one after the other
	chanServer  = 1 // correlated OTs that the server sends
	chanClient  = 2 // correlated OTs that the client sends
	chanControl = 3 // hello, keys, done
	chanPrepare = 4 // inferences that are prepared
	chanRuns    = 5 // which prepared runs there are, and which is used
	numChannels = 6 // and one for each further call that runs side by side with others
)

// protocolVersion changes whenever bytes on the wire change their meaning.
const protocolVersion = 15

// Config is what one party chooses for itself. None of it changes what is sent.
type Config struct {
	Threads   int              // cores to use; 0: all
	Rand      io.Reader        // of which a session's seed is drawn; nil: crypto/rand
	Transport transport.Config // of which Channels, Hold, Early and Stall are the session's; a Window lowers the plan's
	Progress  func(Progress)   // called before each call of the plan and after the last

	// Hello is how long the peer has to say which plan it holds; 0: helloTime.
	Hello time.Duration
	// Stall ends a session in which no payload has moved for so long, signs of life or not.
	// 0: stallTime and twice what both parties are predicted to compute at this point.
	Stall time.Duration
	// Admit is asked once the peer has shown that it holds the plan and has said how many
	// inferences it wants, before anything is spent on it; release is called when the session
	// has ended. Its error is the session's.
	Admit func(inferences int) (release func(), err error)

	// Prepare is how many inferences are prepared before their inputs are there, at most: what
	// the client wants and what the server grants; the lesser counts. 0: none is.
	Prepare int

	// Store is where prepared runs are kept for sessions to come, and taken from; nil: there are
	// none of either. Runs are kept for Peer, who the peer has shown to be, and used with it alone.
	Store *store.Store
	Peer  string
	// Keep is how many runs the session leaves in the store, if it can: what the client wants and
	// what the server grants to this client; the lesser counts.
	Keep int
	// MostKept is how many of them one session makes at a server; 0: Keep; negative: none.
	MostKept int
	// Kept is called after every run that was made to be kept.
	Kept func(n, of int)
	// Gate lets inferences of all sessions that share it go before preparations; nil: this
	// session's only.
	Gate *Gate
	// Note is told what whoever runs this party may want to know of prepared runs.
	Note func(text string)

	// Most is how many inferences a server makes in one session; 0: plan.MaxInferences; negative:
	// none, which prepares runs for later sessions only.
	Most int

	// Done is called after every inference with what it took, keys and correlated OTs
	// aside; at the client before the answer is handed out.
	Done func(*plan.Report)

	// Observe sees this party's share of every slot as it is written. It is for
	// comparing a run with the simulator where one owner plays both parties.
	Observe func(plan.Slot, Vec)

	// Ahead is how many correlated OTs of a direction are made before they are used; 0: as the
	// plan says. It and Transport.Window only trade memory for time.
	Ahead int
}

const (
	helloTime = 10 * time.Second
	stallTime = time.Minute
)

// stall is how long nothing may move at a point where so much is computed.
func (c Config) stall(compute time.Duration) time.Duration {
	if c.Stall > 0 {
		return c.Stall
	}
	return stallTime + 2*compute
}

func (c Config) withDefaults() Config {
	if c.Threads <= 0 {
		c.Threads = goruntime.GOMAXPROCS(0)
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Hello <= 0 {
		c.Hello = helloTime
	}
	return c
}

// keeps says whether the session may make runs for sessions to come.
func (c Config) keeps() bool { return c.Store != nil && c.Keep > 0 }

// session is one connection from hello to goodbye.
type session struct {
	*Program
	ctx    context.Context
	cancel context.CancelFunc
	mux    *transport.Mux
	lanes  *transport.Lanes
	party  *Party
	ots    producers
	cfg    Config
	seed   seed
	drawn  map[string]bool // purposes of seed's streams

	aheadRand io.Reader // of what is prepared, beside inferences that run

	memory      []nonlinear.Memory // what calls use in passing, by lane
	aheadMemory nonlinear.Memory   // beside them

	start time.Time
	ready time.Duration // what hello and set-up took
	stage stage
	at    int // calls of this inference that are done

	inferences int // that the session makes; what the client says
	inference  int // the one under way, from 0
	prepare    int // how many are prepared ahead; 0: none
	shelf      *shelf
	aheadLane  transport.Lane
	busy       Gate        // shut while an inference is under way
	due        atomic.Bool // an inference waits for its preparation
	release    func()

	two    *Program          // the program of prepared inferences
	id     [sha256.Size]byte // of the session, as prepared runs are named
	stored []store.Name      // runs that both parties kept, in the order in which they are used
	used   int               // of them so far
	using  *store.Run        // by the inference under way
	room   *store.Room       // for runs that are kept; nil: none is
	keep   int               // how many
	took   *transport.Stats  // by the keys; nil: there are none yet

	isReady bool   // what is left was set up
	runs    int    // for how many inferences, prepared or not
	tally   *tally // of what was measured; nil: there was no inference yet
}

// newSession connects the channels.
func newSession(ctx context.Context, conn net.Conn, role transport.Role, g *Program, cfg Config) *session {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithCancel(ctx)
	s := &session{Program: g, ctx: ctx, cancel: cancel, two: g.inTwo, cfg: cfg, start: time.Now(), release: func() {}}
	ids := g.lanes()
	cfg.Transport.Channels = g.channels()
	cfg.Transport.Hold, cfg.Transport.Window = true, int(g.queues.Window)
	s.mux = transport.NewMux(ctx, conn, cfg.Transport)
	s.lanes = s.mux.Lanes(ids...)
	s.aheadLane, s.memory = s.mux.Lanes(chanPrepare).Conn(0), make([]nonlinear.Memory, len(ids))
	s.party = &Party{Role: role, Threads: cfg.Threads}
	return s
}

// lanes are the channels of calls that run side by side.
func (g *Program) lanes() []int {
	ids := []int{chanExec}
	for range max(g.width, g.inTwo.width) - 1 {
		ids = append(ids, numChannels+len(ids)-1)
	}
	return ids
}

// channels is how many a session has.
func (g *Program) channels() int { return numChannels + len(g.lanes()) - 1 }

// Recite takes the place of the server in a session that was recorded: it says what the server
// said, channel by channel (transport.Recite).
func (g *Program) Recite(conn net.Conn, from io.ReaderAt, lines [][]transport.Line) error {
	if n := g.channels(); len(lines) < n {
		lines = append(slices.Clone(lines), make([][]transport.Line, n-len(lines))...)
	}
	return transport.Recite(conn, from, lines, g.lanes()...)
}

// ProtocolVersion is the version of the protocol that sessions speak.
func ProtocolVersion() int { return protocolVersion }

// whole runs the session to its end.
func (s *session) whole(q Inferences) (report *plan.Report, err error) {
	s.inferences = q.N
	err = guard.Do(func() (err error) {
		if err = s.open(); err == nil {
			report, err = s.run(q)
		}
		return err
	})
	if err = s.finish(err); err != nil {
		return nil, err
	}
	return report, nil
}

// stream is the session's randomness of one purpose. A purpose that comes twice would use bytes
// twice: that ends the session.
func (s *session) stream(purpose string) io.Reader {
	if s.drawn[purpose] {
		panic("BUG: randomness of " + purpose + " is asked for twice")
	}
	if s.drawn == nil {
		s.drawn = map[string]bool{}
	}
	s.drawn[purpose] = true
	return s.seed.stream(purpose)
}

// open makes sure that both parties hold the same plan before anything else happens, and
// before the peer may make this party hold more than a few kilobytes.
func (s *session) open() error {
	met := s.mux.Within(s.cfg.Hello, "hello")
	var err error
	if s.seed, err = drawSeed(s.cfg.Rand); err != nil {
		return err
	}
	s.party.Rand, s.aheadRand = s.stream("keys and masks"), s.stream("prepared inferences")
	have := s.names()
	mine := s.wishes(have)
	theirs, err := hello(s.mux.Channel(chanControl), s.party.Role, s.digest, mine)
	if err != nil {
		return err
	}
	s.prepare = min(mine.prepare, theirs.prepare)
	server, client := mine.seed, theirs.seed
	if s.party.Role == transport.Server {
		if err := s.checkWish(theirs); err != nil {
			return err
		}
		s.inferences = theirs.inferences
	} else {
		server, client = client, server
	}
	s.id = sessionID(s.digest, server, client)
	if s.party.Role == transport.Client {
		if err := s.offer(s.mux.Channel(chanRuns), have[:mine.offers]); err != nil {
			return err
		}
	}
	if err := s.settle(mine, theirs, have[:mine.offers]); err != nil {
		return err
	}
	met()
	if s.cfg.Admit != nil {
		release, err := s.cfg.Admit(s.inferences)
		if err != nil {
			return err
		}
		s.release = release
	}
	queues := s.queues
	if s.prepare > 0 || s.keep > 0 || len(s.stored) > 0 {
		queues = plan.Queues{Window: max(queues.Window, s.two.queues.Window), Early: max(queues.Early, s.two.queues.Early)}
	}
	window := queues.Window
	if w := int64(s.cfg.Transport.Window); w > 0 {
		window = min(window, w)
	}
	s.mux.Open(int(window), int(queues.Early))
	s.mux.SetStall(s.cfg.stall(0))
	s.stage, s.ready = stageSetup, time.Since(s.start)
	return nil
}

// wishes is what this party says of itself.
func (s *session) wishes(have []store.Name) wish {
	w := wish{inferences: s.inferences, prepare: min(s.cfg.Prepare, plan.MaxInferences), seed: s.seed.commitment()}
	if s.party.Role == transport.Client && s.cfg.Store != nil {
		w.offers, w.keep = min(len(have), maxOffers), s.keepAtMost()
		if w.keep > 0 {
			s.room = s.cfg.Store.Room(s.two.kept[s.party.Role].size, w.keep)
			w.room = s.room.Runs()
		}
	}
	return w
}

// checkWish holds a client to what a session may be.
func (s *session) checkWish(w wish) error {
	n := w.inferences
	switch {
	case w.offers > maxOffers || w.keep > maxOffers || w.room > w.keep:
		return transport.Violation("%d prepared runs are named, %d are to be kept", w.offers, w.keep)
	case n == 0 && w.keep == 0 || n > plan.MaxInferences || !s.possible(n+w.room) || s.cfg.Most != 0 && n > max(s.cfg.Most, 0):
		return transport.Violation("a session of %d inferences", n)
	}
	return nil
}

// possible says whether a session may make so many inferences.
func (g *Program) possible(n int) bool {
	made := g.cots.Times(n)
	if g.inTwo != nil {
		two := g.inTwo.cots.Times(n)
		made = plan.COTs{ServerSends: max(made.ServerSends, two.ServerSends), ClientSends: max(made.ClientSends, two.ClientSends)}
	}
	turns := 0 // of operators under encryption in one inference; a step is a few at most
	for _, s := range g.plan.Steps() {
		turns += len(g.plan.Encrypted(s))
	}
	return turns <= he.MaxTurns/max(n, 1) && max(made.ServerSends, made.ClientSends) <= wire.MaxOTs
}

// wish is what a party's hello says beside who it is: how many inferences a client wants (a
// server says 0), how many may be prepared ahead, the commitment to its seed; and how many prepared
// runs a client names behind its hello, how many it wants to be left with, and for how many more it
// has room.
type wish struct {
	inferences, prepare, offers, keep, room int

	seed [SeedSize]byte
}

func (w *wish) numbers() [5]*int {
	return [5]*int{&w.inferences, &w.prepare, &w.offers, &w.keep, &w.room}
}

// A hello: version, role, numbers, plan digest, commitment.
const (
	helloDigest = 4 + 4 + 5*4
	helloSize   = helloDigest + sha256.Size + SeedSize
)

// hello exchanges and compares version, role and plan, and tells each other what is wanted.
// The messages cross.
func hello(c transport.Conn, role transport.Role, digest plan.Digest, mine wish) (theirs wish, err error) {
	out := binary.LittleEndian.AppendUint32(nil, protocolVersion)
	out = binary.LittleEndian.AppendUint32(out, uint32(role))
	for _, n := range mine.numbers() {
		out = binary.LittleEndian.AppendUint32(out, uint32(*n))
	}
	out = append(append(out, digest[:]...), mine.seed[:]...)
	if err := c.Send(out); err != nil {
		return wish{}, err
	}
	in := make([]byte, helloSize)
	if err := c.Recv(in); err != nil {
		return wish{}, fmt.Errorf("hello: %w", err)
	}
	if v := binary.LittleEndian.Uint32(in); v != protocolVersion {
		return wish{}, fmt.Errorf("%w: the peer speaks version %d of the protocol, this secc version %d", transport.ErrVersion, v, protocolVersion)
	}
	if r := binary.LittleEndian.Uint32(in[4:]); r != uint32(role.Peer()) {
		return wish{}, fmt.Errorf("%w: the peer is not a %v", transport.ErrMismatch, role.Peer())
	}
	if theirs := plan.Digest(in[helloDigest:]); theirs != digest {
		return wish{}, fmt.Errorf("%w: this party's plan is %.16s, the peer's %.16s", transport.ErrMismatch, digest, theirs)
	}
	theirs.seed = [SeedSize]byte(in[helloDigest+sha256.Size:])
	for i, n := range theirs.numbers() {
		*n = int(binary.LittleEndian.Uint32(in[8+4*i:]))
	}
	return theirs, nil
}

// run walks the plan for every inference and exchanges the measurements. Keys and correlations
// are made when the first is due that needs them, if one does.
func (s *session) run(q Inferences) (*plan.Report, error) {
	if len(s.stored) > 0 && s.two.ahead.OnlineKeys() {
		if err := s.makeKeys(); err != nil {
			return nil, fmt.Errorf("setup: %w", err)
		}
	}
	for s.inference = range s.inferences {
		if err := s.infer(q); err != nil {
			return nil, err
		}
	}
	if s.keep > 0 {
		if err := s.makeReady(); err != nil {
			return nil, err
		}
	}
	s.stage = stageEnd
	if err := s.allMade(); err != nil {
		return nil, err
	}
	t := s.count()
	side := s.sideStats()
	if err := s.agree(side.depths()); err != nil {
		return nil, fmt.Errorf("end of the session: %w", err)
	}
	return t.report(side), nil
}

// makeReady sets up what the inferences that are left need, and begins to prepare what is prepared.
func (s *session) makeReady() error {
	if s.shelf != nil || s.isReady {
		return nil
	}
	s.isReady = true
	own := s.inferences - s.used
	if s.prepare > 0 || s.keep > 0 || s.used > 0 {
		s.Program = s.two
	}
	if s.cfg.Store != nil && own > 0 && s.party.Role == transport.Client {
		how := "run in one phase"
		if s.Program == s.two {
			how = "are prepared in this session"
		}
		s.note("no prepared run is left for this plan and this server: %d of %d inferences %s", own, s.inferences, how)
	}
	begun := time.Now()
	if err := s.setup(own + s.keep); err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	s.ready += time.Since(begun)
	if s.Program == s.two {
		s.startPreparing(own)
	}
	return nil
}

// infer makes one inference.
func (s *session) infer(q Inferences) error {
	if len(s.stored) == 0 {
		if err := s.makeReady(); err != nil {
			return err
		}
	}
	s.stage, s.at = stageWalk, 0
	var inputs []Vec
	if s.party.Role == transport.Client {
		var err error
		if inputs, err = q.Input(s.inference); err == nil {
			err = checkInputs(s.plan, inputs)
		}
		if err != nil {
			return err
		}
	}
	m, err := s.begin()
	if err != nil {
		return err
	}
	out, r, err := s.online(inputs, m)
	if err != nil {
		return err
	}
	if s.party.Role == transport.Client {
		err = q.Answer(s.inference, out, r)
	}
	return errors.Join(err, s.spent())
}

// online walks the plan once.
func (s *session) online(inputs []Vec, m *made) ([]Vec, *plan.Report, error) {
	t := s.count()
	release := s.urgent()
	defer release()
	begun := time.Now()
	e := &execution{session: s, walk: newWalker(s.Program, inputs), made: m}
	out, err := e.run(s.ctx)
	if err != nil {
		return nil, nil, err
	}
	took := time.Since(begun)
	release()
	// Both have all of this inference now, and what is exchanged here waits for nothing: the
	// server's depths leave behind the answer, the client's before its next input.
	if err := s.agree(depthsOf(e.taken)); err != nil {
		return nil, nil, fmt.Errorf("end of the inference: %w", err)
	}
	r := t.add(e.taken, took)
	if s.cfg.Done != nil {
		s.cfg.Done(r)
	}
	return out, r, nil
}

// agree tells the peer that this party has come so far, and the depths it measured:
// only together do they give the numbers of rounds.
func (s *session) agree(depths []*int) error {
	c := s.mux.Channel(chanControl)
	var out []byte
	for _, d := range depths {
		out = binary.LittleEndian.AppendUint32(out, uint32(*d))
	}
	if err := c.Send(out); err != nil {
		return err
	}
	in := make([]byte, len(out))
	if err := c.Recv(in); err != nil {
		return err
	}
	for i, d := range depths {
		theirs := int(binary.LittleEndian.Uint32(in[4*i:]))
		if theirs > *d+1 || *d > theirs+1 {
			return transport.Violation("impossible depth %d beside %d", theirs, *d)
		}
		*d = max(*d, theirs)
	}
	return nil
}

// finish ends the session; on an error it tells the peer the kind. What the session holds
// of keys and correlations cannot be reached afterwards.
func (s *session) finish(err error) error {
	if err == nil {
		err = s.mux.Close()
	} else {
		if cause := s.mux.Err(); cause != nil && errors.Is(err, context.Canceled) {
			err = fmt.Errorf("%w: %w", err, cause)
		}
		err = s.ended(err, s.mux.Err())
		_ = s.mux.Abort(err) // the first error is the one to report
	}
	if burn := s.burned(err); burn != nil {
		s.note("a prepared run cannot be erased: %v", burn)
	}
	if s.room != nil && s.shelf == nil { // else it is the preparing's
		s.room.Shrink(0)
	}
	s.cancel()
	s.close()
	s.party, s.ots, s.seed, s.aheadRand = &Party{Role: s.party.Role}, producers{}, seed{}, nil
	s.release()
	return err
}
