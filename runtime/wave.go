package runtime

import (
	"context"
	"fmt"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/guard"
	"secc.example/secc/runtime/transport"
)

// execution walks the plan with the peer, wave by wave. The session's party has no
// connection and no sources of OTs: a call gets those of its lane.
type execution struct {
	*session
	walk  *walker
	taken []measure
	made  *made // what was prepared; nil: nothing
}

// run executes all waves. The result is nil at the server.
func (e *execution) run(ctx context.Context) ([]Vec, error) {
	start := time.Now()
	tell := func(next *plan.Step) {
		if e.cfg.Progress != nil {
			e.cfg.Progress(Progress{e.at, e.calls, e.inference, e.inferences, next, time.Since(start)})
		}
	}
	for i, wave := range e.waves {
		tell(wave.calls[0][0])
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e.mux.SetStall(e.cfg.stall(wave.compute))
		out, err := e.wave(ctx, i, wave)
		if err != nil {
			return nil, fmt.Errorf("wave %d: %w", i, err)
		}
		e.walk.finish(i, out, e.cfg.Observe)
		e.at += len(wave.calls)
	}
	tell(nil)
	if e.party.Role == transport.Server {
		return nil, nil
	}
	return e.walk.outputs(), nil
}

// result is what a call came to.
type result struct {
	lane int
	out  []Vec
	took measure
	err  error
}

// wave runs calls side by side, one a lane. With an error it returns at once:
// the others end with the connection.
func (e *execution) wave(ctx context.Context, at int, w wave) ([][]Vec, error) {
	wave := w.calls
	if err := e.moves(at); err != nil {
		return nil, err
	}
	e.lanes.Fork(len(wave))
	tasks := make([]func() result, len(wave))
	for i, steps := range wave {
		p, err := e.lane(ctx, i, steps, i == w.largest, w.cots[i])
		if err == nil && e.made != nil {
			err = e.hand(p, len(e.taken)+i, steps)
		}
		if err != nil {
			return nil, named(steps, err)
		}
		c := e.walk.call(steps)
		tasks[i] = func() result { return e.do(ctx, p, i, c) }
	}
	start := time.Now()
	done := make(chan result, len(wave))
	for _, task := range tasks[1:] {
		go func() { done <- task() }()
	}
	done <- tasks[0]()
	out, took := make([][]Vec, len(wave)), make([]measure, len(wave))
	for range wave {
		r := <-done
		if r.err != nil {
			return nil, named(wave[r.lane], r.err)
		}
		out[r.lane], took[r.lane] = r.out, r.took
	}
	share(took, time.Since(start).Seconds())
	e.countMoves(at, took)
	e.taken = append(e.taken, took...)
	e.lanes.Join(len(wave))
	return out, nil
}

// share gives every call of a wave a part of the wave's time, by how long it took.
func share(took []measure, wave float64) {
	sum := 0.0
	for _, m := range took {
		sum += m.seconds
	}
	for i := range took {
		if sum > 0 {
			took[i].seconds *= wave / sum
		}
	}
}

// do runs one call. A panic is its error: the others of the wave are on goroutines of
// their own, and other sessions in this process.
func (e *execution) do(ctx context.Context, p *Party, lane int, c *Call) (r result) {
	err := guard.Do(func() error { r = e.carryOut(ctx, p, lane, c); return nil })
	if err != nil {
		return result{lane: lane, err: err}
	}
	return r
}

func (e *execution) carryOut(ctx context.Context, p *Party, lane int, c *Call) result {
	k := e.table[c.Proto]
	if k.Run == nil {
		return result{lane: lane, err: fmt.Errorf("protocol %s cannot be run by this version", c.Proto)}
	}
	t0, s0 := time.Now(), p.Conn.Stats()
	out, err := k.Run(ctx, p, c)
	if err != nil {
		return result{lane: lane, err: err}
	}
	p.Memory.Reset()
	c.check(out)
	if p.Tape != nil {
		if err := p.Tape.Done(); err != nil {
			return result{lane: lane, err: err}
		}
	}
	s1 := p.Conn.Stats()
	return result{lane, out, measure{s1.Sent - s0.Sent, s1.Received - s0.Received, s1.Rounds, time.Since(t0).Seconds()}, nil}
}

// lane is the party that runs a call. What is single use is handed out here, in the
// order of the calls, which is the same at both parties: a turn of the linear engine,
// and correlated OTs. One call of the wave takes them as they are made; those of
// the others are set apart before any starts.
func (e *execution) lane(ctx context.Context, i int, steps []*plan.Step, live bool, cots plan.COTs) (*Party, error) {
	p, lane := *e.party, e.lanes.Conn(i)
	p.Conn, p.Memory = lane, &e.memory[i]
	prepared := e.made != nil
	if operators := len(e.plan.Encrypted(steps[0])); operators > 0 && (!prepared || steps[0].Linear() == nil) {
		p.Linear = p.Linear.next(operators)
	}
	if prepared { // what else is single use was handed out when it was made
		return &p, nil
	}
	if p.Rand != nil {
		var err error
		if p.Rand, err = fork(p.Rand); err != nil {
			return nil, err
		}
	}
	if live {
		e.ots.give(&p, lane)
		return &p, nil
	}
	return &p, e.ots.reserve(ctx, &p, cots)
}
