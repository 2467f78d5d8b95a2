package choose

import (
	"time"

	"secc.example/secc/backend/plan"
)

// Profile is the network and the machines a plan is made for.
type Profile struct {
	Name      string
	RTT       time.Duration
	Bandwidth float64 // bits a second, each way
	Threads   int     // cores each party uses
	UnitNanos [plan.NumUnits]float64
	WireNanos float64 // a byte's way through either party's processor
}

// Speed says how much longer work takes on some machine than on the one that
// units come from.
type Speed struct {
	Linear    float64 `json:"linear"`
	Nonlinear float64 `json:"nonlinear"`
}

// At is the profile on such a machine. Plans are made for the reference machine,
// so that they do not depend on where they are made; it is prices that this is for.
func (p Profile) At(s Speed) Profile {
	for u := range p.UnitNanos {
		if isLinear(plan.Unit(u)) {
			p.UnitNanos[u] *= s.Linear
		} else {
			p.UnitNanos[u] *= s.Nonlinear
		}
	}
	p.WireNanos *= s.Nonlinear
	return p
}

// isLinear tells the linear engine's units, in which the parties take turns, from
// those in which they work at the same time.
func isLinear(u plan.Unit) bool {
	switch u {
	case plan.UnitCOT, plan.UnitAND, plan.UnitMux, plan.UnitElem:
		return false
	}
	return true
}

// units prices one unit of work on one core of a server of 2023 with AVX-512,
// in nanoseconds. The linear engine's come from its own measurements, the others
// from profiles of DenseNet-121, ResNet-50 and SqueezeNet with one core a party.
func units() [plan.NumUnits]float64 {
	u := plan.DefaultUnits()
	u[plan.UnitCOT], u[plan.UnitAND], u[plan.UnitMux], u[plan.UnitElem] = 8, 7, 8, 2
	return u
}

// ParseProfile reads what plan.ParseLink reads.
func ParseProfile(s string) (Profile, error) {
	l, err := plan.ParseLink(s)
	return Profile{l.Name, l.RTT, l.Bandwidth, l.Threads, units(), wireNanos}, err
}

// Seconds prices a cost that stands alone: its work, its bytes, and half a round
// trip for each of its rounds.
func (p Profile) Seconds(c plan.Cost) float64 {
	return p.busy(c) + p.latency(plan.Depth{}.After(c.Flights).Rounds())
}

// choosing is the profile that encodings and kinds of OT are chosen by. A byte's way
// through the processors is left out, for encodings differ by less than that is known to;
// correlated OTs count at both parties, for they are made beside all else, on cores that
// the walk could use.
func (p Profile) choosing() Profile {
	p.WireNanos = 0
	p.UnitNanos[plan.UnitCOT] *= 2
	return p
}

// latency is what messages wait for each other.
func (p Profile) latency(rounds int) float64 { return p.RTT.Seconds() / 2 * float64(rounds) }

// busy prices work and bytes. In a linear operator the parties take turns;
// elsewhere they work at the same time.
func (p Profile) busy(c plan.Cost) float64 {
	var nanos float64
	for u := range plan.NumUnits {
		server, client := c.Work.Server[u]*p.UnitNanos[u], c.Work.Client[u]*p.UnitNanos[u]
		if isLinear(u) {
			nanos += server + client
		} else {
			nanos += max(server, client)
		}
	}
	t := nanos / 1e9 / float64(max(p.Threads, 1))
	for _, f := range c.Flights {
		t += p.sent(max(f.ToServer, f.ToClient))
	}
	return t + p.wire(c)
}

// sent is what bytes take on the line; none where its bandwidth is not given.
func (p Profile) sent(bytes int64) float64 {
	if p.Bandwidth <= 0 {
		return 0
	}
	return 8 * float64(bytes) / p.Bandwidth
}

// makeCOTs prices the making of correlated OTs: about a bit each.
func (p Profile) makeCOTs(n plan.COTs) float64 {
	all := float64(n.ServerSends + n.ClientSends)
	return all * (p.UnitNanos[plan.UnitCOT]/1e9/float64(max(p.Threads, 1)) + 1/p.Bandwidth)
}

// Price fills in the seconds of a report.
func (p Profile) Price(r *plan.Report) {
	whole := p.of(wholeNonlinear)
	walk, recording := whole, plan.Cost{}
	if r.Total.Prepared != nil {
		walk, recording = p.of(onlineNonlinear), recorded(r.Total.Online.Cost)
	}
	online := 0.0
	for rest := r.Operators; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Wave == rest[0].Wave {
			n++
		}
		online += walk.priceWave(rest[:n])
		rest = rest[n:]
	}
	before := r.Total.Setup.Cost
	r.Total.Online.Seconds = online
	r.Total.Setup.Seconds = sessionSeconds + whole.busy(before) + whole.latency(r.Total.Setup.Rounds)
	if r.Total.Prepared == nil {
		r.Total.Setup.Seconds -= p.beside(r, whole.UnitNanos[plan.UnitCOT]/1e9/float64(max(p.Threads, 1)))
	}
	r.Total.Seconds = r.Total.Setup.Seconds + online
	record := p.of(recordNonlinear)
	if ahead := r.Total.Prepared; ahead != nil {
		ahead.Seconds = whole.busy(ahead.Cost) + whole.latency(ahead.Rounds) + record.busy(recording)
		r.Total.Seconds += ahead.Seconds
		before = before.Add(ahead.Cost)
	}
	cpu := func(of func(plan.Work) [plan.NumUnits]float64) float64 {
		walked := r.Total.Online.Cost
		return startSeconds + whole.cpu(before, of(before.Work)) + record.cpu(recording, of(recording.Work)) + walk.cpu(walked, of(walked.Work))
	}
	r.Total.ServerCPU = cpu(func(w plan.Work) [plan.NumUnits]float64 { return w.Server })
	r.Total.ClientCPU = cpu(func(w plan.Work) [plan.NumUnits]float64 { return w.Client })
}

