package poly

import (
	"fmt"
	"math/bits"
)

// Digits writes the balanced digits of src's coefficients, as residues:
//
//	|v - sum_i dst[i]*2^(base*i+drop)| <= 2^(drop-1), dst[i] in [-2^(base-1), 2^(base-1)]
//
// for the centred representative v, whose drop lowest bits are rounded away.
// base*len(dst)+drop must be at least Bits(). Constant-time.
func (r *Ring) Digits(dst [][]uint64, src []uint64, base, drop int) {
	r.check(src)
	r.check(dst...)
	if base < 1 || drop < 0 || base*len(dst)+drop < r.Bits() || base*len(dst)+drop > 62 {
		panic(fmt.Sprintf("BUG: poly: %d digits of %d bits above %d", len(dst), base, drop))
	}
	// With half a digit added at every place (and half of the lowest place, to
	// round) all digits are plain bit fields, half a digit too large.
	offset := uint64(1) << drop >> 1
	for i := range dst {
		offset += 1 << (base*i + base - 1 + drop)
	}
	for i := range dst {
		d := digitOf{offset: offset, shift: uint64(base*i + drop), mask: 1<<base - 1, centre: 1 << base >> 1}
		if i == len(dst)-1 {
			d.mask = ^uint64(0) // the largest value carries out of the top digit
		}
		if r.lanes > 0 {
			r.digitLanes(dst[i], src, d)
			continue
		}
		for j, v := range src {
			_, over := bits.Sub64(r.q/2, v, 0)
			v += d.offset - r.q&-over
			dst[i][j] = r.fromSigned(int64(v>>d.shift&d.mask) - int64(d.centre))
		}
	}
}

// digitOf selects one bit field.
type digitOf struct{ offset, shift, mask, centre uint64 }
