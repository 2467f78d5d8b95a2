package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/guard"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/mpc/ot"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// shelf is where prepared runs of this session wait for their inputs, in order. It is in RAM.
type shelf struct {
	store *store.Store
	room  chan struct{} // taken by a run while it is made or waits
	runs  chan store.Binding
	full  chan struct{} // closed once as many wait as fit, or as the session uses
	err   chan error    // why no more come

	made, kept int
	seconds    float64 // that preparations took, those that are paused included
}

// polite is a source of OTs for whoever gives way.
type polite[B any] struct {
	from nonlinear.Source[B]
	*session
}

func (p polite[B]) Take(ctx context.Context, n int) (b B, err error) {
	if err = p.giveWay(ctx); err != nil {
		return b, err
	}
	return p.from.Take(ctx, n)
}

// startPreparing prepares what is left of the session's inferences, as many ahead as were agreed
// on, and then the runs that are kept.
func (s *session) startPreparing(own int) {
	depth := min(max(s.prepare, 1), own)
	s.shelf = &shelf{
		store: store.Memory(0), room: make(chan struct{}, depth), runs: make(chan store.Binding, depth),
		full: make(chan struct{}), err: make(chan error, 1),
	}
	guard.Go(func() error { return s.prepareAll(own, depth) }, func(err error) {
		if err != nil { // whoever waits for the peer in the mean time must not go on doing so
			_ = s.mux.Abort(err)
		}
		if s.room != nil {
			s.room.Shrink(0)
			s.cfg.Store.Finish(s.id)
		}
		s.shelf.err <- err
		close(s.shelf.runs)
	})
}

