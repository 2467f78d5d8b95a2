package plan

import (
	"errors"
	"fmt"
	"slices"
)

// Pool is a 2-D window over NCHW (C is every leading dimension flattened).
type Pool struct {
	C, H, W, OH, OW        int
	KH, KW, SH, SW, DH, DW int
	PT, PL                 int // padding before; what lies outside is absent (max) or zero (sum)
}

func (w Pool) check(in, out int) error {
	if !between(1, MaxElems, w.C, w.H, w.W, w.OH, w.OW) || !between(1, maxSide, w.KH, w.KW, w.SH, w.SW, w.DH, w.DW) || !between(0, maxSide, w.PT, w.PL) {
		return errors.New("pool: a size is out of range")
	}
	if !product(in, w.C, w.H, w.W) || !product(out, w.C, w.OH, w.OW) {
		return fmt.Errorf("pool %+v does not fit %d -> %d elements", w, in, out)
	}
	if w.PT >= (w.KH-1)*w.DH+1 || w.PL >= (w.KW-1)*w.DW+1 || (w.OH-1)*w.SH-w.PT >= w.H || (w.OW-1)*w.SW-w.PL >= w.W {
		return errors.New("pool: a window lies outside the tensor")
	}
	return nil
}

// meets reports whether every window holds an element of the tensor: with
// dilation, one that spans it may still step over all of it.
func (w Pool) meets() bool {
	empty := func(x []int) bool { return len(x) == 0 }
	return !slices.ContainsFunc(windows(w.H, w.OH, w.KH, w.SH, w.DH, w.PT), empty) && !slices.ContainsFunc(windows(w.W, w.OW, w.KW, w.SW, w.DW, w.PL), empty)
}

func (w *Pool) text() string {
	return fmt.Sprintf(" (%dx%d stride %dx%d dilation %dx%d pad %d,%d)", w.KH, w.KW, w.SH, w.SW, w.DH, w.DW, w.PT, w.PL)
}
