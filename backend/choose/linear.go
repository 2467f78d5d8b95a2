package choose

import "secc.example/secc/backend/plan"

// usualNorm is the bound on a filter's norm that an operator is priced with before its
// weights are known.
const usualNorm = 12

// OverOT is the seconds that an operator over OT takes, the making of its OTs included. It begins
// and ends with the other party than what surrounds it, which costs a flight that RLWE has not.
func (p Profile) OverOT(l *plan.Linear) float64 {
	c := l.CostOT()
	return p.Seconds(c) + p.latency(1) + p.makeCOTs(c.COTs)
}

// OverRLWE is the seconds that an operator takes over RLWE, in the encoding that
// suits it best, keys not counted.
func (p Profile) OverRLWE(l *plan.Linear) (float64, error) {
	o := *l
	o.OT, o.NormLog2 = nil, max(o.NormLog2, usualNorm)
	if err := (Search{Profile: p}).Packings([]*plan.Linear{&o}); err != nil {
		return 0, err
	}
	return p.Seconds(o.CostRLWE()), nil
}
