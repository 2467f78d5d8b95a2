package passes

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// trials simulates calibration inputs on a network in fixed point, again and
// again while its comparisons drop other bits, and compares the answers with the
// real network's. Simulating is most of what compiling costs, so it leaves out
// what it can without another result: what was tried before, what comes before
// the first comparison that changed, and the inputs that remain when the answers
// are too bad already.
type trials struct {
	g       *ir.Graph
	inputs  [][]*num.Tensor
	want    [][][]float32
	spread  float64 // of all that is wanted
	answers int     // in all
	known   map[string]answer
	weights *ir.PackedWeights
	workers int          // for each run
	stopped func() error // Options.Stop
	numbers int          // that one run computes
	started []*ir.Paused // by input: before the first value
	paused  []stop       // where the last whole run stopped on its way, the first stop first
}

// stop is a whole run before value number at of the graph, by input.
type stop struct {
	at  int
	run []*ir.Paused
}

// pausedMemory bounds what paused runs keep, in bytes.
const pausedMemory = 1 << 29

// answer is how a simulated network compares with the real one: the deviation
// of its outputs relative to their spread, and how often the largest agrees.
type answer struct {
	error          float64
	agree, answers int
	lost           int     // answers whose largest output is another one, and was not nearly as large
	strays         float64 // how far an output with few numbers was off at most in several runs, relative to its largest; 0: not known
}

// anything is a limit that every answer keeps.
var anything = answer{error: math.Inf(1)}

// keeps says whether an answer is as good as a limit.
func (a answer) keeps(limit answer) bool { return a.error <= limit.error && a.agree >= limit.agree }

func newTrials(g *ir.Graph, cfg *Config) (*trials, error) {
	inputs, _ := cfg.inputs(g)
	n := min(len(inputs), signSamples)
	t := &trials{
		g: g, inputs: inputs[:n], want: cfg.reference[:n], known: map[string]answer{}, started: make([]*ir.Paused, n),
		weights: new(ir.PackedWeights), workers: max(1, runtime.GOMAXPROCS(0)/n), stopped: cfg.Stop,
	}
	for _, v := range g.Values {
		t.numbers += ir.Numel(v.Type.Shape)
	}
	for i, outs := range t.want {
		for _, want := range outs {
			t.answers++
			mean := meanOf(want)
			for _, x := range want {
				t.spread += (float64(x) - mean) * (float64(x) - mean)
			}
		}
		var err error
		if t.started[i], err = t.start(i, uint64(i)+1); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// start is a run of an input, before its first value.
func (t *trials) start(i int, seed uint64) (*ir.Paused, error) {
	return ir.Start(t.g, t.inputs[i], ir.SimOptions{Rounding: ir.Stochastic, Seed: seed, Workers: t.workers, Weights: t.weights, Stop: t.stopped})
}

// meanOf is the mean of outputs; of a single number the spread is its
// magnitude, so its mean counts as 0.
func meanOf(x []float32) float64 {
	mean := 0.0
	for _, y := range x {
		mean += float64(y) / float64(len(x))
	}
	if len(x) == 1 {
		return 0
	}
	return mean
}

// compare simulates the inputs. Values of the graph before number from are as in
// the last run that stopped. If the answer does not keep the limit, it may be
// that of some inputs only, which do not keep it either. stops are where to stop
// on the way, ascending; then it starts at the first value, and if the answer
// keeps the limit the next ones may go on from there.
func (t *trials) compare(limit answer, from int, stops []int, count *counter) (answer, error) {
	key := t.key()
	if stops != nil {
		t.paused = nil
	}
	if a, ok := t.known[key]; ok {
		count.add(len(t.inputs))
		return a, nil
	}
	at := t.started
	for _, s := range t.paused {
		if s.at <= from && stops == nil {
			at = s.run
		}
	}
	sum := &tally{trials: t, limit: limit, got: make([][][]float32, len(t.inputs))}
	way := make([][]*ir.Paused, len(t.inputs))
	err := overInputs(len(t.inputs), func(i, _ int) error {
		defer count.add(1)
		if sum.hopeless() {
			return nil
		}
		r, stopped, err := simulate(at[i], stops)
		if err == nil {
			way[i] = stopped
			sum.add(i, r.Outputs)
		}
		return err
	})
	if err != nil {
		return answer{}, err
	}
	if sum.next == len(t.inputs) {
		t.known[key] = sum.answer
	}
	if stops != nil && sum.answer.keeps(limit) {
		t.keep(stops, way)
	}
	return sum.answer, nil
}

// simulate goes on from p to the end, by way of some stops.
func simulate(p *ir.Paused, stops []int) (r *ir.SimResult, way []*ir.Paused, err error) {
	for _, at := range stops {
		if p, err = p.Advance(at); err != nil {
			return nil, nil, err
		}
		way = append(way, p)
	}
	r, err = p.Finish()
	return r, way, err
}

// keep remembers the stops of a run of all inputs, as far as memory allows.
func (t *trials) keep(stops []int, way [][]*ir.Paused) {
	size := 0
	for k, at := range slices.Backward(stops) { // the last ones save most
		s := stop{at: at}
		for _, w := range way {
			size += w[k].Size()
			s.run = append(s.run, w[k])
		}
		if size > pausedMemory {
			return
		}
		t.paused = append([]stop{s}, t.paused...)
	}
}

// key is which bits the comparisons drop.
func (t *trials) key() string {
	var b strings.Builder
	for _, v := range t.g.Values {
		if c := compared(v); c != nil {
			fmt.Fprint(&b, v.ID, ":", c.Lo, " ")
		}
	}
	return b.String()
}

// tally adds up answers, in the order of the inputs.
type tally struct {
	*trials
	limit  answer
	mu     sync.Mutex
	got    [][][]float32
	next   int // inputs added up
	diff   float64
	answer answer
}

func (s *tally) add(i int, outs []*ir.FixedTensor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, out := range outs {
		s.got[i] = append(s.got[i], out.Floats())
	}
	for ; s.next < len(s.got) && s.got[s.next] != nil; s.next++ {
		for o, got := range s.got[s.next] {
			s.one(got, s.want[s.next][o])
		}
	}
	if s.spread > 0 {
		s.answer.error = math.Sqrt(s.diff / s.spread)
	}
}

func (s *tally) one(got, want []float32) {
	s.answer.answers++
	a, b := largest(got), largest(want)
	if a == b {
		s.answer.agree++
	} else if want[b]-want[a] > poorDeviation*(want[b]-slices.Min(want)) {
		s.answer.lost++
	}
	for j, x := range want {
		s.diff += (float64(got[j]) - float64(x)) * (float64(got[j]) - float64(x))
	}
}

// hopeless reports that no more inputs can bring the answer back to the limit:
// differences only add up.
func (s *tally) hopeless() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	best := s.answer
	best.agree += s.answers - best.answers
	return !best.keeps(s.limit)
}

func largest(x []float32) int { return slices.Index(x, slices.Max(x)) }
