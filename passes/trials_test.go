package passes

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"testing"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// plainAnswer is what trials must find out: every input simulated from the
// start, and the deviation as it is defined.
func plainAnswer(t *testing.T, g *ir.Graph, cfg *Config) answer {
	var a answer
	diff, spread := 0.0, 0.0
	for i, in := range cfg.Calibration[:min(len(cfg.Calibration), signSamples)] {
		r, err := ir.Simulate(g, in, ir.SimOptions{Rounding: ir.Stochastic, Seed: uint64(i) + 1})
		if err != nil {
			t.Fatal(err)
		}
		for o, out := range r.Outputs {
			got, want := out.Floats(), cfg.reference[i][o]
			a.answers++
			if largest(got) == largest(want) {
				a.agree++
			}
			mean := meanOf(want)
			for j, x := range want {
				diff += (float64(got[j]) - float64(x)) * (float64(got[j]) - float64(x))
				spread += (float64(x) - mean) * (float64(x) - mean)
			}
		}
	}
	if a.error = math.Sqrt(diff / spread); spread == 0 {
		a.error = 0
	}
	return a
}

// plainSearch is signBits without leaving anything out.
func plainSearch(t *testing.T, g *ir.Graph, cfg *Config) {
	base := plainAnswer(t, g, cfg)
	limit := answer{error: math.Max(1.25*base.error, dropDeviation*cfg.MaxDrop), agree: base.agree}
	search := &signSearch{trials: &trials{g: g}, all: comparisons(g)}
	for octaves := 2; octaves < 2+signTrials; octaves++ {
		setLow(search.all, cfg.ranges, octaves)
		reached := plainAnswer(t, g, cfg)
		if !reached.keeps(limit) {
			continue
		}
		limit.error = math.Max(deepDeviation*limit.error, reached.error)
		groups := search.groups()
		depth := slices.Repeat([]int{octaves}, len(groups))
		_, _ = takeTurns(len(groups), signTries, func(i int) (bool, error) {
			before := lows(g)
			setLow(groups[i], cfg.ranges, depth[i]-1)
			if depth[i] > 1 && plainAnswer(t, g, cfg).keeps(limit) {
				depth[i]--
				return true, nil
			}
			for _, v := range g.Values {
				if c := compared(v); c != nil {
					c.Lo, before = before[0], before[1:]
				}
			}
			return false, nil
		})
		return
	}
	setLow(search.all, cfg.ranges, 64)
}

func lows(g *ir.Graph) (low []int) {
	for _, v := range g.Values {
		if c := compared(v); c != nil {
			low = append(low, c.Lo)
		}
	}
	return low
}

// TestTrialsLeaveOutNothingThatMatters: what is reused, broken off or computed
// at several places gives the bits and the answer of the plain search.
func TestTrialsLeaveOutNothingThatMatters(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(networks())) {
		for _, drop := range []float64{0.002, 0.01, 0.03, 0.1, 0.3} {
			b := build(t, networks()[name])
			cfg := NewConfig(Options{Calibration: b.samples(11), Target: TargetCost, MaxDrop: drop})
			if err := Run(b.g, Pipeline()[:placeOf("signbits")], cfg); err != nil {
				t.Fatal(err)
			}
			if err := signBits(b.g, cfg); err != nil {
				t.Fatal(err)
			}
			got := lows(b.g)
			a, err := cfg.rehearse(b.g)
			if plain := plainAnswer(t, b.g, cfg); err != nil || a != plain {
				t.Errorf("%s, drop %g: rehearsal gives %+v (%v), the plain one %+v", name, drop, a, err, plain)
			}
			setLow(comparisons(b.g), cfg.ranges, 64)
			plainSearch(t, b.g, cfg)
			if want := lows(b.g); !slices.Equal(want, got) {
				t.Errorf("%s, drop %g: dropped bits %v, the plain search finds %v", name, drop, got, want)
			}
			seen[fmt.Sprint(got)] = true
		}
	}
	t.Logf("%d different outcomes", len(seen))
	if len(seen) < 12 {
		t.Errorf("the searches ended in %d ways only", len(seen))
	}
}

func placeOf(pass string) int {
	return slices.IndexFunc(Pipeline(), func(p Pass) bool { return p.Name == pass })
}

