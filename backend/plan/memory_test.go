package plan

import "testing"

// A slot counts from the call that writes it to the last that reads it, an
// output to the end.
func TestAlive(t *testing.T) {
	step := func(in []Slot, out ...Slot) []Step { return []Step{{Proto: ProtoCopy, In: in, Out: out}} }
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
