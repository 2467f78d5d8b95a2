package passes

import (
	"errors"
	"strings"
	"testing"

	"secc.example/secc/ir"
)

// outlier is a network in which one channel is sixty times larger than the
// one that decides: the narrow ring leaves that one too few bits, unless the quiet
// channel can be raised. What stands between may prevent that. Its output is one number or many.
func outlier(b *builder, single bool, between ...any) *ir.Value {
	x := b.input(1, 2, 4, 4)
	a := &ir.ConvAttrs{Strides: []int{1, 1}, PadsBegin: []int{0, 0}, PadsEnd: []int{0, 0}}
	spread := b.must(b.g.Const("spread", ir.NewReal([]int{2, 2, 1, 1}, []float32{60, 0, 0, 1})))
	x = b.op(ir.OpRelu, nil, b.op(ir.OpConv, a, x, spread))
	for _, attrs := range between {
		x = b.op(ir.OpTranspose, attrs, x)
	}
	shape, gather := []int{2, 2, 1, 1}, []float32{0, 1, 0, -1}
	if single {
		shape, gather = []int{1, 2, 4, 4}, make([]float32, 32)
		gather[16], gather[17], gather[18] = 1, -1, 1
	}
	return b.op(ir.OpConv, a, x, b.must(b.g.Const("gather", ir.NewReal(shape, gather))))
}

// Where nobody says how wide the ring is, it grows until the answers are good;
// a ring that the user names stays, with a warning if it spoils the answers.
func TestRingGrowsWhereAnswersNeedIt(t *testing.T) {
	testGrowth(t, false)
	testGrowth(t, true)
	raised := newBuilder(t)
	raised.g.Outputs = []*ir.Value{outlier(raised, false)}
	equal, err := Compile(raised.g, Options{Calibration: raised.samples(enoughInputs)})
	if err != nil {
		t.Fatal(err)
	}
	if k := ringOf(equal.Fixed); k != 16 || len(equal.Warnings) > 0 {
		t.Errorf("a quiet channel that can be raised: a ring of %d bits, warnings %q; want 16 and none", k, equal.Warnings)
	}
	plain := newBuilder(t)
	plain.g.Outputs = []*ir.Value{networks()["lenet"](plain)}
	narrow, err := Compile(plain.g, Options{Calibration: plain.samples(enoughInputs)})
	if err != nil {
		t.Fatal(err)
	}
	if k := ringOf(narrow.Fixed); k != 16 || len(narrow.Warnings) > 0 {
		t.Errorf("lenet: a ring of %d bits, warnings %q; want 16 and none", k, narrow.Warnings)
	}
}

func testGrowth(t *testing.T, single bool) {
	b := newBuilder(t)
	b.g.Outputs = []*ir.Value{outlier(b, single, &ir.TransposeAttrs{Perm: []int{0, 1, 3, 2}})}
	calibration := b.samples(enoughInputs)
	grown, err := Compile(b.g, Options{Calibration: calibration})
	if err != nil {
		t.Fatal(err)
	}
	if k := ringOf(grown.Fixed); k <= 16 || len(grown.Warnings) > 0 {
		t.Errorf("a ring of %d bits, warnings %q; want more than 16 and none", k, grown.Warnings)
	}
	_, err = Compile(b.g, Options{Calibration: calibration, Bits: 10})
	var poor *PoorError
	if !errors.As(err, &poor) {
		t.Fatalf("a ring of 10 bits: %v; want an error on the answers", err)
	}
	if poor.Bits != 10 || poor.Node != "conv" || poor.Op != ir.OpConv || poor.SNR > lostPrecision || !strings.Contains(poor.Remedy(), "leave --bits out") {
		t.Errorf("a ring of 10 bits: %+v, %s; want a convolution that has lost its precision, and no --bits", poor, poor.Remedy())
	}
	forced, err := Compile(b.g, Options{Calibration: calibration, Bits: 10, Force: true})
	if err != nil {
		t.Fatal(err)
	}
	if k := ringOf(forced.Fixed); k != 10 || len(forced.Warnings) != 1 || !strings.Contains(forced.Warnings[0], "in 10-bit formats") {
		t.Errorf("a ring of %d bits, warnings %q; want 10 and one on the deviation", k, forced.Warnings)
	}
}

