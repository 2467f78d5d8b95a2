package plan

import (
	"errors"
	"fmt"
)

// Tiles is a map between a tensor [Batch, C, H, W] and its tiles [Batch,
// Side*Side*C, TH, TW]. Tiles begin Step apart, PT and PL before the tensor;
// what lies outside is zero. Into tiles, each Side x Side tile d becomes M d M^T
// with M of Side x Side; Back, each becomes M d M^T with M of Step x Side, and
// the results lie side by side. M's entries are integers: both parties apply it
// to their shares.
type Tiles struct {
	Back                   bool `cbor:",omitempty"`
	Batch, C, H, W, TH, TW int
	Side, Step             int
	PT, PL                 int `cbor:",omitempty"`
	Matrix                 []int64
}

const (
	maxTileSide  = 16
	maxTileEntry = 1 << 12
)

// Legal checks slots and fields.
func (t *Tiles) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	in, out := p.Slots[s.In[0]], p.Slots[s.Out[0]]
	if in.Bits != out.Bits {
		return errors.New("input and output rings differ")
	}
	if t.Back {
		in, out = out, in
	}
	return t.check(in.N(), out.N())
}

func (t *Tiles) check(plain, tiled int) error {
	if !between(1, maxTileSide, t.Side) || !between(1, t.Side, t.Step) || !between(1, maxSide, t.H, t.W, t.TH, t.TW) || !between(0, t.Side-1, t.PT, t.PL) {
		return errors.New("tiles: a size is out of range")
	}
	rows := t.Side
	if t.Back {
		rows = t.Step
	}
	if len(t.Matrix) != rows*t.Side {
		return fmt.Errorf("tiles: matrix of %d entries", len(t.Matrix))
	}
	for _, x := range t.Matrix {
		if x > maxTileEntry || x < -maxTileEntry {
			return fmt.Errorf("tiles: matrix entry %d", x)
		}
	}
	if !product(plain, t.Batch, t.C, t.H, t.W) || !product(tiled, t.Batch, t.Side*t.Side, t.C, t.TH, t.TW) {
		return errors.New("tiles: tensors of other sizes")
	}
	if t.Back && (t.H > t.TH*t.Step || t.W > t.TW*t.Step) {
		return errors.New("tiles: they do not cover the result")
	}
	return nil
}

// Cost of a local map.
func (*Tiles) Cost(p *Plan, call []*Step) Cost { return costLocal(p, call) }

// Text has nothing to add.
func (*Tiles) Text() string { return "" }

// Merges: never.
func (*Tiles) Merges(*Plan, *Step, *Step) bool { return false }

// Memory: none of its own.
func (*Tiles) Memory(*Plan, []*Step) Memory { return Memory{} }
