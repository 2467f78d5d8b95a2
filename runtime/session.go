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
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/guard"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/transport"
)

// The channels of a session.
const (
	chanExec    = 0 // the plan's calls, one after the other
	chanServer  = 1 // correlated OTs that the server sends
	chanClient  = 2 // correlated OTs that the client sends
	chanControl = 3 // hello, keys, done
	chanPrepare = 4 // inferences that are prepared
	numChannels = 5 // and one for each further call that runs side by side with others
)

// protocolVersion changes whenever bytes on the wire change their meaning.
const protocolVersion = 8

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

	// Most is how many inferences a server makes in one session; 0: plan.MaxInferences.
	Most int

	// Done is called after every inference with what it took, keys and correlated OTs
	// aside; at the client before the answer is handed out.
	Done func(*plan.Report)

	// Observe sees this party's share of every slot as it is written. It is for
	// comparing a run with the simulator where one owner plays both parties.
	Observe func(plan.Slot, Vec)

	// Ahead is how many correlated OTs of a direction are made before they are used; 0: the
	// package's default. It and Transport.Window only trade memory for time.
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

	start time.Time
	stage stage
	at    int // calls of this inference that are done

	inferences int // that the session makes; what the client says
	inference  int // the one under way, from 0
	prepare    int // how many are prepared ahead; 0: none
	shelf      *shelf
	aheadLane  transport.Lane
	release    func()
}

// newSession connects the channels.
func newSession(ctx context.Context, conn net.Conn, role transport.Role, g *Program, cfg Config) *session {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithCancel(ctx)
	s := &session{Program: g, ctx: ctx, cancel: cancel, cfg: cfg, start: time.Now(), release: func() {}}
	ids := g.lanes()
	cfg.Transport.Channels = g.channels()
	cfg.Transport.Hold, cfg.Transport.Window = true, int(g.queues.Window)
	s.mux = transport.NewMux(ctx, conn, cfg.Transport)
	s.lanes = s.mux.Lanes(ids...)
	s.aheadLane = s.mux.Lanes(chanPrepare).Conn(0)
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
	mine := wish{s.inferences, min(s.cfg.Prepare, plan.MaxInferences), s.seed.commitment()}
	theirs, err := hello(s.mux.Channel(chanControl), s.party.Role, s.digest, mine)
	if err != nil {
		return err
	}
	if s.prepare = min(mine.prepare, theirs.prepare); s.prepare > 0 {
		s.Program = s.inTwo
	}
	if s.party.Role == transport.Server {
		if n := theirs.inferences; !s.possible(n) || s.cfg.Most > 0 && n > s.cfg.Most {
			return transport.Violation("a session of %d inferences", n)
		}
		s.inferences = theirs.inferences
	}
	met()
	if s.cfg.Admit != nil {
		release, err := s.cfg.Admit(s.inferences)
		if err != nil {
			return err
		}
		s.release = release
	}
	window := s.queues.Window
	if w := int64(s.cfg.Transport.Window); w > 0 {
		window = min(window, w)
	}
	s.mux.Open(int(window), int(s.queues.Early))
	s.mux.SetStall(s.cfg.stall(0))
	s.stage = stageSetup
	return nil
}

// possible says whether a session may make so many inferences.
func (g *Program) possible(n int) bool {
	made := g.cots.Times(n)
	turns := 0 // of operators under encryption in one inference; a step is a few at most
	for _, s := range g.plan.Steps() {
		turns += len(g.plan.Encrypted(s))
	}
	return n >= 1 && n <= plan.MaxInferences && turns <= he.MaxTurns/max(n, 1) && max(made.ServerSends, made.ClientSends) <= wire.MaxOTs
}

// wish is what a party's hello says beside who it is: how many inferences a client wants (a
// server says 0), how many may be prepared ahead, and the commitment to its seed.
type wish struct {
	inferences, prepare int
	seed                [SeedSize]byte
}

// helloSize: version, role, inferences, prepared, plan digest, commitment.
const helloSize = 4 + 4 + 4 + 4 + sha256.Size + SeedSize

// hello exchanges and compares version, role and plan, and tells each other what is wanted.
// The messages cross.
func hello(c transport.Conn, role transport.Role, digest plan.Digest, mine wish) (theirs wish, err error) {
	out := binary.LittleEndian.AppendUint32(nil, protocolVersion)
	out = binary.LittleEndian.AppendUint32(out, uint32(role))
	out = binary.LittleEndian.AppendUint32(out, uint32(mine.inferences))
	out = binary.LittleEndian.AppendUint32(out, uint32(mine.prepare))
	out = append(append(out, digest[:]...), mine.seed[:]...)
	if err := c.Send(out); err != nil {
		return wish{}, err
	}
	in := make([]byte, helloSize)
	if err := c.Recv(in); err != nil {
		return wish{}, fmt.Errorf("hello: %w", err)
	}
	if v := binary.LittleEndian.Uint32(in); v != protocolVersion {
		return wish{}, fmt.Errorf("%w: the peer speaks version %d of the protocol, this secc version %d", transport.ErrMismatch, v, protocolVersion)
	}
	if r := binary.LittleEndian.Uint32(in[4:]); r != uint32(role.Peer()) {
		return wish{}, fmt.Errorf("%w: the peer is not a %v", transport.ErrMismatch, role.Peer())
	}
	if theirs := plan.Digest(in[16:48]); theirs != digest {
		return wish{}, fmt.Errorf("%w: this party's plan is %.16s, the peer's %.16s", transport.ErrMismatch, digest, theirs)
	}
	return wish{int(binary.LittleEndian.Uint32(in[8:])), int(binary.LittleEndian.Uint32(in[12:])), [SeedSize]byte(in[48:])}, nil
}

// run makes keys and correlations, walks the plan for every inference and exchanges the
// measurements.
func (s *session) run(q Inferences) (*plan.Report, error) {
	keys, err := s.setup()
	if err != nil {
		return nil, fmt.Errorf("setup: %w", err)
	}
	t := newTally(s)
	if s.prepare > 0 {
		s.startPreparing()
	}
	for s.inference = range s.inferences {
		if err := s.infer(q, t); err != nil {
			return nil, err
		}
	}
	s.stage = stageEnd
	if err := s.allMade(); err != nil {
		return nil, err
	}
	side := s.sideStats(keys)
	if err := s.agree(side.depths()); err != nil {
		return nil, fmt.Errorf("end of the session: %w", err)
	}
	return t.report(side), nil
}

// infer makes one inference.
func (s *session) infer(q Inferences, t *tally) error {
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
	begun := time.Now()
	e := &execution{session: s, walk: newWalker(s.Program, inputs), made: m}
	out, err := e.run(s.ctx)
	if err != nil {
		return err
	}
	took := time.Since(begun)
	if m != nil {
		s.shelf.busy.release()
	}
	// Both have all of this inference now, and what is exchanged here waits for nothing: the
	// server's depths leave behind the answer, the client's before its next input.
	if err := s.agree(depthsOf(e.taken)); err != nil {
		return fmt.Errorf("end of the inference: %w", err)
	}
	r := t.add(e.taken, took)
	if s.cfg.Done != nil {
		s.cfg.Done(r)
	}
	if s.party.Role == transport.Client {
		return q.Answer(s.inference, out, r)
	}
	return nil
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
	s.cancel()
	s.close()
	s.party, s.ots, s.seed, s.aheadRand = &Party{Role: s.party.Role}, producers{}, seed{}, nil
	s.release()
	return err
}
