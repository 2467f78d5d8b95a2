package passes

import (
	"errors"
	"sync/atomic"
	"testing"

	"secc.example/secc/ir"
)

// A compilation ends with what Stop says, whenever it says so; it is asked at
// least once for every value that a calibration input has.
func TestStopEndsCompilation(t *testing.T) {
	b := newBuilder(t)
	b.g.Outputs = []*ir.Value{networks()["lenet"](b)}
	o := Options{Calibration: b.samples(2), Target: TargetCost, Linear: LinearAuto, XOperator: XChoice(ChoiceForce)}
	enough := errors.New("enough")
	var asked atomic.Int64
	last := int64(0) // 0: never
	o.Stop = func() error {
		if n := asked.Add(1); last > 0 && n >= last {
			return enough
		}
		return nil
	}
	if _, err := Compile(b.g, o); err != nil {
		t.Fatal(err)
	}
	all := asked.Load()
	if least := int64(len(b.g.Values) * len(o.Calibration)); all < 4*least {
		t.Errorf("asked %d times for %d values", all, least)
	}
	for at := int64(1); at <= all-8; at += max(1, all/10) { // the number differs a little with the cores' turns
		asked.Store(0)
		last = at
		_, err := Compile(b.g, o)
		if !errors.Is(err, enough) {
			t.Fatalf("stopped at %d of %d: %v", at, all, err)
		}
		if more := asked.Load() - at; more > 64 {
			t.Errorf("stopped at %d of %d: asked %d times more", at, all, more)
		}
	}
}
