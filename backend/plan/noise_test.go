package plan

import (
	"math"
	"testing"
)

// The parts of the bound against numbers worked out by hand, each in units of
// the output's last place or its square.
func TestNoiseKnownAnswers(t *testing.T) {
	base := Linear{
		Batch: 1, G: 1, CIn: 64, COut: 100, H: 1, W: 1, OH: 1, OW: 1, KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1,
		InBits: 28, Shift: 12, OutBits: 16, NormLog2: 12,
	}
	bare := Packing{N: 2048, TileH: 1, TileW: 1, High: 64, Filters: 1, Keys: 1, UploadBits: 50, C0Bits: 50, C1Bits: 50}
	const ulp = 1 << 34
	for name, test := range map[string]struct {
		change                 func(l *Linear, p *Packing)
		bounded, upload, rest2 float64 // rest without what is always there
	}{
		// 4096*sqrt(64) from the encoding of both shares, 2 from bias and c0; and 2^-35 of an ulp from c0's own 50 bits.
		"bare": {func(*Linear, *Packing) {}, (32768 + 2 + 0.5) / ulp, 16777216 * 10.5, 0},
		"ten dropped bits": {func(_ *Linear, p *Packing) { p.UploadBits = 40 }, (32768 + 2 + 0.5) / ulp,
			16777216 * (10.5 + (1048576+2)/12.0), 0},
		"one dropped bit":                {func(_ *Linear, p *Packing) { p.UploadBits = 49 }, (32768 + 2 + 0.5) / ulp, 16777216 * (10.5 + 0.5), 0},
		"32 filters":                     {func(_ *Linear, p *Packing) { p.Filters, p.UploadBits = 32, 40 }, (32768 + 2 + 0.5) / ulp, 32 * 16777216 * (10.5 + 1048578/12.0), 0},
		"more filters than a group has":  {func(l *Linear, p *Packing) { l.G, p.Filters, p.High = 4, 64, 1 }, (4096*4 + 2 + 0.5) / ulp, 25 * 16777216 * 10.5, 0},
		"18 bits of c0":                  {func(_ *Linear, p *Packing) { p.C0Bits = 18 }, (32768+2)/float64(ulp) + 0.125, 16777216 * 10.5, 0},
		"25 bits of c1":                  {func(_ *Linear, p *Packing) { p.C1Bits = 25 }, (32768 + 2 + 0.5) / ulp, 16777216 * 10.5, 128 * (ulp / 512.0) * (ulp / 512.0)},
		"one level, two digits":          {func(_ *Linear, p *Packing) { p.Low, p.Merge, p.Digits, p.High = 1, 1, 2, 32 }, (32768 + 2 + 0.5) / ulp, 16777216 * 10.5, 2048 * (21*32769*32769 + 2/3.0*131072*131072)},
		"three levels, two digits":       {func(_ *Linear, p *Packing) { p.Low, p.Merge, p.Digits, p.High = 3, 3, 2, 8 }, (32768 + 2 + 0.5) / ulp, 16777216 * 10.5, 21 * 2048 * (21*32769*32769 + 2/3.0*131072*131072)},
		"an exact operator's last place": {func(l *Linear, _ *Packing) { l.Exact = true }, (32768 + 2 + 0.5) / ulp, 16777216 * 10.5, 0},
		"a filter of norm 1":             {func(l *Linear, _ *Packing) { l.NormLog2 = 0 }, (8 + 2 + 0.5) / ulp, 10.5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l, p := base, bare
			test.change(&l, &p)
			l.Packing = p
			y, err := newLayout(&l)
			if err != nil {
				t.Fatal(err)
			}
			n := y.Noise(math.Exp2(float64(l.NormLog2)))
			unit := math.Exp2(float64(34 - (l.EngineBits() - 16)))
			scale := ulp / unit             // from units of 2^34 to the operator's own
			always := 2048*21 + 128 + 128.0 // encryption of zero, way back to Q, c1's own 50 bits
			for what, v := range map[string][2]float64{
				"bounded": {n.Bounded, test.bounded * scale},
				"upload":  {n.Upload, test.upload / (unit * unit)},
				"rest":    {n.Rest, (always + test.rest2) / (unit * unit)},
			} {
				if math.Abs(v[0]-v[1]) > 1e-12*v[1] {
					t.Errorf("%s: %g, worked out %g", what, v[0], v[1])
				}
			}
		})
	}
}

// How many deviations hold all outputs together with a failure of 2^-40.
func TestNoiseTail(t *testing.T) {
	for outs, want := range map[int]float64{1: 7.5391, 1000: 8.4056, 802816: 9.1668} {
		n := Noise{Outs: outs, Bounded: 0.25, Upload: 3, Rest: 1}
		if got := (n.Bound() - 0.25) / 2; math.Abs(got-want) > 0.001 {
			t.Errorf("%d outputs: %.4f deviations, want %.3f", outs, got, want)
		}
		if p := 2 * float64(outs) * math.Exp(-want*want/2); p > math.Exp2(-40)*1.01 {
			t.Errorf("%d outputs: failure %g", outs, p)
		}
	}
}

// The search keeps no more bits of an upload than the bound asks for.
func TestLeastUploadBits(t *testing.T) {
	for dropped := range 30 {
		v := droppedVariance(dropped)
		if got := mostDropped(v * (1 + 1e-9)); got != dropped {
			t.Errorf("variance %g: %d bits dropped, %d fit", v, got, dropped)
		}
		if got := mostDropped(v * (1 - 1e-9)); dropped > 0 && got != dropped-1 {
			t.Errorf("just below variance %g: %d bits dropped, %d fit", v, got, dropped-1)
		}
	}
	if got := mostDropped(-1e-9); got != -1 {
		t.Errorf("no room: %d", got)
	}
}
