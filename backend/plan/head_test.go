package plan

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// headPlan has every operator of a head once.
func headPlan() *Plan {
	row := []int{2, 2}
	return &Plan{
		Inputs: []Input{{Name: "x", Shape: row, Slot: HeadOnly}},
		Head: []HeadOp{
			{Op: "const", Node: "c", Shape: []int{2}, Data: []float32{10, 20}},           // 1
			{Op: "add", Node: "a", In: []int{0, 1}, Shape: row},                          // 2
			{Op: "sub", Node: "s", In: []int{1, 0}, Shape: row},                          // 3
			{Op: "mul", Node: "m", In: []int{2, 0}, Shape: row},                          // 4
			{Op: "div", Node: "d", In: []int{4, 1}, Shape: row},                          // 5
			{Op: "max", Node: "x", In: []int{0, 3}, Shape: row},                          // 6
			{Op: "min", Node: "n", In: []int{0, 3}, Shape: row},                          // 7
			{Op: "func", Node: "f", In: []int{0}, Shape: row, Name: "abs"},               // 8
			{Op: "clip", Node: "k", In: []int{0}, Shape: row, Alpha: -1, Beta: 2},        // 9
			{Op: "sum", Node: "u", In: []int{0}, Shape: []int{2, 1}, Axes: []int{1}},     // 10
			{Op: "reduce_max", Node: "r", In: []int{0}, Shape: []int{2}, Axes: []int{0}}, // 11
			{Op: "softmax", Node: "p", In: []int{0}, Shape: row, Axes: []int{1}},         // 12
			{Op: "reshape", Node: "e", In: []int{0}, Shape: []int{4}},                    // 13
			{Op: "copy", Node: "t", In: []int{0}, Shape: []int{5}, Alpha: 7, Regions: []Region{{DstOff: 1, Dims: []int{2, 2}, SrcStride: []int{1, 2}, DstStride: []int{2, 1}}}}, // 14: transposed
			{Op: "one_hot", Node: "o", In: []int{10}, Shape: []int{2, 1, 8}, FromEnd: true, Strict: true},                                                                       // 15
			{Op: "one_hot", Node: "h", In: []int{10}, Shape: []int{2, 1, 4}},                                                                                                    // 16: 7 is no number below 4
			{Op: "const", Node: "q", Shape: []int{5, 2}, Data: []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},                                                                         // 17
			{Op: "lookup", Node: "l", In: []int{0, 17}, Shape: []int{2, 2, 2}},                                                                                                  // 18
		},
		Feeds: []Feed{{Value: 2}, {Value: 3}, {Value: 4}, {Value: 5}, {Value: 6}, {Value: 7}, {Value: 8}, {Value: 9}, {Value: 10}, {Value: 11}, {Value: 12}, {Value: 13}, {Value: 14}, {Value: 15}, {Value: 16}, {Value: 18}},
	}
}

