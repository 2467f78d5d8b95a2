package plan

import "sync"

// figures remembers what encrypted linear operators cost and hold: a session asks
// several times, and to answer their index maps must be made. Operators are looked up by
// value, so a plan that is changed asks anew.
type figures map[Linear]figure

// knowing guards the figures of all plans: plans are copied, so they hold no lock.
var knowing sync.Mutex

type figure struct {
	cost, engine   Cost // with the truncation and without
	server, client int64
}

// linear gives the figures of an encrypted linear operator.
func (p *Plan) linear(l *Linear) figure {
	knowing.Lock()
	defer knowing.Unlock()
	f, ok := p.known[*l]
	if !ok {
		f = figureOf(l)
		if p.known != nil {
			p.known[*l] = f
		}
	}
	return f
}

// remember makes room for figures, once the plan is known to be sound enough to have any.
func (p *Plan) remember() {
	knowing.Lock()
	defer knowing.Unlock()
	if p.known == nil {
		p.known = figures{}
	}
}

func figureOf(l *Linear) figure {
	f := figure{cost: l.CostRLWE(), engine: l.EngineCost()}
	f.server, f.client = l.MemoryRLWE()
	return f
}