// Whole is the profile by which whole runs in one phase are priced.
func (p Profile) Whole() Profile { return p.of(wholeNonlinear) }

// of is the profile of a part of a whole run.
func (p Profile) of(nonlinear float64) Profile {
	q := p.At(Speed{wholeLinear, nonlinear})
	q.UnitNanos[plan.UnitCOT], q.WireNanos = p.UnitNanos[plan.UnitCOT]*wholeCOT, p.WireNanos
	q.RTT += time.Duration(2 * handSeconds * float64(time.Second))
	return q
}

// recorded is what a prepared run does of comparisons and products before their operands are there: OTs are
// hashed, and what they come to is kept. It is not on the wire.
func recorded(online plan.Cost) (c plan.Cost) {
	for u := range plan.NumUnits {
		if !isLinear(u) {
			c.Work.Server[u], c.Work.Client[u] = online.Work.Server[u], online.Work.Client[u]
		}
	}
	return c
}

// cpu is a party's processor time: its work and all bytes.
func (p Profile) cpu(c plan.Cost, work [plan.NumUnits]float64) float64 {
	t := float64(c.ToServer()+c.ToClient()) * p.WireNanos / 1e9
	for u, n := range work {
		t += n * p.UnitNanos[u] / 1e9
	}
	return t
}

// Compute gives the processor time of both parties together, without their start,
// that the linear engine's work takes and that all else takes.
func (p Profile) Compute(r *plan.Report) (linear, nonlinear float64) {
	all := r.Total.Setup.Cost.Add(r.Total.Online.Cost)
	for u := range plan.NumUnits {
		t := (all.Work.Server[u] + all.Work.Client[u]) * p.UnitNanos[u] / 1e9
		if isLinear(u) {
			linear += t
		} else {
			nonlinear += t
		}
	}
	return linear, nonlinear + 2*float64(all.ToServer()+all.ToClient())*p.WireNanos/1e9
}

// beside is the making of correlated OTs that takes no time, a unit of it the given seconds, since
// the stock is filled while messages of a walk in one phase are under way.
func (p Profile) beside(r *plan.Report, unit float64) (seconds float64) {
	made := r.Total.Setup.COTs
	if made == 0 {
		return 0
	}
	each := unit * r.Total.Setup.Cost.Work.Server[plan.UnitCOT] / float64(made)
	room := float64(plan.Link{RTT: p.RTT}.StockedOTs())
	stocked := 0.0
	for _, o := range r.Operators {
		used := min(stocked, float64(o.COTs))
		seconds += used * each
		stocked = min(stocked-used+p.latency(o.Rounds)/each, room)
	}
	return seconds
}

// priceWave prices operators that run side by side, and shares the time out by
// what each would take alone.
func (p Profile) priceWave(ops []plan.OperatorCost) float64 {
	var all plan.Cost
	alone, rounds := 0.0, 0
	for i := range ops {
		c := ops[i].Cost
		ops[i].Seconds = p.Seconds(c)
		alone += ops[i].Seconds
		all = all.Beside(c)
		rounds += ops[i].Rounds
	}
	together := p.busy(all) + p.latency(rounds)
	for i := range ops {
		if alone > 0 {
			ops[i].Seconds *= together / alone
		}
	}
	return together
}

// What whole runs take beyond the units, which come from kernels measured alone: vectors
// that leave the caches, the collector and the scheduler. Fitted to idle runs of
// SqueezeNet, ResNet-50 and DenseNet-121, prepared and in one phase, on large pages (secc run,
// 2026-11-29, docs/evidence/PERFORMANCE.md); of all choices only those between RLWE and OT depend on them.
const (
	wholeLinear    = 1.8
	wholeCOT       = 0.95
	wholeNonlinear = 1.23 // all else

	// In a prepared run, where that is recorded first and walked when the operands are there.
	recordNonlinear = 0.84
	onlineNonlinear = 0.44

	handSeconds = 0.0012 // a round's way from goroutine to goroutine, on a core each party
)

// Measured beside the units: what a byte takes of either party's processor on its
// way (framing, checksum, copies, system calls), what a session takes however
// small it is, and a process's processor time until and in it.
const (
	wireNanos      = 1.2
	sessionSeconds = 0.05
	startSeconds   = 0.1
)

// wire is the processor's part of sending and receiving.
func (p Profile) wire(c plan.Cost) float64 {
	return float64(c.ToServer()+c.ToClient()) * p.WireNanos / 1e9 / float64(max(p.Threads, 1))
}
