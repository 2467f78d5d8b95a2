package wire

import "slices"

// Network is a selection network: which values are compared with which, level
// by level. Node numbers count the inputs, then for each gate in order its
// maximum and, with Both, its minimum. The cost model counts its gates and the
// runtime runs it: they cannot disagree.
type Network struct {
	Inputs  int
	Levels  [][][2]int32
	Outputs []int32
	Both    bool
}

// Gates counts the comparisons.
func (n *Network) Gates() (g int) {
	for _, l := range n.Levels {
		g += len(l)
	}
	return g
}

// Tournament is the network of the maxima of some sets of inputs, neighbours
// first, that compares no pair twice. It empties sets.
func Tournament(inputs int, sets [][]int32) Network {
	t := &tournament{Network{Inputs: inputs}, int32(inputs), map[[2]int32]int32{}}
	t.net.Outputs = t.reduce(sets)
	return t.net
}

// tournament builds a network of maxima, comparing no pair twice.
type tournament struct {
	net  Network
	next int32
	seen map[[2]int32]int32
}

// reduce brings every set down to its maximum, neighbours first, all sets in
// the same levels.
func (t *tournament) reduce(sets [][]int32) []int32 {
	for {
		var level [][2]int32
		for s, set := range sets {
			if len(set) < 2 {
				continue
			}
			var up []int32
			for i := 0; i+1 < len(set); i += 2 {
				up = append(up, t.gate(&level, set[i], set[i+1]))
			}
			if len(set)%2 == 1 {
				up = append(up, set[len(set)-1])
			}
			sets[s] = up
		}
		if level == nil {
			break
		}
		t.net.Levels = append(t.net.Levels, level)
	}
	var best []int32
	for _, set := range sets {
		best = append(best, set...)
	}
	return best
}

func (t *tournament) gate(level *[][2]int32, a, b int32) int32 {
	if id, ok := t.seen[[2]int32{a, b}]; ok {
		return id
	}
	id := t.next
	t.next++
	t.seen[[2]int32{a, b}] = id
	*level = append(*level, [2]int32{a, b})
	return id
}

// TopK is the network that gives the k largest of n values in falling order: a
// tournament for k = 1, else sorted halves joined by Batcher's odd-even merge,
// less what does not reach the first k.
func TopK(n, k int) Network {
	if k == 1 {
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(i)
		}
		return Tournament(n, [][]int32{all})
	}
	s := &sorter{inputs: int32(n)}
	return s.network(s.top(0, n, k))
}

// sorter collects gates in the order they are made; gate g has the nodes
// inputs+2g (maximum) and inputs+2g+1 (minimum).
type sorter struct {
	inputs int32
	gates  [][2]int32
}

func (s *sorter) top(from, n, k int) []int32 {
	if n == 1 {
		return []int32{int32(from)}
	}
	half := n / 2
	m := s.merge(s.top(from, half, k), s.top(from+half, n-half, k))
	return m[:min(k, n)]
}

// merge joins two falling sequences.
func (s *sorter) merge(a, b []int32) []int32 {
	if len(a) == 0 || len(b) == 0 {
		return append(slices.Clone(a), b...)
	}
	if len(a) == 1 && len(b) == 1 {
		hi, lo := s.compare(a[0], b[0])
		return []int32{hi, lo}
	}
	even, odd := s.merge(everySecond(a, 0), everySecond(b, 0)), s.merge(everySecond(a, 1), everySecond(b, 1))
	out := []int32{even[0]}
	for i := 1; i < len(even) || i <= len(odd); i++ {
		switch {
		case i >= len(even):
			out = append(out, odd[i-1])
		case i > len(odd):
			out = append(out, even[i])
		default:
			hi, lo := s.compare(odd[i-1], even[i])
			out = append(out, hi, lo)
		}
	}
	return out
}

func everySecond(x []int32, from int) (y []int32) {
	for i := from; i < len(x); i += 2 {
		y = append(y, x[i])
	}
	return y
}

func (s *sorter) compare(a, b int32) (hi, lo int32) {
	s.gates = append(s.gates, [2]int32{a, b})
	hi = s.inputs + 2*int32(len(s.gates)-1)
	return hi, hi + 1
}

// network drops the gates that no output needs and sorts the rest into levels.
func (s *sorter) network(outputs []int32) Network {
	depth := s.depths(outputs)
	net := Network{Inputs: int(s.inputs), Both: true}
	rename := map[int32]int32{}
	name := func(id int32) int32 {
		if id < s.inputs {
			return id
		}
		return rename[id]
	}
	next := s.inputs
	for d := 1; ; d++ {
		var level [][2]int32
		for g, pair := range s.gates {
			if depth[g] == d {
				level = append(level, [2]int32{name(pair[0]), name(pair[1])})
				id := s.inputs + 2*int32(g)
				rename[id], rename[id+1] = next, next+1
				next += 2
			}
		}
		if level == nil {
			break
		}
		net.Levels = append(net.Levels, level)
	}
	for _, o := range outputs {
		net.Outputs = append(net.Outputs, name(o))
	}
	return net
}

// depths gives every gate that is needed its level, counted from 1.
func (s *sorter) depths(outputs []int32) []int {
	gate := func(id int32) int { return int(id-s.inputs) / 2 }
	needed := make([]bool, len(s.gates))
	for _, o := range outputs {
		if o >= s.inputs {
			needed[gate(o)] = true
		}
	}
	for g := len(s.gates) - 1; g >= 0; g-- {
		for _, id := range s.gates[g] {
			if needed[g] && id >= s.inputs {
				needed[gate(id)] = true
			}
		}
	}
	depth := make([]int, len(s.gates))
	for g, pair := range s.gates {
		if !needed[g] {
			continue
		}
		for _, id := range pair {
			if id >= s.inputs {
				depth[g] = max(depth[g], depth[gate(id)])
			}
		}
		depth[g]++
	}
	return depth
}
