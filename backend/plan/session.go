package plan

// A session makes one inference or several in a row: keys and the base of the correlated
// OTs are made once, the OTs of all inferences come from one stream, and the walk is
// repeated.

// MaxInferences bounds what one session makes: what it keeps of each for its reports
// is small, and its OTs stay far below what one set-up may make.
const MaxInferences = 1 << 16

// Times is n times as many.
func (n COTs) Times(inferences int) COTs {
	return COTs{n.ServerSends * int64(inferences), n.ClientSends * int64(inferences)}
}

// Cost predicts bytes, rounds and correlated OTs of a session of one inference exactly,
// call by call and in total. The plan must be valid. Seconds stay zero: a Profile fills them in.
func (p *Plan) Cost() (*Report, error) { return p.SessionCost(1) }

// SessionCost is Cost of a session of several inferences: every operator is the sum over all.
func (p *Plan) SessionCost(inferences int) (*Report, error) {
	digest, err := p.Digest()
	if err != nil {
		return nil, err
	}
	r := &Report{Schema: Schema, Model: p.Model, PlanDigest: digest.String()}
	if inferences > 1 {
		r.Inferences = inferences
	}
	waves := p.Waves()
	var one Cost
	for i, wave := range waves {
		one = one.Add(r.addWave(p, i, wave, p.CallCost))
	}
	rounds := r.addRounds(waves, make([]Flight, len(waves)), inferences)
	r.scale(inferences)
	r.Total.Online.Cost = one.times(inferences)
	r.Total.Online.fill(rounds)
	if r.Total.Setup, err = p.KeysCost(inferences); err != nil {
		return nil, err
	}
	r.Total.Sum()
	r.Memory = p.SessionMemory(inferences)
	return r, nil
}

// scale makes the operators' figures those of several inferences; rounds are so already.
func (r *Report) scale(inferences int) {
	for i := range r.Operators {
		op := &r.Operators[i]
		op.ClientToServer *= int64(inferences)
		op.ServerToClient *= int64(inferences)
		op.COTs *= int64(inferences)
	}
}

// times is the cost of n of the same, one after the other; the flights stand for all of them.
func (c Cost) times(n int) Cost {
	all := c
	all.Flights = nil
	for _, f := range c.Flights {
		all.Flights = append(all.Flights, Flight{f.ToServer * int64(n), f.ToClient * int64(n)})
	}
	all.COTs = c.COTs.Times(n)
	all.Kept = Memory{c.Kept.Server * int64(n), c.Kept.Client * int64(n)}
	for u := range NumUnits {
		all.Work.Server[u] *= float64(n)
		all.Work.Client[u] *= float64(n)
	}
	return all
}

// addRounds follows the messages through all inferences and gives every operator the rounds
// by which it makes the session longer than what comes before it does. starts are messages
// that pass before a wave's calls begin.
func (r *Report) addRounds(waves [][][]*Step, starts []Flight, inferences int) int {
	var depth Depth
	for left := inferences; left > 0; {
		before, added := depth, make([]int, len(r.Operators))
		at := 0
		for i, wave := range waves {
			ops := r.Operators[at : at+len(wave)]
			depth = roundsOf(ops, depth, starts[i], added[at:])
			at += len(wave)
		}
		// An inference that ends as it began, but for where it stands, is like all that follow.
		n := 1
		if depth.Server-depth.Client == before.Server-before.Client {
			n = left
		}
		for i, a := range added {
			r.Operators[i].Rounds += n * a
		}
		grown := depth.Server - before.Server
		depth.Server, depth.Client = depth.Server+(n-1)*grown, depth.Client+(n-1)*grown
		left -= n
	}
	return depth.Rounds()
}

// roundsOf gives the rounds that the calls of a wave add, which start side by side at a
// depth once start has passed, and the depth after all of them.
func roundsOf(ops []OperatorCost, from Depth, start Flight, added []int) Depth {
	depth, after := from.After([]Flight{start}), from
	for i := range ops {
		before := after.Rounds()
		after = after.Max(depth.After(ops[i].Cost.Flights))
		added[i] = after.Rounds() - before
	}
	return after
}
