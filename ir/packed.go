package ir

import (
	"sync"

	"secc.example/secc/ir/num"
)

// PackedWeights keeps weights of convolutions as the kernel wants them, for many
// simulations of one graph: packing takes as long as reading a large layer. The
// zero value is ready, and may be used by several simulations at once.
type PackedWeights struct {
	mu     sync.Mutex
	size   int
	packed map[packedKey][][]int64
}

type packedKey struct {
	v    *Value
	rows int
}

// packedMost bounds what is kept, in elements.
const packedMost = 1 << 23

// of gives the weights w of a convolution, by group; nil if there are too few
// rows, if they are not constant, or too many to keep.
func (p *PackedWeights) of(v *Value, w []int64, rows int) [][]int64 {
	groups := v.Attrs.(*ConvAttrs).Group
	m := v.Type.Shape[1] / groups
	if p == nil || !IsConst(v.Args[1]) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := packedKey{v, rows}
	if packed, ok := p.packed[key]; ok {
		return packed
	}
	size := num.PackedLen(len(w), groups, m, rows)
	if size == 0 || p.size+size > packedMost {
		return nil
	}
	p.size += size
	packed := num.Pack(w, groups, m, rows)
	if p.packed == nil {
		p.packed = map[packedKey][][]int64{}
	}
	p.packed[key] = packed
	return packed
}
