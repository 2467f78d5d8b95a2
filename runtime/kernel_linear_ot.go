package runtime

import (
	"context"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/mpc/nonlinear"
)

// slackLinearOT and runLinearOT are the linear operators over OT;
// the table in kernel_nonlinear.go lists them.

func slackLinearOT(s *plan.Step) uint64 {
	if l := s.Linear(); l.Exact || l.Shift == 0 {
		return 0
	}
	return 1
}

func runLinearOT(ctx context.Context, p *nonlinear.Party, c *Call, w Weights) ([]Vec, error) {
	var weights, bias []int64
	if w != nil {
		var err error
		if weights, bias, err = linearWeights(w, c, p.Memory); err != nil {
			return nil, err
		}
	}
	y, err := p.LinearOT(ctx, c.In[0], convOT(c.Linear()), weights, bias)
	if err != nil {
		return nil, err
	}
	return one(finishLinear(ctx, p, c.Step, y))
}

// convOT is a plan's operator in the protocol's words.
func convOT(l *plan.Linear) *nonlinear.Conv {
	c := &nonlinear.Conv{
		Batch: l.Batch, G: l.G, CIn: l.CIn, COut: l.COut, H: l.H, W: l.W, OH: l.OH, OW: l.OW,
		KH: l.KH, KW: l.KW, SH: l.SH, SW: l.SW, DH: l.DH, DW: l.DW, PT: l.PT, PL: l.PL,
		Bits: l.InBits, Piece: l.OTPiece(), Wave: l.OTWave(),
	}
	for _, d := range l.OT.Digits {
		c.Digits = append(c.Digits, nonlinear.BitRange(d))
	}
	for _, r := range l.OTTaps() {
		c.Taps = append(c.Taps, nonlinear.Reach(r))
	}
	return c
}
