package passes

import (
	"math"
	"math/rand/v2"
	"slices"

	"secc.example/secc/ir"
)

// What the noise of functions does to the answers. Some networks even it out, others make
// much of it, and one layer may bear a hundred times what another does. So it is measured:
// the real network answers again with some noise in the results of a group of functions,
// and with each group how far the answers move says how quiet its functions must be.
// Of all ways to share out what the answers may lose, the one is taken that costs the
// fewest bits.

const (
	// functionDeviation is the deviation of the outputs that all functions together may
	// add, relative to --max-drop.
	functionDeviation = 0.3
	// noiseGroups is how many groups there are, about, and testNoise what their results are
	// changed by, relative to their root mean square: far below what would not add up
	// any more, far above the resolution of float32.
	noiseGroups = 12
	testNoise   = 1. / 256
	// leastQuiet and mostQuiet bound what is asked of a function. Errors of less than so
	// many bits are no noise, and inputs that calibration did not see may bear less.
	leastQuiet, mostQuiet = 7, 14
)

// quiets is how far below a function's results its noise must be, in bits, by the
// function's number.
type quiets map[int]float64

// hear measures how quiet functions must be, where calibration inputs tell. What counts
// is what the client learns, before it computes a softmax or a sigmoid of it: of certain
// answers these show no noise, of others they would.
func (c *calibration) hear(g *ir.Graph, f *formats, cfg *Config, tail map[*ir.Value]bool) error {
	if c.quiets != nil {
		return nil
	}
	c.quiets = quiets{}
	groups := f.noisy(g)
	if len(groups) == 0 || len(cfg.Calibration) == 0 || cfg.Made {
		return nil
	}
	shown, least := judged(g, tail)
	moved, err := f.moved(shown, groups, cfg)
	if err != nil {
		return err
	}
	elements, all := make([]float64, len(groups)), 0.0
	for k, group := range groups {
		for _, v := range group {
			elements[k] += float64(v.Type.N())
		}
		all += elements[k]
	}
	budget := functionDeviation * cfg.MaxDrop
	for k, group := range groups {
		// A bit of noise less costs as much as the group has elements, so each may add as
		// large a part of the variance, half of it by arguments and half by results.
		q := math.Log2(moved[k] * math.Sqrt(2*all/elements[k]) / budget)
		if math.IsNaN(q) || math.IsInf(q, 1) {
			continue
		}
		for _, v := range group {
			c.quiets[v.ID] = min(max(q, least), mostQuiet)
		}
	}
	return nil
}

// judged is the graph whose outputs noise is judged by, and how quiet functions are at least.
func judged(g *ir.Graph, tail map[*ir.Value]bool) (shown *ir.Graph, least float64) {
	shown, least = &ir.Graph{Name: g.Name, Inputs: g.Inputs, Values: g.Values}, leastQuiet
	revealed := revealedValues(g, tail)
	for _, v := range g.Values {
		if revealed[v] {
			shown.Outputs = append(shown.Outputs, v)
		}
		if v.Op == ir.OpArgMax || jumps(v) { // noise that decides nothing on some inputs may do so on others
			least = quiet
		}
	}
	return shown, least
}

// noisy cuts the functions that may be computed on fewer bits into groups: of one kind,
// one after the other, of about as many elements each.
func (f *formats) noisy(g *ir.Graph) (groups [][]*ir.Value) {
	var names []string
	kinds, elements, all := map[string][]*ir.Value{}, map[string]int{}, 0
	for _, v := range g.Values {
		if !f.narrowable(v) {
			continue
		}
		name := v.Attrs.(*ir.FuncAttrs).Name
		if kinds[name] == nil {
			names = append(names, name)
		}
		kinds[name] = append(kinds[name], v)
		elements[name] += v.Type.N()
		all += v.Type.N()
	}
	for _, name := range names {
		groups = append(groups, inParts(kinds[name], (noiseGroups*elements[name]+all-1)/all, elementsOf)...)
	}
	return groups
}

func elementsOf(v *ir.Value) int { return v.Type.N() }

// moved is how far the outputs move, relative to their spread, for each unit of noise in
// a group of functions, relative to their results.
func (f *formats) moved(g *ir.Graph, groups [][]*ir.Value, cfg *Config) ([]float64, error) {
	numbers := 0
	for _, o := range g.Outputs {
		numbers += o.Type.N()
	}
	n := min(max((enoughNumbers+numbers-1)/numbers, 2), signSamples, len(cfg.Calibration))
	count := cfg.count("noise of functions", n)
	spread, squares := make([]float64, n), make([][]float64, n)
	err := overInputs(n, func(i, workers int) error {
		variants := make([]ir.Variant, len(groups))
		for k, group := range groups {
			variants[k] = f.louder(group, uint64(i))
		}
		outs, err := ir.EvalVariants(g, cfg.Calibration[i], variants, ir.EvalOptions{Workers: workers, Stop: cfg.Stop})
		if err != nil {
			return err
		}
		squares[i] = make([]float64, len(groups))
		for o := range g.Outputs {
			want := ir.Floats(outs[0][o])
			spread[i] += squaredDistance(want, slices.Repeat([]float32{float32(meanOf(want))}, len(want)))
			for k := range groups {
				squares[i][k] += squaredDistance(ir.Floats(outs[1+k][o]), want)
			}
		}
		count.add(1)
		return nil
	})
	moved := make([]float64, len(groups))
	for k := range groups {
		sum, all := 0.0, 0.0
		for i := range n {
			if err == nil {
				sum, all = sum+squares[i][k], all+spread[i]
			}
		}
		moved[k] = math.Sqrt(sum/all) / testNoise
	}
	return moved, err
}

// louder adds noise to the results of some functions.
func (f *formats) louder(group []*ir.Value, seed uint64) ir.Variant {
	return ir.Variant{
		Changes: func(v *ir.Value) bool { return slices.Contains(group, v) },
		Change: func(v *ir.Value, x []float32) {
			r, size := rand.New(rand.NewPCG(seed, uint64(v.ID))), testNoise*f.spans[v].rms()
			for j := range x {
				x[j] += float32(size * r.NormFloat64())
			}
		},
	}
}

// squaredDistance is the sum of the squares of differences.
func squaredDistance(x, y []float32) (sum float64) {
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		sum += d * d
	}
	return sum
}
