package plan

import (
	"slices"

	"secc.example/secc/backend/plan/wire"
)

// An inference may be prepared before its input exists. The client's share of every linear
// operator's input is fixed beforehand: r, from a seed. The encrypted product then runs on r
// alone, and so does what takes correlated OTs, of which the bits that are used are kept.
// Online the server holds x - r and multiplies it in the clear, in Z_2^InBits; all else is
// what it is in one phase, but for the correlated OTs, which are there, and for comparisons.
//
// Slots: the client's share of a slot is *fixed* if it is known in the preparation. A linear
// operator fixes its result unless it is exact, a relu whose result is sent under labels has the client's
// share of it drawn as that of a moved slot is, local steps fix theirs if all they read is fixed, nothing
// else does. Where a linear operator or a comparison reads a slot that is not fixed, the slot is
// *moved* when the wave begins: the client sends its share less r, in the slot's ring,
// the server adds that to its own, and r is the client's share from there on, whoever reads.

// Ahead is a plan cut into preparation and online run. Both follow from the plan alone.
type Ahead struct {
	Plan *Plan // as it is run: the steps below are its

	Moves  [][]Slot // of every wave: the slots that are moved when it begins, in order
	Groups []Group  // what the preparation sends, in order
	Fixed  []bool   // of every slot: whether the client's share is known in the preparation
	Drawn  []bool   // of those: whether it is drawn

	// Early is what either party sends before the peer reads, at most: of a group, or the server's
	// messages that wait for nothing.
	Early int64
}

// Group is linear operators of the preparation that do not depend on each other: the client
// sends all uploads, then takes all responses. One over OT is a group by itself.
type Group struct{ Calls []*Step }

// groupBytes is what a group sends one way, unless it is one operator that sends more.
const groupBytes = 16 << 20

// NewAhead cuts a valid plan.
func (p *Plan) NewAhead() *Ahead {
	q := p.prepared()
	a := q.cut()
	var toClient int64
	for _, call := range q.Calls() {
		toClient += q.onlineCost(call).Early.ToClient
	}
	a.Plan, a.Early = q, max(a.Early, toClient)
	return a
}

// cut lays preparation and online run out.
func (p *Plan) cut() *Ahead {
	a := &Ahead{Fixed: make([]bool, len(p.Slots)), Drawn: make([]bool, len(p.Slots))}
	g := grouping{p: p, a: a, after: make([]int, len(p.Slots))}
	for _, wave := range p.Waves() {
		var moved []Slot
		for _, call := range wave {
			for _, s := range call {
				if s.wantsFixed() && !a.Fixed[s.In[0]] {
					a.Fixed[s.In[0]], a.Drawn[s.In[0]] = true, true
					moved = append(moved, s.In[0])
				}
			}
		}
		a.Moves = append(a.Moves, moved)
		for _, call := range wave {
			g.add(call)
		}
	}
	return a
}

// MovedFor reports whether a slot is moved for a call.
func MovedFor(call []*Step, x Slot) bool {
	return slices.ContainsFunc(call, func(s *Step) bool { return s.wantsFixed() && s.In[0] == x })
}

// grouping lays linear operators into groups.
type grouping struct {
	p        *Plan
	a        *Ahead
	after    []int // of a fixed slot: how many groups there are when its value is known
	up, down int64 // of the last group
	closed   bool  // the last group takes no more
}

func (g *grouping) add(call []*Step) {
	s := call[0]
	switch {
	case s.Linear() != nil:
		after := g.linear(s)
		g.fix(s.Out[0], s.Linear().fixes(s.Proto), after)
	case s.Draws():
		for _, s := range call {
			g.fix(s.Out[0], true, 0)
			g.a.Drawn[s.Out[0]] = true
		}
	case protocols[s.Proto].Local && s.Proto != ProtoInput:
		fixed, after := true, 0
		for _, x := range s.In {
			fixed, after = fixed && g.a.Fixed[x], max(after, g.after[x])
		}
		g.fix(s.Out[0], fixed, after)
	}
}

