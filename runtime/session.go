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
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/transport"
)

// The channels of a session.
const (
	chanExec    = 0 // the plan's calls, one after the other
	chanServer  = 1 // correlated OTs that the server sends
	chanClient  = 2 // correlated OTs that the client sends
	chanControl = 3 // hello, keys, done
	numChannels = 4 // and one for each further call that runs side by side with others
)

// protocolVersion changes whenever bytes on the wire change their meaning.
const protocolVersion = 3

// Config is what one party chooses for itself. None of it changes what is sent.
type Config struct {
	Threads   int       // cores to use; 0: all
	Rand      io.Reader // nil: crypto/rand
	Transport transport.Config
	Progress  func(Progress) // called before each call of the plan and after the last

	// Observe sees this party's share of every slot as it is written. It is for
	// comparing a run with the simulator where one owner plays both parties.
	Observe func(plan.Slot, Vec)

	ahead int // correlated OTs made ahead of use; 0: the default. Tests make it small
}

func (c Config) withDefaults() Config {
	if c.Threads <= 0 {
		c.Threads = goruntime.GOMAXPROCS(0)
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return c
}

// Serve runs the server's side of one session and takes over conn. The report
// holds what was measured. Weights may be shared by sessions.
func Serve(ctx context.Context, conn net.Conn, p *plan.Plan, weights Weights, cfg Config) (*plan.Report, error) {
	s, err := open(ctx, conn, transport.Server, p, cfg)
	if err != nil {
		return nil, err
	}
	s.party.Weights = weights
	_, report, err := s.finish(s.run(nil))
	return report, err
}

// Run runs the client's side of one session and takes over conn. The inputs
// are encoded; the outputs are ring elements.
func Run(ctx context.Context, conn net.Conn, p *plan.Plan, inputs []Vec, cfg Config) ([]Vec, *plan.Report, error) {
	if err := checkInputs(p, inputs); err != nil {
		conn.Close()
		return nil, nil, err
	}
	s, err := open(ctx, conn, transport.Client, p, cfg)
	if err != nil {
		return nil, nil, err
	}
	return s.finish(s.run(inputs))
}

// session is one connection from hello to goodbye.
type session struct {
	ctx    context.Context
	cancel context.CancelFunc
	mux    *transport.Mux
	lanes  *transport.Lanes
	plan   *plan.Plan
	party  *Party
	ots    producers
	cfg    Config
	start  time.Time
}

// open connects the channels and makes sure that both parties hold the same
// plan before anything else happens.
func open(ctx context.Context, conn net.Conn, role transport.Role, p *plan.Plan, cfg Config) (*session, error) {
	cfg = cfg.withDefaults()
	digest, err := p.Digest()
	if err != nil {
		conn.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &session{ctx: ctx, cancel: cancel, plan: p, cfg: cfg, start: time.Now()}
	ids := []int{chanExec}
	for range p.Lanes() - 1 {
		ids = append(ids, numChannels+len(ids)-1)
	}
	cfg.Transport.Channels = numChannels + len(ids) - 1
	s.mux = transport.NewMux(ctx, conn, cfg.Transport)
	s.lanes = s.mux.Lanes(ids...)
	s.party = &Party{Role: role, Threads: cfg.Threads, Rand: cfg.Rand}
	if err := hello(s.mux.Channel(chanControl), role, digest); err != nil {
		_, _, err = s.finish(nil, nil, err)
		return nil, err
	}
	return s, nil
}

// helloSize: version, role, plan digest.
const helloSize = 4 + 4 + sha256.Size

// hello exchanges and compares version, role and plan. The messages cross.
func hello(c transport.Conn, role transport.Role, digest plan.Digest) error {
	out := binary.LittleEndian.AppendUint32(nil, protocolVersion)
	out = binary.LittleEndian.AppendUint32(out, uint32(role))
	out = append(out, digest[:]...)
	if err := c.Send(out); err != nil {
		return err
	}
	in := make([]byte, helloSize)
	if err := c.Recv(in); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if v := binary.LittleEndian.Uint32(in); v != protocolVersion {
		return fmt.Errorf("%w: the peer speaks version %d of the protocol, this secc version %d", transport.ErrMismatch, v, protocolVersion)
	}
	if r := binary.LittleEndian.Uint32(in[4:]); r != uint32(role.Peer()) {
		return fmt.Errorf("%w: the peer is not a %v", transport.ErrMismatch, role.Peer())
	}
	if theirs := plan.Digest(in[8:]); theirs != digest {
		return fmt.Errorf("%w: this party's plan is %.16s, the peer's %.16s", transport.ErrMismatch, digest, theirs)
	}
	return nil
}

// run makes keys and correlations, walks the plan and exchanges the measurements.
func (s *session) run(inputs []Vec) ([]Vec, *plan.Report, error) {
	keys, err := s.setup()
	if err != nil {
		return nil, nil, fmt.Errorf("setup: %w", err)
	}
	ready := time.Now()
	e := &execution{walker: newWalker(s.plan, inputs), party: s.party, lanes: s.lanes, ots: s.ots, table: kernels(),
		progress: s.cfg.Progress, see: s.cfg.Observe}
	out, err := e.run(s.ctx)
	if err != nil {
		return nil, nil, err
	}
	online := time.Since(ready)
	m := s.measured(keys, e.taken)
	m.setup, m.online = ready.Sub(s.start), online
	if err := s.done(m); err != nil {
		return nil, nil, fmt.Errorf("end of the session: %w", err)
	}
	report, err := s.report(m)
	return out, report, err
}

// done tells the peer that this party has all it needs, and the depths it
// measured: only together do they give the numbers of rounds.
func (s *session) done(m *measured) error {
	c := s.mux.Channel(chanControl)
	var out []byte
	for _, d := range m.depths() {
		out = binary.LittleEndian.AppendUint32(out, uint32(*d))
	}
	if err := c.Send(out); err != nil {
		return err
	}
	in := make([]byte, len(out))
	if err := c.Recv(in); err != nil {
		return err
	}
	for i, d := range m.depths() {
		theirs := int(binary.LittleEndian.Uint32(in[4*i:]))
		if theirs > *d+1 || *d > theirs+1 {
			return transport.Violation("impossible depth %d beside %d", theirs, *d)
		}
		*d = max(*d, theirs)
	}
	return nil
}

// finish ends the session; on an error it tells the peer the kind.
func (s *session) finish(out []Vec, report *plan.Report, err error) ([]Vec, *plan.Report, error) {
	if err == nil {
		err = s.mux.Close()
	} else {
		if cause := s.mux.Err(); cause != nil && errors.Is(err, context.Canceled) {
			err = fmt.Errorf("%w: %w", err, cause)
		}
		_ = s.mux.Abort(err) // the first error is the one to report
	}
	s.cancel()
	s.close()
	return out, report, err
}
