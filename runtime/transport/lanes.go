package transport

// Lanes are channels that one walk uses side by side: what goes over different
// lanes between a Fork and a Join does not depend on each other, so it counts
// as one chain of messages, the longest. Lane 0 carries what is not forked.
type Lanes struct {
	m   *Mux
	chs []*channel
}

// Lanes makes lanes of some channels, of which nothing has been used yet. A peer may
// claim on any of them what it has seen on another. Both parties must name the same channels.
func (m *Mux) Lanes(ids ...int) *Lanes {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &Lanes{m: m}
	for _, id := range ids {
		c := m.chs[id]
		c.depth.sent = m.chs[ids[0]].depth.sent
		l.chs = append(l.chs, c)
	}
	return l
}

// Lane is a channel whose owner also waits for what other channels bring.
type Lane interface {
	Conn
	// Elsewhere flushes, and from then on, until back is called, the peer may send on
	// although nobody reads.
	Elsewhere() (back func(), err error)
}

// Conn gives lane i.
func (l *Lanes) Conn(i int) Lane { return l.chs[i] }

// Len is the number of lanes.
func (l *Lanes) Len() int { return len(l.chs) }

// Fork starts lanes 1 to n-1 where lane 0 stands: what they send from now on
// depends on all that lane 0 has seen.
func (l *Lanes) Fork(n int) {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	for _, c := range l.chs[1:n] {
		c.depth.own = l.chs[0].depth.own
	}
}

// Join makes lane 0 depend on all that the first n lanes have seen.
func (l *Lanes) Join(n int) {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	for _, c := range l.chs[1:n] {
		l.chs[0].depth.consumed(c.depth.own - 1)
	}
}
