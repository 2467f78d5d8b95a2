package plan

import "testing"

// A slot counts from the call that writes it to the last that reads it, an
// output to the end.
func TestAlive(t *testing.T) {
	step := func(in []Slot, out ...Slot) []Step {
		return []Step{{Proto: ProtoCopy, Attrs: &Copy{}, In: in, Out: out}}
	}
	size := func(n int) SlotType { return SlotType{Bits: 16, Shape: []int{n}} }
	p := &Plan{
		Slots:   []SlotType{size(1), size(10), size(100), size(1000)},
		Rounds:  [][]Step{step(nil, 0), step([]Slot{0}, 1), step([]Slot{1}, 2), step([]Slot{1}, 3)},
		Outputs: []Output{{Slot: 2}},
	}
	for i, want := range []int64{1, 11, 110, 1110} {
		if got := p.alive()[i].bytes; got != 8*want {
			t.Errorf("call %d: %d bytes are alive, want %d", i, got, 8*want)
		}
	}
	small := p.Memory()
	p.Slots[3] = size(1 << 20)
	if big := p.Memory(); big.Server < small.Server+8<<20 || big.Client != big.Server {
		t.Errorf("%+v with a slot of 8 MiB more, %+v before", big, small)
	}
}

// The bound is the sum of its parts, times what the collector and the heap's pages add
// (runs let dead memory grow to half of what is alive), and the program.
func TestMemoryIsTheSumOfItsParts(t *testing.T) {
	x := SlotType{Bits: 16, Shape: []int{1 << 20}}
	p := &Plan{
		Slots:  []SlotType{x, x},
		Rounds: [][]Step{{{Proto: ProtoInput, Out: []Slot{0}}}, {{Proto: ProtoReveal, In: []Slot{0}, Out: []Slot{1}}}},
	}
	q := p.Queues()
	if want := (Queues{Window: 2 << 20, Early: 2 << 20}); q != want { // what is revealed: 16 bits an element
		t.Errorf("queues %+v, want %+v", q, want)
	}
	slots, joined := int64(2*8<<20), int64(3*8<<20)
	queues := int64(3+1+1)*q.Window + q.Early
	if got, want := p.Memory().Server, int64(40<<20)+(slots+joined+queues+q.Window)*21/10; got < want-2 || got > want+2 {
		t.Errorf("%d bytes, want %d", got, want)
	}
}

// Windows follow the plan within their bounds; what is taken in early is the largest wave.
func TestQueuesFollowThePlan(t *testing.T) {
	for n, want := range map[int]Queues{1: {leastWindow, 2}, 1 << 18: {1 << 19, 1 << 19}, 1 << 24: {mostWindow, 1 << 25}} {
		x := SlotType{Bits: 16, Shape: []int{n}}
		p := &Plan{Slots: []SlotType{x, x}, Rounds: [][]Step{{{Proto: ProtoReveal, In: []Slot{0}, Out: []Slot{1}}}}}
		if q := p.Queues(); q != want {
			t.Errorf("%d elements: %+v, want %+v", n, q, want)
		}
	}
}