// By hand, on x = [1 -2 / 3 4].
func TestEvalHead(t *testing.T) {
	p := headPlan()
	if err := p.checkHead(); err != nil {
		t.Fatal(err)
	}
	e := func(x float64) float32 { return float32(1 / (1 + math.Exp(x))) }
	want := [][]float32{
		{11, 18, 13, 24}, {9, 22, 7, 16}, {11, -36, 39, 96}, {1.1, -1.8, 3.9, 4.8}, {9, 22, 7, 16}, {1, -2, 3, 4},
		{1, 2, 3, 4}, {1, -1, 2, 2}, {-1, 7}, {3, 4}, {e(-3), e(3), e(1), e(-1)}, {1, -2, 3, 4}, {7, 1, 3, -2, 4},
		{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 0}, {2, 3, 6, 7, 6, 7, 8, 9},
	}
	got, err := p.EvalHead([][]float32{{1, -2, 3, 4}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	for i := range want {
		if !slices.EqualFunc(got[i], want[i], func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-6 }) {
			t.Errorf("value %d (%s) is %v, want %v", p.Feeds[i].Value, p.Head[p.Feeds[i].Value-1].Op, got[i], want[i])
		}
	}
}

// A number that names no row is an error that tells the input, the place and what would
// do; where the model has another meaning for it, it is none.
func TestIndicesAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		op   HeadOp
		x    float32
		fits bool
	}{
		"the last row":           {HeadOp{Op: "one_hot", Strict: true}, 4, true},
		"behind the last row":    {HeadOp{Op: "one_hot", Strict: true}, 5, false},
		"before the first row":   {HeadOp{Op: "one_hot", Strict: true}, -1, false},
		"from the end":           {HeadOp{Op: "one_hot", Strict: true, FromEnd: true}, -5, true},
		"too far from the end":   {HeadOp{Op: "one_hot", Strict: true, FromEnd: true}, -6, false},
		"between two rows":       {HeadOp{Op: "one_hot", Strict: true}, 1.5, false},
		"no number":              {HeadOp{Op: "one_hot", Strict: true}, float32(math.NaN()), false},
		"minus infinity":         {HeadOp{Op: "one_hot", Strict: true, FromEnd: true}, float32(math.Inf(-1)), false},
		"nothing is lost by it":  {HeadOp{Op: "one_hot"}, 9, true},
		"a row looked up":        {HeadOp{Op: "lookup"}, 4, true},
		"no row to be looked up": {HeadOp{Op: "lookup"}, 5, false},
		"a half to be looked up": {HeadOp{Op: "lookup"}, 0.5, false},
	} {
		op := c.op
		op.Node, op.In, op.Shape = "embedding", []int{2}, []int{3, 5}
		if op.Op == "lookup" {
			op.In = []int{2, 1}
		}
		p := &Plan{
			Inputs: []Input{{Name: "ids", Shape: []int{1, 3}, Slot: HeadOnly}},
			Head: []HeadOp{
				{Op: "const", Node: "table", Shape: []int{5, 5}, Data: make([]float32, 25)},
				{Op: "reshape", Node: "flat", In: []int{0}, Shape: []int{3}}, op,
			},
			Feeds: []Feed{{Value: 3}},
		}
		if err := p.checkHead(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err := p.EvalHead([][]float32{{0, c.x, 1}})
		if (err == nil) != c.fits {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && !(strings.Contains(err.Error(), `input "ids": element 1 is`) && strings.Contains(err.Error(), "from 0 to 4")) {
			t.Errorf("%s: %v", name, err)
		}
		if rows, strict := p.Indices(0), op.Strict || op.Op == "lookup"; strict && rows != 5 || !strict && rows != 0 {
			t.Errorf("%s: the input chooses from %d rows", name, rows)
		}
	}
}

// Heads that would make a client read or write outside, loop without end, or take
// numbers that are none are refused.
func TestHeadIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Plan){
		"an unknown operator":       func(p *Plan) { p.Head[1].Op = "exec" },
		"an unknown function":       func(p *Plan) { p.Head[7].Name = "exec" },
		"too few values":            func(p *Plan) { p.Head[1].In = []int{0} },
		"a value of itself":         func(p *Plan) { p.Head[1].In[0] = 2 },
		"a value of later":          func(p *Plan) { p.Head[1].In[0] = 9 },
		"a negative value":          func(p *Plan) { p.Head[1].In[0] = -1 },
		"shapes that do not fit":    func(p *Plan) { p.Head[0].Shape, p.Head[0].Data = []int{3}, make([]float32, 3) },
		"a shape of its own":        func(p *Plan) { p.Head[3].Shape = []int{4} },
		"too few numbers":           func(p *Plan) { p.Head[0].Data = []float32{1} },
		"numbers that are none":     func(p *Plan) { p.Head[0].Data[1] = float32(math.NaN()) },
		"a bound that is none":      func(p *Plan) { p.Head[8].Beta = math.Inf(1) },
		"bounds the wrong way":      func(p *Plan) { p.Head[8].Alpha = 3 },
		"an axis too many":          func(p *Plan) { p.Head[9].Axes = []int{2} },
		"an axis twice":             func(p *Plan) { p.Head[9].Axes = []int{1, 1} },
		"a negative axis":           func(p *Plan) { p.Head[11].Axes = []int{-1} },
		"no axis":                   func(p *Plan) { p.Head[11].Axes = nil },
		"a sum of another shape":    func(p *Plan) { p.Head[9].Shape = []int{1} },
		"a reshape to more":         func(p *Plan) { p.Head[12].Shape = []int{5} },
		"a region beyond the end":   func(p *Plan) { p.Head[13].Regions[0].DstOff = 2 },
		"a region before the start": func(p *Plan) { p.Head[13].Regions[0].SrcOff = -1 },
		"a region of another value": func(p *Plan) { p.Head[13].Regions[0].In = 1 },
		"regions over and over":     func(p *Plan) { p.Head[13].Regions = slices.Repeat(p.Head[13].Regions, 2) },
		"regions where none belong": func(p *Plan) { p.Head[9].Regions = p.Head[13].Regions },
		"too many values":           func(p *Plan) { p.Head = slices.Repeat(p.Head[:1], maxHeadOps+1) },
		"too many elements": func(p *Plan) {
			huge := HeadOp{Op: "copy", Node: "h", In: []int{0}, Shape: []int{maxHeadElems}, Regions: []Region{{Dims: []int{1}, SrcStride: []int{0}, DstStride: []int{0}}}}
			p.Head = append(p.Head, huge, huge)
		},
		"one-hot rows of another shape": func(p *Plan) { p.Head[14].Shape = []int{2, 8} },
		"one-hot rows of none":          func(p *Plan) { p.Head[14].Shape = []int{2, 1, 0} },
		"a row of another size":         func(p *Plan) { p.Head[17].Shape = []int{2, 2, 3} },
		"rows of nothing":               func(p *Plan) { p.Head[17].In = []int{0, 9}; p.Head[9].Shape = nil },
		"a feed of nothing":             func(p *Plan) { p.Feeds[0].Value = 19 },
		"a feed of an input":            func(p *Plan) { p.Feeds[0].Value = 0 },
		"an input that nobody reads":    func(p *Plan) { p.Head, p.Feeds = nil, nil },
	} {
		p := headPlan()
		spoil(p)
		if p.checkHead() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
