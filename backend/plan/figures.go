package plan

import "sync"

// figures remembers what encrypted linear operators cost and hold: a session asks
// several times, and to answer their index maps must be made. Operators are looked up by
// value, so a plan that is changed asks anew.
type figures struct {
	mu sync.Mutex
	of map[Linear]figure
}

type figure struct {
	cost           Cost
	server, client int64
}

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
	f := figure{cost: l.Cost()}
	f.server, f.client = l.Memory()
	return f
}