func (g *grouping) fix(x Slot, fixed bool, after int) { g.a.Fixed[x], g.after[x] = fixed, after }

// fixes says whether the client's share of the result follows from that of the input and
// from what is exchanged in the preparation.
func (l *Linear) fixes(proto Proto) bool {
	if proto == ProtoLinearOT {
		t := l.OTTruncation()
		return t == nil || !t.Exact && t.To <= t.From-t.Shift
	}
	return !l.Exact
}

// linear puts an operator into a group and returns how many there are then.
func (g *grouping) linear(s *Step) int {
	needs, alone := 0, s.Proto == ProtoLinearOT
	if !g.a.Drawn[s.In[0]] {
		needs = g.after[s.In[0]]
	}
	c := g.p.aheadCost(s)
	up, down := c.ToServer(), c.ToClient()
	n := len(g.a.Groups)
	if n == 0 || g.closed || alone || needs == n || g.up+up > groupBytes || g.down+down > groupBytes {
		g.a.Groups = append(g.a.Groups, Group{})
		n++
		g.up, g.down, g.closed = 0, 0, alone
	}
	last := &g.a.Groups[n-1]
	last.Calls = append(last.Calls, s)
	g.up, g.down = g.up+up, g.down+down
	g.a.Early = max(g.a.Early, g.up, g.down)
	return n
}

// aheadCost is what a linear operator takes in the preparation, and what it keeps.
func (p *Plan) aheadCost(s *Step) Cost {
	l := *s.Linear()
	outs := l.NumOut()
	if s.Proto == ProtoLinearOT {
		l.Exact = false // what follows the product is done online
		c := l.CostOT()
		share := wire.PackedLen(outs, l.InBits)
		c.Kept = Memory{share, share}
		return c
	}
	c := p.linear(s.Linear()).engine
	c.Kept = Memory{wire.SeedBytes, wire.PackedLen(outs, l.EngineBits())}
	return c
}

// onlineCost is what a call takes once it is prepared, but for what its wave moves. Its
// correlated OTs are those that it uses, made before.
func (p *Plan) onlineCost(call []*Step) Cost {
	s := call[0]
	if s.Linear() == nil {
		return p.CallCost(call)
	}
	var c Cost
	l := s.Linear()
	if s.Proto == ProtoLinearOT {
		if t := l.OTTruncation(); t != nil {
			c = CostTruncate(l.NumOut(), t)
		}
	} else if l.Exact {
		c = CostTruncate(l.NumOut(), l.Truncation())
	}
	c.Work.Server[UnitPlain] += float64(l.macs()) / 1e6
	return c
}

// macs counts the multiplications of a convolution in the clear, padding included.
func (l *Linear) macs() int64 { return int64(l.NumOut()) * int64(l.FilterLen()) }

// MoveBytes is what moving a slot sends.
func (p *Plan) MoveBytes(x Slot) int64 { return wire.PackedLen(p.Slots[x].N(), p.Slots[x].Bits) }

// PreparedCost is SessionCost of a session whose inferences are prepared in it.
func (p *Plan) PreparedCost(inferences int) (*Report, error) {
	return p.CostOfRuns(inferences, inferences)
}

