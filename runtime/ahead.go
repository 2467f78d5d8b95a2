package runtime

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/guard"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/mpc/ot"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// made is what one party keeps of a prepared inference (plan.Ahead). It is used once: taking a
// call's part out of it leaves nothing behind.
type made struct {
	number int
	seed   poly.Seed // client: of its masks
	calls  []madeCall
}

// madeCall is the part of one call.
type madeCall struct {
	share []byte   // packed share of a linear operator's product: the client's, over OT either party's
	mask  *he.Mask // server: the other share, as far as it does not depend on the input
	early []byte   // the peer's messages that waited for nothing
	tape  []byte   // what the call takes of correlated OTs
}

// take hands a call's part out.
func (m *made) take(call int) madeCall {
	c := m.calls[call]
	m.calls[call] = madeCall{}
	return c
}

// drawn is the client's share of a slot that is drawn.
func (m *made) drawn(p *plan.Plan, x plan.Slot) Vec {
	r := make(Vec, p.Slots[x].N())
	poly.NewSampler(m.seed).Words(r, uint64(x))
	ring.Reduce(r, p.Slots[x].Bits)
	return r
}

// product is this party's share of a linear operator's product, of which the server makes what
// the preparation left open: its own share times the weights, in the clear.
func (m *madeCall) product(p *Party, c *Call) (Vec, error) {
	l := c.Linear()
	var acc Vec
	if p.Role == transport.Server {
		w, b, err := linearWeights(p.Weights, c)
		if err != nil {
			return nil, err
		}
		if acc, err = accumulate(l, c.In[0], w, b, p.Threads); err != nil {
			return nil, err
		}
		if m.mask != nil {
			op, err := LinearOp(l)
			if err != nil {
				return nil, err
			}
			return p.Linear.server.Finish(m.mask, op, acc), nil
		}
	}
	y, err := unpackShare(c.Step, m.share)
	if err != nil {
		return nil, err
	}
	for i, v := range acc {
		y[i] = (y[i] + v) & mask(l.InBits)
	}
	return y, nil
}

// shareBits is the ring of what is kept of a linear operator's product.
func shareBits(s *plan.Step) int {
	if s.Proto == plan.ProtoLinearOT {
		return s.Linear().InBits
	}
	return s.Linear().EngineBits()
}

func unpackShare(s *plan.Step, kept []byte) (Vec, error) {
	y := make(Vec, s.Linear().NumOut())
	return y, ring.Unpack(y, kept, shareBits(s))
}

// shelf is where prepared inferences wait for their inputs, in order.
type shelf struct {
	room chan struct{} // taken by a run while it is made or waits
	runs chan *made
	full chan struct{} // closed once as many wait as fit, or as the session makes
	err  chan error    // why no more come
	busy gate

	seconds float64 // that preparations took, those that are paused included
}

// gate holds preparations up while an input waits for its answer.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // nil: open; else closed when it opens again
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		close(g.open)
		g.open = nil
	}
}

