package plan

import (
	"fmt"
	"strings"

	"secc.example/secc/backend/plan/wire"
)

// Schema names the JSON shape that explain and run share.
const Schema = "secc.cost/1"

// Report is what a plan costs (predicted), or what a run took (measured).
type Report struct {
	Schema     string         `json:"schema"`
	Model      string         `json:"model"`
	PlanDigest string         `json:"plan_digest"`
	Profile    string         `json:"profile,omitempty"` // that predicted seconds are for
	Operators  []OperatorCost `json:"operators"`
	Total      TotalCost      `json:"total"`

	// Of a session of several inferences: how many there are, and which of them this
	// report is about; 0: all together.
	Inferences int `json:"inferences,omitempty"`
	Inference  int `json:"inference,omitempty"`

	Source string `json:"source,omitempty"` // of several inferences: the file this one is about

	// One input's share of the total where a run takes several; absent otherwise.
	PerInput *InputCost `json:"per_input,omitempty"`

	// The most that the linear operators of a wave hold, predicted; absent without any.
	LinearMemory *Memory `json:"linear_memory_bytes,omitempty"`

	// A bound on what either process holds in the whole run.
	Memory Memory `json:"memory_bytes"`

	// What the same takes where it is prepared; from explain.
	Prepared *PreparedCost `json:"prepared,omitempty"`

	// What either party keeps of one prepared inference; absent where none is prepared.
	Store *Memory `json:"store_bytes,omitempty"`

	// What became of prepared runs; absent where there were none.
	Runs *RunCount `json:"prepared_runs,omitempty"`

	// Only from a run.
	Outputs  []OutputValues `json:"outputs,omitempty"`
	Answers  []Answer       `json:"answers,omitempty"`  // every output for every input
	Labels   []LabelScore   `json:"labels,omitempty"`   // those of the first answer
	Findings bool           `json:"findings,omitempty"` // every label of the first answer has a score from 0 to 1 of its own
	Warnings []string       `json:"warnings,omitempty"` // what about the inputs looks as if it were not meant so
	PeakRSS  int64          `json:"peak_rss_bytes,omitempty"`
}

// RunCount counts the prepared runs of a session.
type RunCount struct {
	Used int `json:"used"` // that were prepared before the session
	Made int `json:"made"` // those that are kept included
	Kept int `json:"kept"` // for sessions to come
}

// Memory is what the two parties hold, in bytes.
type Memory struct {
	Server int64 `json:"server"`
	Client int64 `json:"client"`
}

func (m Memory) add(n Memory) Memory { return Memory{m.Server + n.Server, m.Client + n.Client} }

// OperatorCost is one call: a step of the plan, or several merged into one
// wide call (see Batches), in execution order.
type OperatorCost struct {
	Name           string  `json:"name"`
	Op             string  `json:"op"`
	Protocol       Proto   `json:"protocol"`
	Format         string  `json:"format"`
	ClientToServer int64   `json:"bytes_client_to_server"`
	ServerToClient int64   `json:"bytes_server_to_client"`
	Rounds         int     `json:"rounds"`
	COTs           int64   `json:"cots"`
	Seconds        float64 `json:"seconds"`
	Wave           int     `json:"wave"` // calls of one wave run side by side

	// What the preparation of the operator sends, where inferences are prepared.
	PreparedToServer int64 `json:"prepared_bytes_client_to_server,omitempty"`
	PreparedToClient int64 `json:"prepared_bytes_server_to_client,omitempty"`

	Cost Cost `json:"-"` // what the figures above are made from
}

// PhaseCost sums one phase: set-up (keys and correlated OTs) or the online walk.
type PhaseCost struct {
	ClientToServer int64   `json:"bytes_client_to_server"`
	ServerToClient int64   `json:"bytes_server_to_client"`
	Rounds         int     `json:"rounds"`
	COTs           int64   `json:"cots"`
	Seconds        float64 `json:"seconds"`

	Cost Cost `json:"-"`
}

// TotalCost sums both phases.
type TotalCost struct {
	Setup  PhaseCost `json:"setup"`
	Online PhaseCost `json:"online"`

	// What was exchanged before the inputs were there, beside the set-up; absent where nothing is.
	Prepared *PhaseCost `json:"prepared,omitempty"`

	Bytes   int64   `json:"bytes"`
	Rounds  int     `json:"rounds"`
	Seconds float64 `json:"seconds"`

	// Predicted processor seconds of either party, its process's start included.
	ServerCPU float64 `json:"server_cpu_seconds,omitempty"`
	ClientCPU float64 `json:"client_cpu_seconds,omitempty"`
}

// PreparedCost is what a session whose inferences are prepared takes, and what either party
// keeps of each in between.
type PreparedCost struct {
	TotalCost
	Store  Memory `json:"store_bytes"`
	Memory Memory `json:"memory_bytes"`
}

// InputCost is one input's share of the total.
type InputCost struct {
	Inputs  int     `json:"inputs"` // in one run
	Bytes   float64 `json:"bytes"`
	Online  float64 `json:"online_bytes"`
	Seconds float64 `json:"seconds"`
}

// Batch is how many inputs one run takes: the first dimension that all inputs
// and outputs share, or 1.
func (p *Plan) Batch() int {
	n := 0
	same := func(shape []int) {
		switch {
		case len(shape) < 2:
			n = 1
		case n == 0:
			n = shape[0]
		case n != shape[0]:
			n = 1
		}
	}
	for _, in := range p.Inputs {
		same(in.Shape)
	}
	for _, out := range p.Outputs {
		same(out.Shape)
	}
	return max(n, 1)
}