// CostOfRuns is SessionCost of a session of inferences that are prepared, in this session or
// before it, which makes so many prepared runs: the operators' bytes and rounds are those of the
// online runs, what the preparation sends stands beside.
func (p *Plan) CostOfRuns(inferences, made int) (*Report, error) {
	digest, err := p.Digest()
	if err != nil {
		return nil, err
	}
	a := p.NewAhead()
	p = a.Plan
	r, err := p.SessionCost(inferences)
	if err != nil {
		return nil, err
	}
	r.PlanDigest = digest.String()
	r.Operators, r.Total.Online = nil, PhaseCost{}
	var one, prepared Cost
	var starts []Flight
	waves := p.Waves()
	for i, wave := range waves {
		first := len(r.Operators)
		all := r.addWave(p, i, wave, p.onlineCost)
		var start Flight
		for _, x := range a.Moves[i] {
			start.ToServer += p.MoveBytes(x)
			for k, call := range wave {
				if MovedFor(call, x) {
					r.Operators[first+k].ClientToServer += p.MoveBytes(x)
					break
				}
			}
		}
		if start.ToServer > 0 {
			one.Flights = append(one.Flights, start)
		}
		starts = append(starts, start)
		one = one.Add(all)
		for k, call := range wave {
			c := p.aheadOf(call)
			op := &r.Operators[first+k]
			op.PreparedToServer = int64(made) * (c.ToServer() + op.Cost.Early.ToServer + op.Cost.Ahead)
			op.PreparedToClient = int64(made) * (c.ToClient() + op.Cost.Early.ToClient)
			prepared = prepared.sums(c)
		}
	}
	rounds := r.addRounds(waves, starts, inferences)
	r.scale(inferences)
	r.Total.Online.Cost = one.times(inferences)
	r.Total.Online.fill(rounds)
	if r.Total.Setup, err = p.setUp(made, made > 0 || a.OnlineKeys()); err != nil {
		return nil, err
	}
	if made > 0 {
		r.Total.Prepared = p.preparation(a, prepared, Flight{one.Early.ToServer + one.Ahead, one.Early.ToClient}, made)
	}
	r.Store = &Memory{one.Kept.Server + prepared.Kept.Server, one.Kept.Client + prepared.Kept.Client + wire.SeedBytes}
	r.Memory = p.PreparedMemory(max(inferences, made), *r.Store, 1)
	r.Total.Sum()
	return r, nil
}

// aheadOf is what a call takes in the preparation, its correlated OTs aside.
func (p *Plan) aheadOf(call []*Step) Cost {
	if call[0].Linear() == nil {
		return Cost{}
	}
	return p.aheadCost(call[0])
}

// preparation sums up what the preparations of a session exchange, on a channel of its own.
func (p *Plan) preparation(a *Ahead, all Cost, early Flight, inferences int) *PhaseCost {
	all.Flights = nil
	for _, g := range a.Groups {
		var c Cost
		for i, s := range g.Calls {
			if i == 0 {
				c = p.aheadCost(s)
			} else {
				c = c.Beside(p.aheadCost(s))
			}
		}
		all.Flights = append(all.Flights, c.Flights...)
	}
	for _, f := range []Flight{{ToServer: early.ToServer}, {ToClient: early.ToClient}} {
		if f != (Flight{}) {
			all.Flights = append(all.Flights, f)
		}
	}
	var depth Depth
	for range inferences {
		depth = depth.After(all.Flights)
	}
	c := &PhaseCost{Cost: all.times(inferences)}
	c.fill(depth.Rounds())
	c.COTs = 0 // they are the set-up's
	return c
}

// OnlineKeys says whether an inference that is prepared multiplies under encryption all the same:
// two tensors of which neither share is known before.
func (a *Ahead) OnlineKeys() bool {
	for _, s := range a.Plan.Steps() {
		if s.Linear() == nil && len(a.Plan.Encrypted(s)) > 0 {
			return true
		}
	}
	return false
}

// Shares is what either party keeps of a linear operator's product, in bytes.
func (a *Ahead) Shares(s *Step) Memory { return a.Plan.aheadCost(s).Kept }

// PreparedMemory bounds what either party holds of a session that prepares so many inferences
// ahead: the one that is used with what a wave takes out of it, and those that wait or are being
// made, of which the shares of products stand beside what is kept.
func (p *Plan) PreparedMemory(inferences int, store Memory, ahead int) Memory {
	m, n := p.SessionMemory(inferences), int64(min(ahead, inferences)+1)
	var shares, most Memory
	for _, wave := range p.Waves() {
		var taken Memory
		for _, call := range wave {
			share := p.aheadOf(call).Kept
			shares, taken = shares.add(share), taken.add(share).add(p.onlineCost(call).Kept)
		}
		most = Memory{max(most.Server, taken.Server), max(most.Client, taken.Client)}
	}
	window := p.Queues().Window // of the channel that prepares
	return m.add(Memory{n*store.Server + window, n*store.Client + window}).add(shares).add(most)
}