// pass waits until the gate is open.
func (g *gate) pass(ctx context.Context) error {
	for {
		g.mu.Lock()
		open := g.open
		g.mu.Unlock()
		if open == nil {
			return ctx.Err()
		}
		select {
		case <-open:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// polite is a source of OTs for whoever gives way.
type polite[B any] struct {
	from nonlinear.Source[B]
	gate *gate
}

func (p polite[B]) Take(ctx context.Context, n int) (b B, err error) {
	if err = p.gate.pass(ctx); err != nil {
		return b, err
	}
	return p.from.Take(ctx, n)
}

// startPreparing prepares all inferences of the session, as many ahead as were agreed on.
func (s *session) startPreparing() {
	depth := min(s.prepare, s.inferences)
	s.shelf = &shelf{room: make(chan struct{}, depth), runs: make(chan *made, depth), full: make(chan struct{}), err: make(chan error, 1)}
	guard.Go(func() error { return s.prepareAll(depth) }, func(err error) {
		if err != nil { // whoever waits for the peer in the mean time must not go on doing so
			_ = s.mux.Abort(err)
		}
		s.shelf.err <- err
		close(s.shelf.runs)
	})
}

func (s *session) prepareAll(depth int) error {
	for number := range s.inferences {
		select {
		case s.shelf.room <- struct{}{}:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
		begun := time.Now()
		m, err := s.prepareOne(number)
		if err != nil {
			return fmt.Errorf("preparing inference %d: %w", number+1, err)
		}
		s.shelf.seconds += time.Since(begun).Seconds()
		s.shelf.runs <- m
		if number+1 == depth {
			close(s.shelf.full)
		}
	}
	return nil
}

// begin takes the prepared inference that is due out of the shelf, and both parties make sure
// that they mean the same: before it, nothing that depends on it is sent, and after it nobody
// else can get it, whatever happens. Until the inference has ended, preparations give way.
// Nothing is exchanged where inferences are not prepared.
func (s *session) begin() (*made, error) {
	if s.prepare == 0 {
		return nil, nil
	}
	m, err := s.next()
	if err != nil {
		return nil, err
	}
	c := s.mux.Channel(chanControl)
	number := binary.LittleEndian.AppendUint32(nil, uint32(m.number))
	if s.party.Role == transport.Client {
		s.shelf.busy.shut()
		return m, errors.Join(c.Send(number), c.Flush())
	}
	theirs := make([]byte, len(number))
	if err := c.Recv(theirs); err != nil {
		return nil, fmt.Errorf("waiting for inference %d: %w", s.inference+1, err)
	}
	if !bytes.Equal(theirs, number) {
		return nil, transport.Violation("prepared inference %d in the place of %d", binary.LittleEndian.Uint32(theirs), m.number)
	}
	s.shelf.busy.shut()
	return m, nil
}

// allMade waits until the preparing goroutine has ended.
func (s *session) allMade() error {
	if s.shelf == nil {
		return nil
	}
	select {
	case err := <-s.shelf.err:
		s.shelf.err <- err
		return err
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// next waits for the prepared inference that is due.
func (s *session) next() (*made, error) {
	if s.party.Role == transport.Client && s.inference == 0 {
		if err := s.await(s.shelf.full); err != nil {
			return nil, err
		}
	}
	select {
	case m, ok := <-s.shelf.runs:
		if !ok { // the preparing has ended before its time
			return nil, s.allMade()
		}
		if m.number != s.inference {
			return nil, fmt.Errorf("BUG: prepared inference %d in the place of %d", m.number, s.inference)
		}
		<-s.shelf.room
		return m, nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

func (s *session) await(full chan struct{}) error {
	select {
	case <-full:
		return nil
	case err := <-s.shelf.err:
		s.shelf.err <- err
		return err
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// preparation is a prepared inference being made.
type preparation struct {
	*session
	conn  transport.Lane
	made  *made
	index map[*plan.Step]int // of a linear operator's call
	walk  *walker
}

// prepareOne makes the next prepared inference: the masks first, then what depends on them.
func (s *session) prepareOne(number int) (*made, error) {
	p := &preparation{session: s, conn: s.aheadLane, made: &made{number: number, calls: make([]madeCall, s.calls)}, index: map[*plan.Step]int{}, walk: zeroWalker(s.Program)}
	if _, err := io.ReadFull(s.aheadRand, p.made.seed[:]); err != nil {
		return nil, fmt.Errorf("randomness: %w", err)
	}
	at := 0
	for _, wave := range s.waves {
		for _, call := range wave.calls {
			if call[0].Linear() != nil {
				p.index[call[0]] = at
			}
			at++
		}
	}
	for _, g := range s.ahead.Groups {
		if err := p.group(g); err != nil {
			return nil, err
		}
	}
	at = 0
	for _, wave := range s.waves {
		for _, call := range wave.calls {
			if err := p.record(at, call); err != nil {
				return nil, named(call, err)
			}
			at++
		}
	}
	if err := p.conn.Flush(); err != nil {
		return nil, err
	}
	if p.party.Role == transport.Client {
		for at := range p.made.calls {
			if err := p.hear(at); err != nil {
				return nil, err
			}
		}
	}
	return p.made, nil
}

// hear takes in the peer's early messages of a call: the server's when all of the client's have left, the client's as
// they come, for what it sends ahead of the next call stands behind them.
func (p *preparation) hear(call int) error {
	n := p.keeps[p.party.Role][call].received
	if n == 0 {
		return nil
	}
	p.made.calls[call].early = make([]byte, n)
	return p.conn.Recv(p.made.calls[call].early)
}

// group multiplies the client's shares of the inputs by the weights.
func (p *preparation) group(g plan.Group) error {
	if g.Calls[0].Proto == plan.ProtoLinearOT {
		return p.overOT(g.Calls[0])
	}
	if p.party.Role == transport.Server {
		return p.multiply(g)
	}
	ops := make([]*he.Op, len(g.Calls))
	for i, s := range g.Calls {
		if err := p.shelf.busy.pass(p.ctx); err != nil {
			return err
		}
		var err error
		if ops[i], err = LinearOp(s.Linear()); err != nil {
			return err
		}
		in, err := p.share(s.In[0])
		if err != nil {
			return err
		}
		c := p.party.Linear.client
		if err := c.Upload(p.ctx, p.conn, c.TurnAhead(), ops[i], in, p.party.Threads); err != nil {
			return named([]*plan.Step{s}, err)
		}
	}
	for i, s := range g.Calls {
		y, err := p.party.Linear.client.Download(p.ctx, p.conn, ops[i], p.party.Threads)
		if err != nil {
			return named([]*plan.Step{s}, err)
		}
		p.keep(s, y)
	}
	return nil
}

func (p *preparation) keep(s *plan.Step, y Vec) {
	bits := shareBits(s)
	b := make([]byte, ring.PackedLen(len(y), bits))
	ring.Pack(b, y, bits)
	p.made.calls[p.index[s]].share = b
}

// multiply is the server's side of a group.
func (p *preparation) multiply(g plan.Group) error {
	for _, s := range g.Calls {
		if err := p.shelf.busy.pass(p.ctx); err != nil {
			return err
		}
		op, err := LinearOp(s.Linear())
		if err != nil {
			return err
		}
		w, err := p.party.Weights.Ints(s.W+"/w", s.Linear().NumWeights())
		if err != nil {
			return err
		}
		engine := p.party.Linear.server
		mask, err := engine.Multiply(p.ctx, p.conn, engine.TurnAhead(), op, w, p.party.Threads)
		if err != nil {
			return named([]*plan.Step{s}, err)
		}
		p.made.calls[p.index[s]].mask = mask
	}
	return nil
}

// overOT makes the product of an operator over OT; both parties keep their share.
func (p *preparation) overOT(s *plan.Step) error {
	l := s.Linear()
	in, weights, bias := make(Vec, l.NumIn()), []int64(nil), []int64(nil)
	var err error
	if p.party.Role == transport.Server {
		weights, err = p.party.Weights.Ints(s.W+"/w", l.NumWeights())
		bias = make([]int64, l.COut)
	} else {
		in, err = p.share(s.In[0])
	}
	if err != nil {
		return err
	}
	with := p.with(p.conn, nil)
	y, err := (&nonlinear.Party{Role: with.Role, Conn: p.conn, Corr: nonlinear.From(with.Sender, with.Receiver)}).LinearOT(p.ctx, in, convOT(l), weights, bias)
	if err != nil {
		return named([]*plan.Step{s}, err)
	}
	p.keep(s, y)
	return p.conn.Flush()
}

// share is the client's share of a slot that is fixed.
func (p *preparation) share(x plan.Slot) (Vec, error) {
	if p.ahead.Drawn[x] {
		return p.made.drawn(p.plan, x), nil
	}
	s := p.writer[x]
	if s.Linear() != nil {
		return p.product(s)
	}
	c := &Call{Step: s}
	for _, in := range s.In {
		v, err := p.share(in)
		if err != nil {
			return nil, err
		}
		c.In, c.InTypes = append(c.In, v), append(c.InTypes, p.plan.Slots[in])
	}
	for _, out := range s.Out {
		c.OutTypes = append(c.OutTypes, p.plan.Slots[out])
	}
	out, err := p.table[s.Proto].Run(p.ctx, p.party, c)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// product is the client's share of a linear operator's result.
func (p *preparation) product(s *plan.Step) (Vec, error) {
	y, err := unpackShare(s, p.made.calls[p.index[s]].share)
	if err != nil {
		return nil, err
	}
	return finishLinear(p.ctx, &nonlinear.Party{Role: p.party.Role, Conn: nonlinear.Nowhere{}}, s, y)
}

// with is the party that takes correlated OTs as they are made, giving way to online runs.
func (p *preparation) with(conn transport.Conn, tape *nonlinear.Tape) *Party {
	q := *p.party
	p.ots.give(&q, p.conn)
	if q.Sender != nil {
		q.Sender = polite[*ot.SendBatch]{q.Sender, &p.shelf.busy}
	}
	if q.Receiver != nil {
		q.Receiver = polite[*ot.RecvBatch]{q.Receiver, &p.shelf.busy}
	}
	q.Conn, q.Tape, q.Rand = conn, tape, p.aheadRand
	return &q
}

// record makes what a call takes of correlated OTs, and sends what can be sent of it.
func (p *preparation) record(at int, call []*plan.Step) error {
	k := p.keeps[p.party.Role][at]
	if k == (keeps{}) {
		return nil
	}
	c := p.walk.call(call)
	if p.party.Role == transport.Client && call[0].KnownAhead() {
		var err error
		if c, err = p.known(call); err != nil {
			return err
		}
	}
	tape := nonlinear.NewTape(k.tape, k.sent, p.conn)
	if _, err := p.table[call[0].Proto].Run(p.ctx, p.with(nonlinear.Nowhere{}, tape), c); err != nil {
		return err
	}
	recorded, early := tape.Bytes()
	if int64(len(recorded)) != k.tape || int64(len(early)) != k.sent {
		return fmt.Errorf("BUG: %d and %d bytes are kept and sent, the plan says %d and %d", len(recorded), len(early), k.tape, k.sent)
	}
	p.made.calls[at].tape = recorded
	if p.party.Role == transport.Server {
		if err := p.hear(at); err != nil {
			return err
		}
	}
	return p.conn.Send(early)
}

// known is a call with the client's operand.
func (p *preparation) known(call []*plan.Step) (*Call, error) {
	before := map[plan.Slot]Vec{}
	defer func() {
		for x, v := range before {
			p.walk.slots[x] = v
		}
	}()
	for _, s := range call {
		v, err := p.share(s.In[0])
		if err != nil {
			return nil, err
		}
		if _, twice := before[s.In[0]]; !twice {
			before[s.In[0]] = p.walk.slots[s.In[0]]
		}
		p.walk.slots[s.In[0]] = v
	}
	return p.walk.call(call), nil
}

// zeroWalker has zeros in every slot.
func zeroWalker(g *Program) *walker {
	w := newWalker(g, nil)
	most := 0
	for _, t := range g.plan.Slots {
		most = max(most, t.N())
	}
	zeros := make(Vec, most)
	for x, t := range g.plan.Slots {
		w.slots[x] = zeros[:t.N():t.N()]
	}
	return w
}

// hand gives a call what was prepared of it.
func (e *execution) hand(p *Party, call int) {
	c := e.made.take(call)
	p.Made, p.Tape = &c, nonlinear.Recorded(c.tape, c.early)
}

// moves makes the client's shares of the slots of a wave those that the preparation fixed: the
// client sends its share less that, and the server adds what it gets to its own.
func (e *execution) moves(wave int) error {
	if e.made == nil {
		return nil
	}
	c := e.lanes.Conn(0)
	move := e.receiveMove
	if e.party.Role == transport.Client {
		move = e.sendMove
	}
	for _, x := range e.ahead.Moves[wave] {
		msg := make([]byte, e.plan.MoveBytes(x))
		if err := move(c, x, msg); err != nil {
			return fmt.Errorf("%s: %w", e.writer[x].Name, err)
		}
	}
	return c.Flush()
}

func (e *execution) sendMove(c transport.Conn, x plan.Slot, msg []byte) error {
	r, diff := e.made.drawn(e.plan, x), make(Vec, len(e.walk.slots[x]))
	for k, v := range e.walk.slots[x] {
		diff[k] = v - r[k]
	}
	ring.Pack(msg, diff, e.plan.Slots[x].Bits)
	e.walk.slots[x] = r
	return c.Send(msg)
}

func (e *execution) receiveMove(c transport.Conn, x plan.Slot, msg []byte) error {
	if err := c.Recv(msg); err != nil {
		return err
	}
	y, bits := make(Vec, len(e.walk.slots[x])), e.plan.Slots[x].Bits
	if err := ring.Unpack(y, msg, bits); err != nil {
		return fmt.Errorf("%w: %w", transport.ErrViolation, err)
	}
	for k, v := range e.walk.slots[x] {
		y[k] += v
	}
	ring.Reduce(y, bits)
	e.walk.slots[x] = y
	return nil
}

// countMoves adds what a wave's moves sent to the operators that they are for.
func (e *execution) countMoves(wave int, took []measure) {
	if e.made == nil {
		return
	}
	for _, x := range e.ahead.Moves[wave] {
		for i, steps := range e.waves[wave].calls {
			if !plan.MovedFor(steps, x) {
				continue
			}
			if n := e.plan.MoveBytes(x); e.party.Role == transport.Client {
				took[i].sent += n
			} else {
				took[i].received += n
			}
			break
		}
	}
}
