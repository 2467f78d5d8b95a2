package plan

import (
	"fmt"

	"secc.example/secc/backend/plan/wire"
)

// UploadBytes is the size of upload i of tile t on the wire.
func (y *Layout) UploadBytes(t, i int) int {
	return packedBytes(y.UploadLen(t, i), y.p.UploadBits)
}

// SharedBytes is the size of the uniform half of a response.
func (y *Layout) SharedBytes() int { return packedBytes(y.p.N, y.p.C1Bits) }

// ResponseBytes is the size of tile t's own half of response m.
func (y *Layout) ResponseBytes(t, m int) int {
	return packedBytes(y.ResponseLen(t, m), y.p.C0Bits)
}

func packedBytes(n, bits int) int { return int(wire.PackedLen(n, bits)) }

// CostRLWE is what a valid operator needs: one flight of uploads, one of
// responses, and the truncation if it is exact.
func (l *Linear) CostRLWE() Cost {
	c := l.EngineCost()
	if l.Exact {
		c = c.Add(CostTruncate(l.NumOut(), l.Truncation()))
	}
	return c
}

// EngineCost is CostRLWE without the truncation.
func (l *Linear) EngineCost() Cost {
	y := mustLayout(l)
	return Cost{
		Flights: []Flight{{ToServer: y.uploadTotal()}, {ToClient: y.responseTotal()}},
		Work:    y.Work(),
	}
}

func mustLayout(l *Linear) *Layout {
	y, err := newLayout(l)
	if err != nil {
		panic(fmt.Sprintf("BUG: layout of a linear operator that was not validated: %v", err))
	}
	return y
}

// tileShapes counts the tiles of each size.
func (y *Layout) tileShapes(visit func(first, count int)) {
	type shape struct{ h, w int }
	seen := map[shape]int{}
	first := map[shape]int{}
	var order []shape
	for ty := range y.y.tiles {
		for tx := range y.x.tiles {
			s := shape{y.y.size(ty), y.x.size(tx)}
			if seen[s]++; seen[s] == 1 {
				order = append(order, s)
				first[s] = ty*y.x.tiles + tx
			}
		}
	}
	for _, s := range order {
		visit(first[s], seen[s]*y.batch)
	}
}

func (y *Layout) uploadTotal() (n int64) {
	y.tileShapes(func(t, count int) {
		full, last := y.UploadBytes(t, 0), y.UploadBytes(t, y.blocks-1)
		n += int64(count) * int64((y.blocks-1)*full+last)
	})
	return n
}

func (y *Layout) responseTotal() int64 {
	n := int64(y.KeySets()) * int64(y.Responses()) * int64(y.SharedBytes())
	y.tileShapes(func(t, count int) {
		for m := range y.Responses() {
			n += int64(count) * int64(y.ResponseBytes(t, m))
		}
	})
	return n
}

// pairs is the number of weight polynomials that are not empty.
func (y *Layout) pairs() int {
	n := 0
	for g := range y.l.G {
		from, to := y.InBlocks(g)
		n += (to - from) * y.outBlocksPerGroup()
	}
	return n
}

// switches is the number of key switches a key set needs.
func (y *Layout) switches() int {
	n := 0
	for left := y.OutBlocks(); left > 0; left -= 1 << y.p.Merge {
		leaves := min(left, 1<<y.p.Merge)
		for range y.p.Merge {
			leaves = ceilDiv(leaves, 2)
			n += leaves
		}
	}
	return n
}

// Work counts computation; a polynomial of N coefficients is N/4096 of a unit.
func (y *Layout) Work() (w Work) {
	unit := float64(y.p.N) / 4096
	tiles, sets, blocks, pairs := float64(y.Tiles()), float64(y.KeySets()), float64(y.blocks), float64(y.pairs())
	responses, switches := float64(y.Responses()), float64(y.switches())
	sides := tiles + sets

	w.Server[UnitNTT] = unit * (tiles*blocks + pairs)
	w.Server[UnitMAC] = unit * (pairs*sides + switches*sides*float64(y.p.Digits))
	w.Server[UnitSwitch] = unit * switches * sides
	w.Server[UnitRespond] = unit * responses * (tiles + 2*sets)
	w.Server[UnitDecrypt] = unit * blocks * sides

	w.Client[UnitEncrypt] = unit * blocks * (tiles + 0.2*sets)
	w.Client[UnitDecrypt] = unit * responses * sides
	return w
}

// memoryWorkers is how many workers MemoryRLWE assumes.
const memoryWorkers = 4

// MemoryRLWE is what the two parties hold for this operator at its peak, in bytes,
// beside shares and weights: the server all uploads and the uniform halves, and a
// worker its accumulators, a ciphertext a level of the fold and what it works on;
// the client what its workers work on and a few messages.
func (l *Linear) MemoryRLWE() (server, client int64) {
	y := mustLayout(l)
	poly := int64(8 * y.p.N)
	sides := int64(y.Tiles() + y.KeySets())
	worker := sides*int64(4+y.p.Merge) + 16
	server = poly * (sides*int64(y.blocks) + memoryWorkers*worker)
	message := int64(y.KeySets())*int64(y.SharedBytes()) + y.responseTotal()/int64(y.Responses())
	client = memoryWorkers*8*poly + 2*memoryWorkers*message
	return server, client
}

// KeyNeeds collects what operators ask of a session.
type KeyNeeds struct {
	secrets int
	levels  [wire.MaxDigits + 1][16]bool
}

// Add notes an operator with so many tiles.
func (n *KeyNeeds) Add(p Packing, tiles int) {
	n.secrets = max(n.secrets, min(p.Keys, tiles))
	for level := p.Low - p.Merge + 1; level <= p.Low; level++ {
		n.levels[p.Digits][level] = true
	}
}

// Keys are what serves all that was added.
func (n *KeyNeeds) Keys(degree int) wire.LinearKeys {
	k := wire.LinearKeys{N: degree, Secrets: n.secrets}
	for d := range n.levels {
		for level, yes := range n.levels[d] {
			if yes {
				k.Levels[d] = append(k.Levels[d], level)
			}
		}
	}
	return k
}

// KeysOf collects what the operators of a plan need; without any, N is 0. They
// must be valid and agree on N.
func KeysOf(ls []*Linear) (wire.LinearKeys, error) {
	var n KeyNeeds
	degree := 0
	for _, l := range ls {
		if degree != 0 && degree != l.Packing.N {
			return wire.LinearKeys{}, fmt.Errorf("plan: linear operators of degree %d and %d", degree, l.Packing.N)
		}
		y, err := l.NewLayout()
		if err != nil {
			return wire.LinearKeys{}, err
		}
		degree = l.Packing.N
		n.Add(l.Packing, y.Tiles())
	}
	return n.Keys(degree), nil
}

// KeysCost is the set-up of the linear engine: the server's seed, then the client's
// seed with its public keys and switching keys. Nothing without linear operators.
func KeysCost(k wire.LinearKeys) Cost {
	if k.N == 0 {
		return Cost{}
	}
	toClient, toServer := k.Bytes()
	polys := float64(k.N) / 4096 * float64(k.Secrets+k.SwitchKeys())
	c := Cost{Flights: []Flight{{ToClient: toClient}, {ToServer: toServer}}}
	c.Work.Client[UnitEncrypt] = polys
	c.Work.Server[UnitNTT] = polys
	return c
}
