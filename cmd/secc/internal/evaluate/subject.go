// Package evaluate measures how well a compiled network does: by examples and their right
// answers, and operator by operator against the cleartext network.
package evaluate

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"

	"secc.example/secc"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
	"secc.example/secc/runtime"
)

// Subject is a network under test, as its owner has it: the cleartext model, the
// graph in fixed point, and the plan with its weights.
type Subject struct {
	Plan    *plan.Plan
	Weights *plan.Weights
	Fixed   *ir.Graph
	Real    *ir.Graph // the model as imported; nil when its file is not at hand
	How     secc.How  // the model was read when it was compiled

	Overflow *float64     // what the compiler estimated; nil for a plan from a file
	Stop     func() error // ends evaluations early; may be nil
	Close    func()
}

// Specs are the inputs; where examples have files for all that the model's file names,
// those that are set included, each takes its own.
func (s *Subject) Specs() []input.Spec {
	all := input.Specs(s.Plan)
	for i := range all {
		all[i].Part = 1 + slices.Index(s.How.Inputs, all[i].Name)
	}
	return all
}

// Of takes a network as it comes from the compiler, without its
// cleartext model.
func Of(made *passes.Result) (*Subject, error) {
	digest, err := made.Plan.Digest()
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := plan.WriteWeights(&buf, digest, made.Weights); err != nil {
		return nil, err
	}
	s := &Subject{Plan: made.Plan, Fixed: made.Fixed, Overflow: &made.Overflow, Close: func() {}}
	s.Weights, err = plan.OpenWeights(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	return s, err
}

// Float gives the outputs of the cleartext model.
func (s *Subject) Float(in []*num.Tensor) ([][]float32, error) {
	out, err := ir.Eval(s.Real, in, ir.EvalOptions{Stop: s.Stop})
	if err != nil {
		return nil, err
	}
	return elementsOf(out), nil
}

// Simulate gives the outputs in fixed point as the runtime would compute them.
func (s *Subject) Simulate(in []*num.Tensor, seed uint64, see func(*ir.Value, *ir.FixedTensor)) ([][]float32, *ir.SimResult, error) {
	in, err := secc.Headed(s.Plan, elementsOf(in))
	if err != nil {
		return nil, nil, err
	}
	r, err := ir.Simulate(s.Fixed, in, ir.SimOptions{Rounding: ir.Stochastic, Seed: seed, Observe: see, Stop: s.Stop})
	if err != nil {
		return nil, nil, err
	}
	var out [][]float32
	for _, o := range r.Outputs {
		out = append(out, o.Floats())
	}
	out[0] = s.asScores(out[0])
	return out, r, nil
}

// Secure runs both parties in this process, over a connection on this machine,
// and gives the outputs. see (may be nil) gets both parties' shares of
// every slot.
func (s *Subject) Secure(ctx context.Context, in []*num.Tensor, see [2]func(plan.Slot, runtime.Vec)) ([][]float32, error) {
	inputs, err := runtime.Encode(s.Plan, elementsOf(in))
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, err = runtime.Serve(ctx, conn, s.Plan, s.Weights, runtime.Config{Observe: see[0]})
		}
		served <- err
	}()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	out, _, err := runtime.Run(ctx, conn, s.Plan, inputs, runtime.Config{Observe: see[1]})
	if err = errors.Join(err, <-served); err != nil {
		return nil, err
	}
	values, err := runtime.Decode(s.Plan, out)
	if err != nil {
		return nil, err
	}
	var all [][]float32
	for _, o := range values {
		all = append(all, o.Values)
	}
	all[0] = s.asScores(all[0])
	return all, nil
}

// elementsOf are the elements of tensors.
func elementsOf(in []*num.Tensor) (all [][]float32) {
	for _, t := range in {
		all = append(all, ir.Floats(t))
	}
	return all
}

// asScores makes an answer comparable with the cleartext model's: where the plan
// reveals indices only, the first gets the highest score, classes that are not
// named get 0.
func (s *Subject) asScores(out []float32) []float32 {
	if s.Plan.Reveal == plan.RevealValues {
		return out
	}
	scores := make([]float32, classes(s.Plan))
	for i, at := range out {
		if at >= 0 && int(at) < len(scores) {
			scores[int(at)] = float32(len(out) - i)
		}
	}
	return scores
}

// classes is the number of scores of the first output, revealed or not.
func classes(p *plan.Plan) int {
	n := 1
	for _, d := range p.Outputs[0].Shape {
		n *= d
	}
	if p.Reveal == plan.RevealValues {
		return n
	}
	for _, step := range p.Steps() {
		if step.Proto == plan.ProtoArgMax {
			n = p.Slots[step.In[0]].N()
		}
	}
	return n
}

// Rewritten is the cleartext model as the passes leave it, value by value the
// counterpart of the fixed graph.
// It takes the factors and bounds that the compiler found from the weights; where
// these are of another form of the network (X-operators), it finds new ones.
func (s *Subject) Rewritten() (*passes.Rewritten, error) {
	found, err := passes.ReadFindings(s.Weights)
	if err != nil {
		return nil, err
	}
	proper, err := s.How.Proper(s.Real)
	if err != nil {
		return nil, err
	}
	o := passes.Options{Stop: s.Stop}
	r, err := passes.Rewrite(proper, o, found)
	if err != nil && found != nil {
		return passes.Rewrite(proper, o, nil)
	}
	return r, err
}

// SecureSlots runs the protocol and adds up both parties' shares of every slot;
// out is the first output.
func (s *Subject) SecureSlots(ctx context.Context, in []*num.Tensor) (sums map[plan.Slot][]int64, out []float32, err error) {
	var shares [2]map[plan.Slot]runtime.Vec
	var see [2]func(plan.Slot, runtime.Vec)
	for i := range see {
		shares[i] = map[plan.Slot]runtime.Vec{}
		see[i] = func(slot plan.Slot, v runtime.Vec) { shares[i][slot] = append(runtime.Vec{}, v...) }
	}
	all, err := s.Secure(ctx, in, see)
	if err != nil {
		return nil, nil, err
	}
	out = all[0]
	sums = map[plan.Slot][]int64{}
	for slot, a := range shares[0] {
		b := shares[1][slot]
		if len(a) != len(b) || len(a) == 0 {
			continue // what one party alone holds
		}
		x := make([]int64, len(a))
		for i := range a {
			x[i] = runtime.Signed(a[i]+b[i], s.Plan.Slots[slot].Bits)
		}
		sums[slot] = x
	}
	return sums, out, nil
}
