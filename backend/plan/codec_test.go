package plan

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"secc.example/secc/backend/plan/wire"
)

// small is a plan of local steps with one input and one revealed output:
// y = 2*pad(x) + 1 on [1,2] -> [1,3].
func small() *Plan {
	return &Plan{
		Version: Version, Model: "small", Reveal: RevealValues,
		Inputs: []Input{{Name: "x", Shape: []int{1, 2}, Slot: 0}},
		Slots:  []SlotType{{[]int{1, 2}, 16, 8}, {[]int{1, 3}, 16, 8}, {[]int{1, 3}, 16, 8}, {[]int{1, 3}, 16, 8}},
		Rounds: [][]Step{{
			{Proto: ProtoInput, Op: "input", Name: "x", Out: []Slot{0}},
			{Proto: ProtoCopy, Op: "pad", Name: "p", In: []Slot{0}, Out: []Slot{1}, Attrs: &Copy{Regions: []Region{{0, 0, 1, []int{2}, []int{1}, []int{1}}}}},
			{Proto: ProtoAffine, Op: "add", Name: "a", In: []Slot{1}, Out: []Slot{2}, Attrs: &Affine{Coef: []int64{2}, Public: 1}},
			{Proto: ProtoReveal, Op: "reveal", Name: "y", In: []Slot{2}, Out: []Slot{3}},
		}},
		Outputs: []Output{{Name: "y", Shape: []int{3}, Slot: 3, Post: []PostOp{{Op: "reshape", Shape: []int{3}}, {Op: "softmax", Axis: 0}}}},
		Labels:  []string{"a", "b", "c"},
	}
}

func TestCodecRoundTrip(t *testing.T) {
	p := small()
	b, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	q, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if p.Text() != q.Text() {
		t.Errorf("text changed:\n%s\n%s", p.Text(), q.Text())
	}
	again, err := Encode(q)
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("second encoding differs (%v)", err)
	}
}

// Every kind of illegal plan is refused with a message about the place.
func TestValidateRefuses(t *testing.T) {
	for _, c := range []struct {
		want  string
		spoil func(*Plan)
	}{
		{"version", func(p *Plan) { p.Version = 7 }},
		{"slot 1", func(p *Plan) { p.Slots[1].Bits = 65 }},
		{"too many elements", func(p *Plan) { p.Slots[1].Shape = []int{1 << 20, 1 << 20, 1 << 20, 1 << 20} }},
		{"nothing has written", func(p *Plan) { p.Rounds[0][2].In[0] = 3 }},
		{"written already", func(p *Plan) { p.Rounds[0][2].Out[0] = 1 }},
		{"unknown protocol", func(p *Plan) { p.Rounds[0][2].Proto = "magic" }},
		{"attributes are", func(p *Plan) { p.Rounds[0][1].Attrs = nil }},
		{"attributes are", func(p *Plan) { p.Rounds[0][1].Attrs = &Pool{} }},
		{"attributes are", func(p *Plan) { p.Rounds[0][1].Attrs = (*Copy)(nil) }},
		{"its protocol has none", func(p *Plan) { p.Rounds[0][0].Attrs = &Copy{} }},
		{"reaches outside", func(p *Plan) { p.Rounds[0][1].Attrs.(*Copy).Regions[0].DstOff = 2 }},
		{"reaches outside", func(p *Plan) { p.Rounds[0][1].Attrs.(*Copy).Regions[0].SrcStride[0] = -1 }},
		{"more elements", func(p *Plan) {
			r := &p.Rounds[0][1].Attrs.(*Copy).Regions
			*r = append(*r, (*r)[0])
		}},
		{"coefficients", func(p *Plan) { p.Rounds[0][2].Attrs.(*Affine).Coef = nil }},
		{"not revealed", func(p *Plan) { p.Outputs[0].Slot = 2 }},
		{"read again", func(p *Plan) {
			p.Slots = append(p.Slots, p.Slots[3])
			p.Rounds = append(p.Rounds, []Step{{Proto: ProtoReveal, In: []Slot{3}, Out: []Slot{4}}})
		}},
		{"declared", func(p *Plan) { p.Outputs[0].Shape = []int{4} }},
		{"axis", func(p *Plan) { p.Outputs[0].Post[1].Axis = 1 }},
		{"which no input names", func(p *Plan) { p.Inputs = nil }},
		{"reveal mode", func(p *Plan) { p.Reveal = "all" }},
		{"no outputs", func(p *Plan) { p.Outputs = nil }},
		{"which is no output", func(p *Plan) { reveals(p, 2) }},
		{"reveals something else", func(p *Plan) { p.Reveal = RevealArgMax }},
		{"reveals something else", func(p *Plan) { p.Reveal = RevealTopK }},
		{"no function", func(p *Plan) { p.Outputs[0].Post[1] = PostOp{Op: "func", Name: "frobnicate"} }},
		{"no function", func(p *Plan) { p.Outputs[0].Post[1] = PostOp{Op: "func"} }},
		{"not UTF-8", func(p *Plan) { p.Labels[1] = "caf\xe9" }},
		{"not UTF-8", func(p *Plan) { p.Model = "\xff" }},
		{"not UTF-8", func(p *Plan) { p.Rounds[0][1].Name = "\xff" }},
		{"not UTF-8", func(p *Plan) { p.Inputs[0].Name = "\xff" }},
		{"not UTF-8", func(p *Plan) { p.Outputs[0].Name = "\xff" }},
		{"name is too long", func(p *Plan) { p.Model = strings.Repeat("x", maxName+1) }},
		{"name is too long", func(p *Plan) { p.Profile = strings.Repeat("x", maxName+1) }},
		{"not UTF-8", func(p *Plan) { p.Profile = "\xff" }},
		{"name is too long", func(p *Plan) { p.Maker = strings.Repeat("x", maxName+1) }},
		{"not UTF-8", func(p *Plan) { p.Maker = "\xff" }},
		{"factors over", func(p *Plan) { p.Inputs[0].Shift, p.Inputs[0].Inner = make([]int, p.Slots[p.Inputs[0].Slot].N()+1), 1 }},
		{"figures of calibration", func(p *Plan) { p.Inputs[0].Seen = &Seen{Inputs: 1, Colour: "red"} }},
		{"figures of calibration", func(p *Plan) { p.Inputs[0].Seen = &Seen{} }},
		{"copy regions", func(p *Plan) { p.Rounds[0][0].Attrs = &Copy{Regions: make([]Region, MaxRegions+1)} }}, // never touched: no memory
		{"too many labels", func(p *Plan) { p.Labels = make([]string, maxLabels+1) }},
	} {
		p := small()
		c.spoil(p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want an error about %q, got %v", c.want, err)
		}
	}
}