func (s *session) prepareAll(own, depth int) error {
	for number := range own {
		select {
		case s.shelf.room <- struct{}{}:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
		b := store.Binding{Name: store.Name{Session: s.id, Number: uint64(number)}}
		err := s.prepareInto(func() (*store.Draft, error) { return s.shelf.store.Put(b, s.kept[s.party.Role].size) })
		if err != nil {
			return fmt.Errorf("preparing inference %d: %w", s.inferences-own+number+1, err)
		}
		s.shelf.runs <- b
		if number+1 == depth {
			close(s.shelf.full)
		}
	}
	for number := range s.keep {
		b := store.Binding{For: s.runsFor(), Name: store.Name{Session: s.id, Number: uint64(own + number)}}
		if err := s.prepareInto(func() (*store.Draft, error) { return s.room.Put(b) }); err != nil {
			return fmt.Errorf("preparing run %d to be kept: %w", number+1, err)
		}
		s.shelf.kept++
		if s.cfg.Kept != nil {
			s.cfg.Kept(number+1, s.keep)
		}
	}
	return nil
}

// prepareInto makes a run; without an error it can be reserved from then on.
func (s *session) prepareInto(put func() (*store.Draft, error)) error {
	begun := time.Now()
	to, err := put()
	if err != nil {
		return err
	}
	if err := guard.Do(func() error { return s.prepareOne(to) }); err != nil {
		return errors.Join(err, to.Discard())
	}
	s.shelf.seconds += time.Since(begun).Seconds()
	s.shelf.made++
	return to.Commit()
}

// begin takes the prepared run that is due, where inferences are prepared. Until the inference
// has ended, preparations give way.
func (s *session) begin() (*made, error) {
	for len(s.stored) > 0 {
		b := store.Binding{For: s.runsFor(), Name: s.stored[0]}
		s.stored = s.stored[1:]
		m, err := s.use(s.cfg.Store, b)
		if err != nil {
			return nil, err
		}
		if m != nil {
			s.Program = s.two
			s.used++
			return m, nil
		}
	}
	if err := s.makeReady(); err != nil || s.shelf == nil {
		return nil, err
	}
	b, err := s.next()
	if err != nil {
		return nil, err
	}
	m, err := s.use(s.shelf.store, b)
	if err == nil && m == nil {
		err = transport.Violation("a run of this session is missing")
	}
	return m, err
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

// next waits for the prepared run that is due.
func (s *session) next() (b store.Binding, err error) {
	s.due.Store(true)
	defer s.due.Store(false)
	if s.party.Role == transport.Client && s.inference == s.used {
		if err := s.await(s.shelf.full); err != nil {
			return b, err
		}
	}
	select {
	case b, ok := <-s.shelf.runs:
		if !ok { // the preparing has ended before its time
			return b, s.allMade()
		}
		<-s.shelf.room
		return b, nil
	case <-s.ctx.Done():
		return b, s.ctx.Err()
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

// preparation is a prepared run being made.
type preparation struct {
	*session
	conn   transport.Lane
	seed   poly.Seed // client: of its masks
	keeps  []keeps
	to     *store.Draft
	at     int64    // what was written
	shares [][]byte // of products, by call: later ones may follow from them
	walk   *walker
}

// prepareOne makes the next prepared run: the masks first, then what depends on them. What is
// known is written at once.
func (s *session) prepareOne(to *store.Draft) error {
	k := s.kept[s.party.Role]
	p := &preparation{session: s, conn: s.aheadLane, keeps: k.calls, to: to, shares: make([][]byte, s.calls), walk: zeroWalker(s.Program)}
	if s.party.Role == transport.Client {
		if _, err := io.ReadFull(s.aheadRand, p.seed[:]); err != nil {
			return fmt.Errorf("randomness: %w", err)
		}
		if err := p.write(part{0, SeedSize}, p.seed[:]); err != nil {
			return err
		}
	}
	for _, g := range s.ahead.Groups {
		if err := p.group(g); err != nil {
			return err
		}
	}
	at := 0
	for _, wave := range s.waves {
		for _, call := range wave.calls {
			if err := p.record(at, call); err != nil {
				return named(call, err)
			}
			at++
		}
	}
	if err := p.conn.Flush(); err != nil {
		return err
	}
	if p.party.Role == transport.Client {
		for at := range p.keeps {
			if err := p.hear(at); err != nil {
				return err
			}
		}
	}
	if p.at != k.size {
		return fmt.Errorf("BUG: %d bytes of a prepared run, the plan says %d", p.at, k.size)
	}
	return nil
}

// write puts a part where it belongs.
func (p *preparation) write(at part, b []byte) error {
	if at.size == 0 && len(b) == 0 {
		return nil
	}
	if p.at != at.at || int64(len(b)) != at.size {
		return fmt.Errorf("BUG: %d bytes at %d of a prepared run, the plan says %d at %d", len(b), p.at, at.size, at.at)
	}
	p.at += at.size
	_, err := p.to.Write(b)
	return err
}

// room is where a part is made that is the next to be written.
func (p *preparation) room(at part) []byte {
	if b := p.to.AvailableBuffer(); int64(cap(b)) >= at.size {
		return b[:at.size:at.size]
	}
	return make([]byte, at.size)
}

// hear takes in the peer's early messages of a call: the server's when all of the client's have left, the client's as
// they come, for what it sends ahead of the next call stands behind them.
func (p *preparation) hear(call int) error {
	k := p.keeps[call].early
	if k.size == 0 {
		return nil
	}
	early := p.room(k)
	if err := p.conn.Recv(early); err != nil {
		return err
	}
	return p.write(k, early)
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
		if err := p.giveWay(p.ctx); err != nil {
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
		p.aheadMemory.Reset()
	}
	for i, s := range g.Calls {
		y, err := p.party.Linear.client.Download(p.ctx, p.conn, ops[i], p.party.Threads)
		if err != nil {
			return named([]*plan.Step{s}, err)
		}
		if err := p.keep(s, y); err != nil {
			return err
		}
	}
	return nil
}

func (p *preparation) keep(s *plan.Step, y Vec) error {
	at, bits := p.callOf[s], shareBits(s)
	b := p.room(p.keeps[at].share)
	if len(b) != ring.PackedLen(len(y), bits) {
		return fmt.Errorf("BUG: %d shares of %d bits, the plan says %d bytes", len(y), bits, len(b))
	}
	ring.Pack(b, y, bits)
	p.shares[at] = b
	return p.write(p.keeps[at].share, b)
}

// multiply is the server's side of a group.
func (p *preparation) multiply(g plan.Group) error {
	for _, s := range g.Calls {
		if err := p.giveWay(p.ctx); err != nil {
			return err
		}
		op, err := LinearOp(s.Linear())
		if err != nil {
			return err
		}
		w, err := ints(p.party.Weights, s.W+"/w", s.Linear().NumWeights(), &p.aheadMemory)
		if err != nil {
			return err
		}
		engine := p.party.Linear.server
		mask, err := engine.Multiply(p.ctx, p.conn, engine.TurnAhead(), op, w, p.party.Threads)
		p.aheadMemory.Reset()
		if err != nil {
			return named([]*plan.Step{s}, err)
		}
		if err := p.write(p.keeps[p.callOf[s]].share, mask.Seed[:]); err != nil {
			return err
		}
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
	defer p.aheadMemory.Reset()
	y, err := (&nonlinear.Party{Role: with.Role, Conn: p.conn, Corr: nonlinear.From(with.Sender, with.Receiver)}).LinearOT(p.ctx, in, convOT(l), weights, bias)
	if err != nil {
		return named([]*plan.Step{s}, err)
	}
	return errors.Join(p.keep(s, y), p.conn.Flush())
}

// share is the client's share of a slot that is fixed.
func (p *preparation) share(x plan.Slot) (Vec, error) {
	if p.ahead.Drawn[x] {
		return drawn(p.plan, p.seed, x, &p.aheadMemory), nil
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
	y, err := unpackShare(s, p.shares[p.callOf[s]], &p.aheadMemory)
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
		q.Sender = polite[*ot.SendBatch]{q.Sender, p.session}
	}
	if q.Receiver != nil {
		q.Receiver = polite[*ot.RecvBatch]{q.Receiver, p.session}
	}
	q.Conn, q.Tape, q.Rand, q.Memory = conn, tape, p.aheadRand, &p.aheadMemory
	return &q
}

// record makes what a call takes of correlated OTs, and sends what can be sent of it.
func (p *preparation) record(at int, call []*plan.Step) error {
	k := &p.keeps[at]
	if !k.takes() {
		return nil
	}
	c := p.walk.call(call)
	if p.party.Role == transport.Client && call[0].KnownAhead() {
		var err error
		if c, err = p.known(call); err != nil {
			return err
		}
	}
	tape := nonlinear.NewTape(p.to.AvailableBuffer(), k.tape.size, k.sent, p.conn)
	if _, err := p.table[call[0].Proto].Run(p.ctx, p.with(nonlinear.Nowhere{}, tape), c); err != nil {
		return err
	}
	p.aheadMemory.Reset()
	recorded, early := tape.Bytes()
	if int64(len(early)) != k.sent {
		return fmt.Errorf("BUG: %d bytes are sent ahead, the plan says %d", len(early), k.sent)
	}
	if err := p.write(k.tape, recorded); err != nil {
		return err
	}
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
func (e *execution) hand(p *Party, at int, call []*plan.Step) error {
	if p.Role == transport.Client && call[0].Draws() {
		for _, s := range call {
			p.Share = append(p.Share, drawn(e.plan, e.made.seed, s.Out[0], nil)...)
		}
	}
	c, err := e.made.take(at)
	p.Made, p.Tape, p.Finish = &c, nonlinear.Recorded(c.tape, c.early), e.finisher
	return err
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
		if err := move(c, x); err != nil {
			return fmt.Errorf("%s: %w", e.writer[x].Name, err)
		}
		e.memory[0].Reset()
	}
	return c.Flush()
}

// pieces visits a vector of n numbers of some bits in pieces, with room for one of them and for its message.
func (e *execution) pieces(n, bits int, f func(lo int, piece Vec, msg []byte) error) error {
	room := e.memory[0].Dirty(wire.Chunk)
	msg := make([]byte, ring.PackedLen(min(n, wire.Chunk), bits))
	return wire.Slabs(n, wire.Chunk, func(lo, n int) error { return f(lo, room[:n], msg[:ring.PackedLen(n, bits)]) })
}

func (e *execution) sendMove(c transport.Conn, x plan.Slot) error {
	r, old, bits := drawn(e.plan, e.made.seed, x, nil), e.walk.slots[x], e.plan.Slots[x].Bits
	e.walk.slots[x] = r
	return e.pieces(len(r), bits, func(lo int, diff Vec, msg []byte) error {
		part := old[lo:][:len(diff)]
		for k, v := range r[lo:][:len(diff)] {
			diff[k] = part[k] - v
		}
		ring.Pack(msg, diff, bits)
		return c.Send(msg)
	})
}

func (e *execution) receiveMove(c transport.Conn, x plan.Slot) error {
	old, bits := e.walk.slots[x], e.plan.Slots[x].Bits
	y, m := make(Vec, len(old)), mask(bits)
	e.walk.slots[x] = y
	return e.pieces(len(y), bits, func(lo int, diff Vec, msg []byte) error {
		if err := c.Recv(msg); err != nil {
			return err
		}
		if err := unpack(diff, msg, bits); err != nil {
			return err
		}
		part := y[lo:][:len(diff)]
		for k, v := range old[lo:][:len(diff)] {
			part[k] = (v + diff[k]) & m
		}
		return nil
	})
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
