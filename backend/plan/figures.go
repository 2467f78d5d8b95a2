package plan

import "sync"

// figures remembers what encrypted linear operators cost and hold: a session asks
// several times, and to answer their index maps must be made. Operators are looked up by
// value, so a plan that is changed asks anew. Copies of a plan share what is remembered,
// and may ask side by side.
type figures struct {
	mu sync.Mutex
	of map[Linear]figure
}

type figure struct {
	cost, engine   Cost // with the truncation and without
	server, client int64
}

// Remember makes the plan keep the figures it works out; without, it works them out
// whenever asked. Whoever makes a plan calls it before anybody else has the plan.
func (p *Plan) Remember() { p.known = &figures{of: map[Linear]figure{}} }

// linear gives the figures of an encrypted linear operator.
func (p *Plan) linear(l *Linear) figure {
	if p.known == nil {
		return figureOf(l)
	}
	p.known.mu.Lock()
	defer p.known.mu.Unlock()
	f, ok := p.known.of[*l]
	if !ok {
		f = figureOf(l)
		p.known.of[*l] = f
	}
	return f
}

func figureOf(l *Linear) figure {
	f := figure{cost: l.CostRLWE(), engine: l.EngineCost()}
	f.server, f.client = l.MemoryRLWE()
	return f
}
