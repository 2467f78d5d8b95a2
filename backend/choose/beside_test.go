package choose

import (
	"math"
	"testing"
	"time"

	"secc.example/secc/backend/plan"
)

// Correlated OTs that were stocked while messages of earlier operators were under way take no time:
// as many as the time was enough for, as the stock has room for and as are used.
func TestOTsAreMadeBeside(t *testing.T) {
	const unit = 10e-9
	p := Profile{RTT: 40 * time.Millisecond, Threads: 1}
	report := func(ops ...plan.OperatorCost) *plan.Report {
		r := &plan.Report{Operators: ops}
		for _, o := range ops {
			r.Total.Setup.COTs += o.COTs
		}
		for _, w := range []*[plan.NumUnits]float64{&r.Total.Setup.Cost.Work.Server, &r.Total.Setup.Cost.Work.Client} {
			w[plan.UnitCOT] = float64(r.Total.Setup.COTs)
		}
		return r
	}
	op := func(cots int64, rounds int) plan.OperatorCost { return plan.OperatorCost{COTs: cots, Rounds: rounds} }
	flight := p.RTT.Seconds() / 2 / unit // OTs that are made in a flight
	for what, c := range map[string]struct {
		r    *plan.Report
		want float64 // OTs
	}{
		"nothing before the first":  {report(op(1e6, 8)), 0},
		"as many as are used":       {report(op(0, 1), op(1e6, 2)), 1e6},
		"as many as there was time": {report(op(0, 1), op(3e6, 2)), flight},
		"as there is room for":      {report(op(0, 8), op(9e6, 2)), float64(plan.Link{RTT: p.RTT}.StockedOTs())},
		"what is left is kept":      {report(op(0, 1), op(5e5, 0), op(1e6, 0), op(1e6, 1)), flight},
		"none are used":             {report(op(0, 5)), 0},
	} {
		if got := p.beside(c.r, unit) / unit; math.Abs(got-c.want) > 1 {
			t.Errorf("%s: %.0f OTs, want %.0f", what, got, c.want)
		}
	}
}
