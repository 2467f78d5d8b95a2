package plan

import "secc.example/secc/backend/plan/wire"

// What a whole run holds at its peak: an upper bound, from the plan alone.

const (
	baseMemory  = 40 << 20 // the program, its stacks, the plan
	channels    = 3        // beside the lanes: two directions of OTs, and keys
	spareMemory = 8 << 20  // buffers of frames that the transport keeps
	wordBytes   = 8        // an element of a share
	headBytes   = 12       // an element of what the client computes itself: float32, and float64 on the way

	// The garbage collector lets what is dead grow to half of what is alive
	// (runs set it so); the rest is what the heap's pages lose, large ones above all: the
	// system may fill them again when the heap has given them back.
	heapFactor = 2.1
)

// Memory bounds what either party holds during a session, however many inferences it makes.
func (p *Plan) Memory() Memory { return p.SessionMemory(MaxInferences) }

// SessionMemory is Memory where the number of inferences is known.
func (p *Plan) SessionMemory(inferences int) Memory {
	var most Memory
	for _, alive := range p.alive() {
		now := Memory{alive.bytes, alive.bytes}
		for _, call := range alive.wave {
			m := p.workMemory(call)
			now.Server, now.Client = now.Server+m.Server, now.Client+m.Client
		}
		aside := wire.BlockBytes * p.asideCOTs(alive.wave)
		most.Server, most.Client = max(most.Server, now.Server+aside), max(most.Client, now.Client+aside)
	}
	q := p.Queues()
	shared := p.otMemory(inferences) + q.Memory(p.Lanes()) + min(spareMemory, q.Window)
	return Memory{whole(most.Server + shared), whole(most.Client + shared + headBytes*p.headElems())}
}

// Queues bounds what a party's transport holds of one session, whatever the peer sends
// or does not take. Both follow from the plan alone.
type Queues struct {
	// Window is what a channel takes before it is read, and what all channels together
	// queue to be sent.
	Window int64
	// Early is what the channels take beyond their windows while their readers wait for
	// something else: a whole wave's messages, so that such waits never go in a circle.
	Early int64
}

const (
	leastWindow = 64 << 10
	mostWindow  = 8 << 20
)

// Queues gives the bounds for this plan. The plan must be valid.
func (p *Plan) Queues() Queues {
	var q Queues
	for _, wave := range p.Waves() {
		var up, down int64
		for _, call := range wave {
			c := p.CallCost(call)
			up, down = up+c.ToServer(), down+c.ToClient()
		}
		q.Early = max(q.Early, up, down)
	}
	most := q.Early
	if setup, err := p.KeysCost(1); err == nil { // a valid plan has one
		most = max(most, setup.ClientToServer, setup.ServerToClient)
	}
	q.Window = max(leastWindow, min(most, mostWindow))
	return q
}

// Memory is what the queues of a session with some lanes hold at most.
func (q Queues) Memory(lanes int) int64 { return int64(channels+lanes+1)*q.Window + q.Early }

// workMemory is what a call works on beside its operands and results: joined copies of
// them, and what its protocol needs.
func (p *Plan) workMemory(call []*Step) Memory {
	n, own := 3*wordBytes*p.elems(call), call[0].does().Memory(p, call)
	return Memory{n + own.Server, n + own.Client}
}

// sideMemory is the larger party's workMemory.
func (p *Plan) sideMemory(call []*Step) int64 {
	m := p.workMemory(call)
	return max(m.Server, m.Client)
}

// asideCOTs is what a wave sets apart, in both directions.
func (p *Plan) asideCOTs(wave [][]*Step) (n int64) {
	largest := p.Largest(wave)
	for i, call := range wave {
		if i != largest {
			n += p.CallCost(call).COTs.All()
		}
	}
	return n
}

func whole(heap int64) int64 { return baseMemory + int64(heapFactor*float64(heap)) }

// moment is a wave and what the slots hold when it ends.
type moment struct {
	wave  [][]*Step
	bytes int64
}

// alive walks the waves as the runtime does: a slot is held from the wave that
// writes it to the last that reads it, outputs to the end.
func (p *Plan) alive() []moment {
	waves := p.Waves()
	last := make([]int, len(p.Slots))
	touch := func(wave [][]*Step, f func(Slot)) {
		for _, call := range wave {
			for _, s := range call {
				for _, list := range [2][]Slot{s.In, s.Out} {
					for _, x := range list {
						f(x)
					}
				}
			}
		}
	}
	for i, wave := range waves {
		touch(wave, func(x Slot) { last[x] = i })
	}
	for _, o := range p.Outputs {
		last[o.Slot] = len(waves)
	}
	var out []moment
	held := make([]bool, len(p.Slots))
	bytes := int64(0)
	for i, wave := range waves {
		touch(wave, func(x Slot) {
			if !held[x] {
				held[x] = true
				bytes += p.slotBytes(x)
			}
		})
		out = append(out, moment{wave, bytes})
		touch(wave, func(x Slot) {
			if held[x] && last[x] == i {
				held[x] = false
				bytes -= p.slotBytes(x)
			}
		})
	}
	return out
}

func (p *Plan) slotBytes(x Slot) int64 { return wordBytes * int64(p.Slots[x].N()) }

// elems counts the elements of a call: for each step those of its largest slot.
func (p *Plan) elems(call []*Step) (n int64) {
	for _, s := range call {
		most := int64(0)
		for _, list := range [2][]Slot{s.In, s.Out} {
			for _, x := range list {
				most = max(most, int64(p.Slots[x].N()))
			}
		}
		n += most
	}
	return n
}

// otMemory is what the making of correlated OTs holds.
func (p *Plan) otMemory(inferences int) (n int64) {
	made, stocked := p.COTs().Times(inferences), int64(p.StockedOTs())
	for _, d := range [2]struct {
		kind OTKind
		n    int64
	}{{p.OT.ServerSends, made.ServerSends}, {p.OT.ClientSends, made.ClientSends}} {
		if d.n == 0 {
			continue
		}
		n += wire.BlockBytes * min(stocked, d.n)
		if f, ok := wire.FerretOf(d.kind.Set); ok {
			n += 2*wire.BlockBytes*int64(f.K+f.Trees*f.Depth) + wire.BlockBytes<<f.Depth
		}
	}
	return n
}