// compiled is a plan and its weights as bytes.
func compiled(t *testing.T, r *Result, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	b, err := plan.Encode(r.Plan)
	if err != nil {
		t.Fatal(err)
	}
	w := bytes.NewBuffer(b)
	if err := plan.WriteWeights(w, [32]byte{}, r.Weights); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// TestAnyNumberOfCoresGivesTheSameBytes also lets the ring grow: a drop that small asks for more bits.
func TestAnyNumberOfCoresGivesTheSameBytes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, name := range slices.Sorted(maps.Keys(networks())) {
		for _, drop := range []float64{0.002, 0.05} {
			var first []byte
			for _, cores := range []int{1, 2, 7} {
				runtime.GOMAXPROCS(cores)
				b := build(t, networks()[name])
				c, err := Compile(b.g, Options{Calibration: b.samples(9), Target: TargetCost, MaxDrop: drop})
				got := compiled(t, c, err)
				if first == nil {
					first = got
				}
				if !bytes.Equal(first, got) {
					t.Errorf("%s, drop %g: other bytes on %d cores", name, drop, cores)
				}
			}
		}
	}
}

// TestPreparedMakesThePlansOfCompile for every profile, whether the profile has
// a say in the graph or not.
func TestPreparedMakesThePlansOfCompile(t *testing.T) {
	for _, linear := range []Linear{LinearRLWE, LinearAuto} {
		b := build(t, networks()["residual"])
		o := Options{Calibration: b.samples(4), Linear: linear}
		p, err := Prepare(b.g, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"lan", "wan", "loopback", "rtt=1ms,bw=10M", "lan"} {
			o.Profile, _ = choose.ParseProfile(name)
			got, err := p.Plan(o.Profile)
			bytesGot := compiled(t, got, err)
			want, err := Compile(b.g, o)
			if !bytes.Equal(bytesGot, compiled(t, want, err)) {
				t.Errorf("%s over %s: the prepared network gives another plan", linear, name)
			}
		}
	}
}

// TestPassesBeforeTheRing run once for all widths: they must not read it.
func TestPassesBeforeTheRing(t *testing.T) {
	for name, f := range networks() {
		var first string
		for _, bits := range []int{12, 16, 20} {
			b := build(t, f)
			cfg := NewConfig(Options{Calibration: b.samples(3), Linear: LinearOT, Bits: bits})
			if err := Run(b.g, Pipeline()[:placeOf(firstOfRing)], cfg); err != nil {
				t.Fatal(err)
			}
			if text := ir.Print(b.g); first == "" {
				first = text
			} else if text != first {
				t.Errorf("%s: %d bits give another graph before %s", name, bits, firstOfRing)
			}
		}
	}
}

// TestProgressCounts: what is done never exceeds what there is to do, and
// stages end complete unless they break off.
func TestProgressCounts(t *testing.T) {
	last := map[string]Stage{}
	b := build(t, networks()["fire"])
	_, err := Compile(b.g, Options{Calibration: b.samples(9), Target: TargetCost, Bits: 16, Progress: func(s Stage) {
		if s.Done > s.Of {
			t.Errorf("%+v", s)
		}
		last[s.Name] = s
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"calibration inputs in real numbers", stageSigns} {
		if s := last[name]; s.Of == 0 || s.Done < s.Of {
			t.Errorf("%s ends with %d of %d", name, s.Done, s.Of)
		}
	}
}

// TestPausedRunsAreOfTheLastTry: where that was known already, nothing is
// paused, and the stops of the try before it must not be taken for its own.
func TestPausedRunsAreOfTheLastTry(t *testing.T) {
	b := build(t, networks()["lenet"])
	cfg := NewConfig(Options{Calibration: b.samples(3), Target: TargetCost})
	if err := Run(b.g, Pipeline()[:placeOf("signbits")], cfg); err != nil {
		t.Fatal(err)
	}
	tried, err := newTrials(b.g, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &signSearch{trials: tried, all: comparisons(b.g), ranges: cfg.ranges, count: cfg.count("", 0)}
	try := func(from int, stops []int) answer {
		a, err := s.compare(anything, from, stops, s.count)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	setLow(s.all, s.ranges, 5)
	try(0, nil)
	setLow(s.all, s.ranges, 1)
	try(0, s.stops(s.groups()))
	setLow(s.all, s.ranges, 5)
	try(0, s.stops(s.groups()))
	base := lowsOf(b.g)
	setLow(s.all[:1], s.ranges, 4)
	if got, want := try(s.changed(base), nil), plainAnswer(t, b.g, cfg); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
