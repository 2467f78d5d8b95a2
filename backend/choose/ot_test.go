package choose

import (
	"testing"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
)

func TestChooseOT(t *testing.T) {
	units := plan.DefaultUnits()
	units[plan.UnitCOT] = 10
	lan := Profile{Bandwidth: 20e9, RTT: 50 * time.Microsecond, UnitNanos: units}
	wan := Profile{Bandwidth: 100e6, RTT: 40 * time.Millisecond, UnitNanos: units}
	for _, c := range []struct {
		name string
		n    int64
		p    Profile
		kind string
	}{
		{"few", 1000, wan, wire.SoftSpoken},
		{"few, fast network", 1000, lan, wire.SoftSpoken},
		{"many, slow network", 100e6, wan, wire.Ferret},
	} {
		o := c.p.OT(plan.COTs{ServerSends: c.n})
		if o.ServerSends.Kind != c.kind {
			t.Errorf("%s: %+v", c.name, o.ServerSends)
		}
		if (o.ClientSends != plan.OTKind{}) {
			t.Errorf("%s: the other direction needs nothing and got %+v", c.name, o.ClientSends)
		}
		if err := o.Validate(plan.COTs{ServerSends: c.n}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