// A network that 18 bits do not do for gets more; one that no bits do for is an error
// that names the operator at which precision is lost.
func TestFailedRehearsal(t *testing.T) {
	b := newBuilder(t)
	x := b.input(1, 4)
	wide := b.must(b.g.Const("wide", ir.NewReal([]int{4}, []float32{1, 1 << 11, 1, 1 << 11})))
	tall := b.op(ir.OpMul, nil, x, wide)
	everySecond := func(b *builder, x *ir.Value) *ir.Value { // not by a slice, which would move in front of what is tall
		row := b.op(ir.OpReshape, &ir.ReshapeAttrs{Shape: []int{1, 1, 1, 4}}, x)
		return b.op(ir.OpReshape, &ir.ReshapeAttrs{Shape: []int{1, 2}}, b.op(ir.OpMaxPool, &ir.PoolAttrs{Kernel: []int{1, 1}, Strides: []int{1, 2}}, row))
	}
	small := everySecond(b, b.op(ir.OpRelu, nil, tall))
	b.g.Outputs = []*ir.Value{b.op(ir.OpMatMul, nil, small, b.weights(1, 2, 3))}
	made, err := Compile(b.g, Options{Calibration: b.samples(16)})
	if err != nil {
		t.Fatal(err)
	}
	if k := ringOf(made.Fixed); k <= accurateBits || k > widestBits {
		t.Errorf("a ring of %d bits, want more than %d", k, accurateBits)
	}
	hard := newBuilder(t)
	y := hard.op(ir.OpMul, nil, hard.op(ir.OpRelu, nil, hard.input(1, 4)), hard.must(hard.g.Const("scales", ir.NewReal([]int{4}, []float32{1, 1 << 30, 1, 1 << 30}))))
	y = everySecond(hard, y)
	hard.g.Outputs = []*ir.Value{hard.op(ir.OpMatMul, nil, y, hard.weights(1, 2, 3))}
	_, err = Compile(hard.g, Options{Calibration: hard.samples(16)})
	var poor *PoorError
	if !errors.As(err, &poor) || poor.Node != "max_pool" || strings.Contains(poor.Remedy(), "--bits") {
		t.Errorf("scales 2^30 apart: %v; want an error that names what is left", err)
	}
}

// Where near ties flip in every ring, the narrowest one within what may be given up is
// taken, unless a wider one keeps more classes; where none is within it, what betters.
func TestCheapestOfThoseWithin(t *testing.T) {
	try := func(bits, agree int, deviation float64) *formatting {
		cfg := NewConfig(Options{Bits: bits})
		return &formatting{cfg: cfg, answer: answer{error: deviation, agree: agree, answers: 8}}
	}
	outgrown := try(17, 8, 0.009)
	outgrown.cfg.outgrown = true
	lost := try(18, 7, 0.004)
	lost.answer.lost = 1
	for what, c := range map[string]struct {
		tried []*formatting
		want  int
	}{
		"a tie flips everywhere":   {[]*formatting{try(16, 6, 0.03), try(17, 7, 0.015), try(18, 7, 0.012), try(19, 7, 0.009), try(20, 7, 0.0045)}, 19},
		"narrow enough at once":    {[]*formatting{try(16, 7, 0.0099), try(17, 7, 0.006), try(18, 7, 0.003)}, 16},
		"more classes, more bits":  {[]*formatting{try(16, 6, 0.009), try(17, 6, 0.006), try(18, 7, 0.003)}, 18},
		"none is within":           {[]*formatting{try(16, 7, 0.05), try(18, 7, 0.04), try(20, 7, 0.03), try(22, 7, 0.015)}, 22},
		"not judged to the end":    {[]*formatting{outgrown, try(18, 8, 0.0095)}, 18},
		"an answer that is lost":   {[]*formatting{lost, try(19, 7, 0.0035)}, 19},
		"as much may be given up":  {[]*formatting{try(18, 8, 0.01), try(19, 8, 0.0099)}, 18},
		"a little less deviation ": {[]*formatting{try(18, 7, 0.02), try(19, 7, 0.011)}, 18},
	} {
		var a attempts
		for _, f := range c.tried {
			a.add(f)
		}
		if got := a.chosen().cfg.Bits; got != c.want {
			t.Errorf("%s: %d bits, want %d", what, got, c.want)
		}
	}
}

// ringOf is the ring of the first relu.
func ringOf(g *ir.Graph) int {
	for _, v := range g.Values {
		if v.Op == ir.OpRelu {
			return v.Type.Elem.Bits
		}
	}
	return 0
}

func TestTurnsAreTakenAsLongAsTheyWork(t *testing.T) {
	left := []int{2, 0, 5}
	done := make([]int, 3)
	try := func(i int) (bool, error) {
		if done[i] == left[i] {
			return false, nil
		}
		done[i]++
		return true, nil
	}
	if n, err := takeTurns(3, 100, try); err != nil || n != 10 || done[0] != 2 || done[1] != 0 || done[2] != 5 {
		t.Errorf("%d tries, %v: %v", n, err, done)
	}
	done = make([]int, 3)
	if n, err := takeTurns(3, 4, try); err != nil || n != 4 || done[0] != 2 || done[2] != 1 {
		t.Errorf("%d tries, %v: %v", n, err, done)
	}
}
