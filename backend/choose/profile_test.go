package choose

import (
	"testing"

	"secc.example/secc/backend/plan"
)

func TestParseProfile(t *testing.T) {
	p, err := ParseProfile("rtt=40ms,bw=400M,threads=2")
	if err != nil || p.RTT.Seconds() != 0.04 || p.Bandwidth != 400e6 || p.Threads != 2 {
		t.Errorf("%+v %v", p, err)
	}
	for _, bad := range []string{"moon", "rtt=1ms", "bw=0", "bw=1G,rtt=x", "bw=1G,threads=0", "bw=-1"} {
		if p, err := ParseProfile(bad); err == nil {
			t.Errorf("%q gives %+v", bad, p)
		}
	}
	// Twice the bytes over a slow line take about twice the time.
	slow, _ := ParseProfile("rtt=0s,bw=1M")
	one := slow.Seconds(plan.Cost{Flights: []plan.Flight{{ToServer: 1e6}}})
	two := slow.Seconds(plan.Cost{Flights: []plan.Flight{{ToServer: 2e6}}})
	if one < 7.9 || one > 8.1 || two/one < 1.9 {
		t.Errorf("a megabyte takes %g s, two %g", one, two)
	}
}
