package plan

import (
	"slices"
	"sync"

	"secc.example/secc/backend/plan/wire"
)

// Network is the tournament for one channel of the window: rows first and then
// columns, or the other way about, whichever compares less (3x3 with stride 2: 6
// comparisons an output instead of 8). What overlapping windows share is
// compared once. Positions outside the tensor are left out.
func (w *Pool) Network() wire.Network { return w.grid().network() }

// LevelSizes counts the comparisons of each level of Network, which the caller leaves as they are.
// Prices ask for them again and again while trees are chosen; networks over long lines take
// tenths of a second.
func (w *Pool) LevelSizes() []int {
	levels.Lock()
	defer levels.Unlock()
	if n, ok := levels.of[*w]; ok {
		return n
	}
	if levels.of == nil || len(levels.of) >= mostLevels {
		levels.of = map[Pool][]int{}
	}
	n := w.grid().sizes()
	levels.of[*w] = n
	return n
}

// mostLevels is how many pools are remembered; then all are forgotten.
const mostLevels = 256

var levels struct {
	sync.Mutex
	of map[Pool][]int
}

// grid is a tournament along one axis and then along the other: a network of the
// first axis on every line that is used, and one of the second on every result
// of the first.
type grid struct {
	first, second wire.Network
	lines         []int   // positions on the second axis that windows cover
	results       []int32 // nodes of the first that are maxima of windows, each once
	at            func(line, position int) int32
	out           func(second, first int) int
	size          int // elements of the channel
}

// grid picks the order of the axes.
func (w *Pool) grid() *grid {
	xs, ys := windows(w.W, w.OW, w.KW, w.SW, w.DW, w.PL), windows(w.H, w.OH, w.KH, w.SH, w.DH, w.PT)
	rows := newGrid(w.W, w.H, xs, ys)
	rows.at = func(line, position int) int32 { return int32(line*w.W + position) }
	rows.out = func(second, first int) int { return second*w.OW + first }
	cols := newGrid(w.H, w.W, ys, xs)
	cols.at = func(line, position int) int32 { return int32(position*w.W + line) }
	cols.out = func(second, first int) int { return first*w.OW + second }
	if sum(cols.sizes()) < sum(rows.sizes()) {
		return cols
	}
	return rows
}

func newGrid(length, lines int, along, across [][]int) *grid {
	g := &grid{first: lineNetwork(length, along), second: lineNetwork(lines, across), size: length * lines}
	g.lines = distinct(slices.Concat(across...))
	g.results = distinct(g.first.Outputs)
	return g
}

func distinct[T int | int32](x []T) []T {
	x = slices.Clone(x)
	slices.Sort(x)
	return slices.Compact(x)
}

func sum(x []int) (n int) {
	for _, v := range x {
		n += v
	}
	return n
}

// lineNetwork is the tournament of windows on one line.
func lineNetwork(length int, windows [][]int) wire.Network {
	sets := make([][]int32, len(windows))
	for i, win := range windows {
		for _, x := range win {
			sets[i] = append(sets[i], int32(x))
		}
	}
	return wire.Tournament(length, sets)
}

func (g *grid) sizes() (n []int) {
	for _, l := range g.first.Levels {
		n = append(n, len(l)*len(g.lines))
	}
	for _, l := range g.second.Levels {
		n = append(n, len(l)*len(g.results))
	}
	return n
}

// network lays the copies of both networks out over the channel.
func (g *grid) network() wire.Network {
	net := wire.Network{Inputs: g.size}
	next := int32(g.size)
	lines := g.copies(&net, &next, &g.first, len(g.lines), func(line, position int) int32 { return g.at(g.lines[line], position) })
	line := make(map[int]int, len(g.lines)) // of a position on the second axis
	for i, y := range g.lines {
		line[y] = i
	}
	results := g.copies(&net, &next, &g.second, len(g.results), func(result, y int) int32 {
		i, used := line[y]
		if !used {
			return -1 // no window covers it, so no gate reads it
		}
		return lines[i][g.results[result]]
	})
	net.Outputs = make([]int32, len(g.first.Outputs)*len(g.second.Outputs))
	for i, y := range g.second.Outputs {
		for j, x := range g.first.Outputs {
			r, _ := slices.BinarySearch(g.results, x)
			net.Outputs[g.out(i, j)] = results[r][y]
		}
	}
	return net
}

// copies appends n copies of a line's network, side by side, and gives for each
// what its nodes are in net.
func (g *grid) copies(net *wire.Network, next *int32, line *wire.Network, n int, input func(copy, position int) int32) [][]int32 {
	nodes := make([][]int32, n)
	for c := range nodes {
		for x := range line.Inputs {
			nodes[c] = append(nodes[c], input(c, x))
		}
	}
	for _, level := range line.Levels {
		var all [][2]int32
		for c := range nodes {
			for _, gate := range level {
				all = append(all, [2]int32{nodes[c][gate[0]], nodes[c][gate[1]]})
			}
			for range level {
				nodes[c] = append(nodes[c], *next)
				*next++
			}
		}
		net.Levels = append(net.Levels, all)
	}
	return nodes
}

// windows lists, for each output position of one axis, the inputs it covers.
func windows(size, out, k, stride, dilation, pad int) [][]int {
	all := make([][]int, out)
	for o := range all {
		for i := range k {
			if x := o*stride - pad + i*dilation; x >= 0 && x < size {
				all[o] = append(all[o], x)
			}
		}
	}
	return all
}