// reveals adds a step that reveals a slot.
func reveals(p *Plan, slot Slot) {
	p.Slots = append(p.Slots, p.Slots[slot])
	p.Rounds = append(p.Rounds, []Step{{Proto: ProtoReveal, Op: "reveal", Name: "more", In: []Slot{slot}, Out: []Slot{Slot(len(p.Slots) - 1)}}})
}

// winners is a plan that reveals the k largest of each row of scores, which it
// promises to be all.
func winners(promise Reveal, k int) *Plan {
	p := oneStep(SlotType{[]int{1, 4}, 16, 8}, SlotType{[]int{1, k}, 16, 0}, Step{Proto: ProtoArgMax, Attrs: &ArgMax{Sign{16, 0, 16, wire.Tree{Leaf: 2}}, k}})
	p.Reveal = promise
	kind := OTKind{Kind: wire.SoftSpoken, K: 2}
	p.OT = OT{kind, kind}
	return p
}

// What a plan says of the answer is what its steps do: a client that is promised
// an index gets no more, however the plan was made.
func TestValidateHoldsReveal(t *testing.T) {
	for _, c := range []struct {
		promise Reveal
		k       int
		more    bool // the scores too, as another output
		ok      bool
	}{
		{RevealArgMax, 1, false, true}, {RevealTopK, 1, false, true}, {RevealTopK, 3, false, true}, {RevealValues, 1, false, true},
		{RevealValues, 1, true, true}, {RevealArgMax, 2, false, false}, {RevealArgMax, 1, true, false}, {RevealTopK, 3, true, false},
	} {
		p := winners(c.promise, c.k)
		if c.more {
			reveals(p, 0)
			p.Outputs = append(p.Outputs, Output{Name: "scores", Shape: []int{1, 4}, Slot: 3})
		}
		if err := p.Validate(); (err == nil) != c.ok {
			t.Errorf("%s, %d winners, scores revealed %v: %v", c.promise, c.k, c.more, err)
		}
	}
}

// What Encode writes, Decode reads: strings that CBOR readers refuse are refused at once.
func TestEncodeRefusesWhatDecodeDoes(t *testing.T) {
	for _, spoil := range []func(*Plan, string){
		func(p *Plan, s string) { p.Labels[0] = s }, func(p *Plan, s string) { p.Rounds[0][0].Op = s }, func(p *Plan, s string) { p.Outputs[0].Name = s },
	} {
		for _, text := range []string{"ü", "\x00", "\xc3", "\xed\xa0\x80", "\u202e"} {
			p := small()
			spoil(p, text)
			b, err := Encode(p)
			if err != nil {
				continue
			}
			if _, err := Decode(b); err != nil {
				t.Errorf("%q was written and cannot be read: %v", text, err)
			}
		}
	}
}

func TestDecodeRefusesOtherBytes(t *testing.T) {
	b, _ := Encode(small())
	for name, bad := range map[string][]byte{
		"empty":     nil,
		"model":     []byte("\x08\x07onnx"),
		"version":   append([]byte("secc.plan/9\n"), b[len(magic):]...),
		"truncated": b[:len(b)-3],
		"trailing":  append(slices.Clone(b), 0),
	} {
		if _, err := Decode(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The same plan in other bytes has another digest: it is no plan, as nothing is that is too
// large for one.
func TestDecodeRefusesOtherForms(t *testing.T) {
	mode, err := cbor.EncOptions{Sort: cbor.SortNone}.EncMode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := mode.Marshal(small())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(append([]byte(magic), b...)); err == nil || !strings.Contains(err.Error(), "canonical") {
		t.Errorf("another order of names: %v", err)
	}
	if _, err := Decode(make([]byte, MaxEncoded+1)); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("%d bytes: %v", MaxEncoded+1, err)
	}
}

// FuzzDecode: any bytes give a plan or an error; what decodes, encodes to itself
// and can be printed.
func FuzzDecode(f *testing.F) {
	b, _ := Encode(small())
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			return
		}
		_ = p.Text()
		again, err := Encode(p)
		if err != nil || !bytes.Equal(b, again) {
			t.Errorf("decoded plan does not encode to itself: %v", err)
		}
	})
}
