package choose

import (
	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
)

// otKinds are what OT chooses from, in order of preference.
func otKinds() []plan.OTKind {
	return []plan.OTKind{
		{Kind: wire.Ferret, Set: 11}, {Kind: wire.Ferret, Set: 12}, {Kind: wire.Ferret, Set: 13}, {Kind: wire.Ferret, Set: 10},
		{Kind: wire.SoftSpoken, K: 8}, {Kind: wire.SoftSpoken, K: 4}, {Kind: wire.SoftSpoken, K: 2},
	}
}

// OT picks for either direction what takes the fewest seconds under the profile.
func (p Profile) OT(total plan.COTs) plan.OT {
	return plan.OT{
		ServerSends: p.otKind(total.ServerSends),
		ClientSends: p.otKind(total.ClientSends),
	}
}

func (p Profile) otKind(n int64) (best plan.OTKind) {
	if n == 0 {
		return best
	}
	least, price := -1.0, p.choosing()
	for _, k := range otKinds() {
		c := plan.OT{ServerSends: k}.Cost(plan.COTs{ServerSends: n})
		if s := price.Seconds(c.Setup) + price.Seconds(c.Stream); least < 0 || s < least {
			best, least = k, s
		}
	}
	return best
}
