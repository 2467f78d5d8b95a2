package passes

import (
	"secc.example/secc/backend"
	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// Options is what the user may choose. The zero value is the default.
type Options struct {
	Bits        int             // ring of activations; 0: 16
	Margin      float64         // activations may exceed the calibrated range by this factor; 0: from Overflow
	Overflow    float64         // acceptable probability that an inference leaves its formats; 0: 1e-4
	Calibration [][]*num.Tensor // each entry: one tensor for each graph input
	Made        bool            // Calibration is of random numbers
	Profile     choose.Profile  // zero: LAN
	Exact       bool            // exact truncation
	Target      Target          // what to favour; "" is between the two
	MaxDrop     float64         // accuracy that TargetCost may give up; 0: 1 %
	Linear      Linear          // how products by weights are computed; "" is LinearRLWE
	Winograd    Choice          // convolutions by Winograd's algorithm; "" is ChoiceAuto
	Reveal      plan.Reveal     // how much of the output the client learns; "" is RevealValues
	TopK        int             // for RevealTopK

	RevealStochastic bool // operators whose values are revealed may round by chance, as inside the network

	XOperator  XChoice // convolutions to replace by X-operators; "" is ChoiceAuto
	XDrop      float64 // accuracy that X-operators may give up; 0: none, so that auto replaces nothing
	Force      bool    // a network that does not answer like the real one is a warning, no error
	Labels     []string
	Preprocess []plan.Preprocess // one for each of the client's inputs; may be shorter
	Head       *backend.Head     // what the client computes in front of the graph, whose inputs Calibration then holds; may be nil

	Trace    func(pass string, g *ir.Graph) // called after every pass; may be nil
	Stop     func() error                   // asked often: an error ends the compilation with it; may be nil
	Progress func(Stage)                    // called at the start of every stage and within it, one call at a time; may be nil
}

// stopped is what Stop says.
func (o *Options) stopped() error {
	if o.Stop == nil {
		return nil
	}
	return o.Stop()
}

// Target says what to favour when formats are chosen.
type Target string

const (
	TargetAccuracy Target = "accuracy" // wider formats, whole comparisons
	TargetCost     Target = "cost"     // comparisons drop bits as far as MaxDrop allows
)

// Linear says how products by weights are computed.
type Linear string

const (
	LinearRLWE Linear = "rlwe" // homomorphically
	LinearOT   Linear = "ot"   // by correlated OT, the weights' bits as choices
	LinearAuto Linear = "auto" // each operator whichever takes fewer seconds
)

// Choice says whether a pass acts.
type Choice string

const (
	ChoiceAuto  Choice = "auto"  // where the cost model says it pays
	ChoiceOff   Choice = "off"   // nowhere
	ChoiceForce Choice = "force" // wherever it can
)

// Known reports whether it is one of the three, or left out.
func (c Choice) Known() bool { return c == "" || c == ChoiceAuto || c == ChoiceOff || c == ChoiceForce }

// Known reports whether it is one of the three, or left out.
func (l Linear) Known() bool {
	return l == "" || l == LinearRLWE || l == LinearOT || l == LinearAuto
}

// accurateBits is the ring of activations for TargetAccuracy.
const accurateBits = 18

// firstBits is the ring that is tried first.
const firstBits = 16

// Config is what passes share while they run on one graph.
type Config struct {
	Options
	Warnings  []string
	ranges    map[*ir.Value]span // by value of the fixed graph: what calibration saw
	reference [][][]float32      // the real network's outputs for each calibration input
	overflow  float64            // probability that an inference leaves the formats
	rounding  float64            // deviation of the outputs by formats alone
	named     int                // the ring that the user named; 0: none
	grown     int                // by how many bits the ring is wider than the first one tried
	grows     bool               // if these formats do not do, wider ones are tried
	outgrown  bool               // they do not, whatever comparisons drop
	trials    *trials            // of the fixed graph
	findings  Findings           // what the passes over the real graph measured
	factors   map[int][]float32  // what equalise multiplied a value's channels by, by the value's number; none: nothing
	lines     *backend.Lines     // of functions, as far as plans were made
	replay    Findings           // what they shall take instead of measuring; nil: they measure
	seen      *calibration       // what an earlier, narrower try saw of the same real graph
}

// NewConfig fills in the defaults of options that were left out.
func NewConfig(o Options) *Config {
	if o.Bits == 0 {
		o.Bits = firstBits
		if o.Target == TargetAccuracy {
			o.Bits = accurateBits
		}
	}
	if o.Profile.Bandwidth == 0 {
		o.Profile, _ = choose.ParseProfile("lan")
	}
	if o.Linear == "" {
		o.Linear = LinearRLWE
	}
	if o.Winograd == "" {
		o.Winograd = ChoiceAuto
	}
	if o.MaxDrop == 0 {
		o.MaxDrop = 0.01
	}
	if o.Overflow == 0 {
		o.Overflow = 1e-4
	}
	return &Config{Options: o, findings: Findings{}, factors: map[int][]float32{}, lines: backend.NewLines()}
}

func (c *Config) warn(text string) { c.Warnings = append(c.Warnings, text) }