// Share fills in PerInput of a priced report.
func (r *Report) Share(inputs int) {
	if inputs < 2 {
		return
	}
	n, t := float64(inputs), r.Total
	r.PerInput = &InputCost{inputs, float64(t.Bytes) / n, float64(t.Online.ClientToServer+t.Online.ServerToClient) / n, t.Seconds / n}
}

// OutputValues is one revealed output.
type OutputValues struct {
	Name   string    `json:"name"`
	Shape  []int     `json:"shape"`
	Values []float32 `json:"values"`
}

// LabelScore is one line of the answer.
type LabelScore struct {
	Index int     `json:"index"`
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

// Calls lists what the runtime executes, in order: every round's batches.
func (p *Plan) Calls() [][]*Step {
	var calls [][]*Step
	for _, call := range p.Walk() {
		calls = append(calls, call)
	}
	return calls
}

// CallCost is the exact cost of one call.
func (p *Plan) CallCost(call []*Step) Cost {
	return call[0].does().Cost(p, call)
}

// addWave adds the calls of a wave and returns what they take together. Rounds come later:
// they depend on where the wave begins.
func (r *Report) addWave(p *Plan, index int, wave [][]*Step, cost func([]*Step) Cost) Cost {
	var all Cost
	for _, call := range wave {
		c := cost(call)
		r.Operators = append(r.Operators, OperatorCost{
			Name: callNames(call), Op: call[0].Op, Protocol: call[0].Proto, Format: p.format(call[0]), Wave: index,
			ClientToServer: c.ToServer(), ServerToClient: c.ToClient(), COTs: c.COTs.All(), Cost: c,
		})
		all = all.Beside(c)
	}
	r.holds(p, wave)
	return all
}

// holds notes the memory of encrypted linear operators.
func (r *Report) holds(p *Plan, wave [][]*Step) {
	var m Memory
	for _, call := range wave {
		for _, l := range p.Encrypted(call[0]) {
			f := p.linear(l)
			m.Server, m.Client = m.Server+f.server, m.Client+f.client
		}
	}
	if m == (Memory{}) {
		return
	}
	if r.LinearMemory == nil {
		r.LinearMemory = new(Memory)
	}
	r.LinearMemory.Server, r.LinearMemory.Client = max(r.LinearMemory.Server, m.Server), max(r.LinearMemory.Client, m.Client)
}

// KeysCost is what happens beside the walk: keys of the linear steps and the
// making of all correlated OTs, on channels of their own. Its rounds are those
// of the longest of these channels.
func (p *Plan) KeysCost(inferences int) (PhaseCost, error) { return p.setUp(inferences, true) }

// setUp is KeysCost of a session that makes correlated OTs for so many inferences, with keys or
// without.
func (p *Plan) setUp(inferences int, withKeys bool) (PhaseCost, error) {
	var keys wire.LinearKeys
	if withKeys {
		var err error
		if keys, err = p.LinearKeys(); err != nil {
			return PhaseCost{}, err
		}
	}
	made := p.COTs().Times(inferences)
	ots := p.OT.Cost(made)
	ots.Setup.COTs = made
	k, o := KeysCost(keys), ots.Setup.Add(ots.Stream)
	c := PhaseCost{Cost: k.Add(o)}
	rounds := Depth{}.After(k.Flights).Rounds()
	for _, one := range []COTs{{ServerSends: made.ServerSends}, {ClientSends: made.ClientSends}} {
		ot := p.OT.Cost(one)
		rounds = max(rounds, Depth{}.After(ot.Setup.Add(ot.Stream).Flights).Rounds())
	}
	c.fill(rounds)
	return c, nil
}

func callNames(call []*Step) string {
	names := make([]string, len(call))
	for i, s := range call {
		names[i] = s.Name
	}
	return strings.Join(names, ", ")
}

func (c *PhaseCost) fill(rounds int) {
	c.ClientToServer, c.ServerToClient = c.Cost.ToServer(), c.Cost.ToClient()
	c.COTs = c.Cost.COTs.ServerSends + c.Cost.COTs.ClientSends
	c.Rounds = rounds
}

// Add adds what a phase takes another time.
func (c *PhaseCost) Add(d PhaseCost) {
	c.ClientToServer += d.ClientToServer
	c.ServerToClient += d.ServerToClient
	c.Rounds += d.Rounds
	c.COTs += d.COTs
	c.Seconds += d.Seconds
}

// Sum fills in the totals of the phases.
func (t *TotalCost) Sum() {
	s, o := t.Setup, t.Online
	t.Bytes = s.ClientToServer + s.ServerToClient + o.ClientToServer + o.ServerToClient
	t.Rounds = s.Rounds + o.Rounds
	t.Seconds = s.Seconds + o.Seconds
	if p := t.Prepared; p != nil {
		t.Bytes += p.ClientToServer + p.ServerToClient
		t.Rounds += p.Rounds
		t.Seconds += p.Seconds
	}
}

// exactly says that a result is rounded to the nearest number.
func exactly(yes bool) string {
	if yes {
		return ", exact"
	}
	return ""
}

// format prints the formats a step works in, and what it compares or shifts.
func (p *Plan) format(s *Step) string {
	out := p.Slots[s.Out[0]]
	f := fmt.Sprintf("i%d.%d", out.Bits, out.Frac)
	if a, ok := s.Attrs.(interface {
		format(in SlotType, out string) string
	}); ok {
		return a.format(p.Slots[s.In[0]], f)
	}
	return f
}
