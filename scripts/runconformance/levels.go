package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"secc.example/secc/backend"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/frontend/onnx/onnxtest"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
	"secc.example/secc/runtime"
)

// outcome says how many levels a case passed, and what stopped it.
type outcome struct {
	passed          int
	refused, failed string
}

// caseTimeout bounds one secure run.
const caseTimeout = 2 * time.Minute

// Tolerances, relative to the largest published magnitude of an output (at least
// one). Float is the reference's own. In fixed point a result has about 12
// significant bits; families that multiply data by functions of data, or sum
// many such products, lose some. Booleans and integers must be exact after
// rounding to the nearest.
const (
	floatTolerance = 1e-4
	fixedTolerance = 0.01
)

var wider = map[string]float64{
	"layer_normalization": 0.03, "rms_normalization": 0.03, "group_normalization": 0.03, "instancenorm": 0.03, "mvn": 0.03,
	"pytorch-operator": 0.03, // instance normalisation among them
	"attention":        0.03, // a softmax between products, formats from one input
	"lrn":              0.02, "pow": 0.02, "div": 0.02, "softmax": 0.02, "logsoftmax": 0.02, "mish": 0.02,
}

// try runs one case level by level. A panic anywhere is a failure of the case.
func try(c *onnxtest.Case, level int, inside bool) (o outcome) {
	defer func() {
		if p := recover(); p != nil {
			o.failed = fmt.Sprintf("panic: %v", p)
		}
	}()
	if err := c.Load(); err != nil {
		return outcome{failed: err.Error()}
	}
	if why := c.Deviates(); why != "" {
		return outcome{refused: "not met on purpose: " + why}
	}
	g, _, err := c.Import()
	if err != nil {
		return outcome{refused: "import: " + onnxtest.Reason(err)}
	}
	data := c.Data(g)
	if inside {
		if data, err = surround(g, data, c); err != nil {
			return outcome{failed: err.Error()}
		}
	}
	var in []*num.Tensor
	for i, x := range data {
		in = append(in, ir.NewReal(g.Inputs[i].Type.Shape, x))
	}
	if err := reference(g, in, c); err != nil {
		return outcome{failed: "float: " + err.Error()}
	}
	if o.passed = 1; level == 1 {
		return o
	}
	res, err := passes.Compile(g, passes.Options{Calibration: [][]*num.Tensor{in}, Force: true})
	if err != nil {
		o.refused = "compile: " + onnxtest.Reason(err)
		return o
	}
	if err := simulated(res, in, c); err != nil {
		o.failed = "simulator: " + err.Error()
		return o
	}
	if o.passed = 2; level == 2 {
		return o
	}
	if err := secure(res, data, c); err != nil {
		o.failed = "secure: " + err.Error()
		return o
	}
	o.passed = 3
	return o
}

func reference(g *ir.Graph, in []*num.Tensor, c *onnxtest.Case) error {
	out, err := ir.Eval(g, in, ir.EvalOptions{})
	if err != nil {
		return err
	}
	for i := range out {
		if err := compare(ir.Floats(out[i]), c.Outputs[i], floatTolerance); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return nil
}

func fixed(c *onnxtest.Case) float64 {
	if t, ok := wider[c.Family]; ok {
		return t
	}
	return fixedTolerance
}

func simulated(res *passes.Result, in []*num.Tensor, c *onnxtest.Case) error {
	sim, err := ir.Simulate(res.Fixed, in, ir.SimOptions{Rounding: ir.Stochastic, Seed: 1})
	if err != nil {
		return err
	}
	for i, o := range sim.Outputs {
		if err := compare(o.Floats(), c.Outputs[i], fixed(c)); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return nil
}

// compare bounds every difference by a share of the largest magnitude.
func compare(got []float32, want *onnx.Tensor, tolerance float64) error {
	top, w := 1.0, want.Floats()
	for _, x := range w {
		if a := math.Abs(float64(x)); !math.IsInf(a, 0) {
			top = max(top, a)
		}
	}
	if want.DType.IsInt() {
		tolerance = 0.49 / top
	}
	return onnxtest.Compare(got, w, 0, tolerance*top)
}

// memory serves weights without a file.
type memory map[string][]int64

func (m memory) Ints(name string, n int) ([]int64, error) {
	if len(m[name]) != n {
		return nil, fmt.Errorf("no tensor %q", name)
	}
	return m[name], nil
}

// secure runs both parties over a connection in this process.
func secure(res *passes.Result, data [][]float32, c *onnxtest.Case) error {
	inputs, err := runtime.Encode(res.Plan, data)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
	defer cancel()
	values, err := session(ctx, res.Plan, res.Weights, inputs)
	if err != nil {
		return err
	}
	out, err := runtime.Decode(res.Plan, values)
	if err != nil {
		return err
	}
	for i, o := range out {
		if err := compare(o.Values, c.Outputs[i], fixed(c)); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return nil
}

func session(ctx context.Context, p *plan.Plan, weights backend.Weights, inputs []runtime.Vec) ([]runtime.Vec, error) {
	m := memory{}
	for _, w := range weights {
		m[w.Name] = w.Data
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
			_, err = runtime.Serve(ctx, conn, p, m, runtime.Config{})
		}
		served <- err
	}()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	out, _, err := runtime.Run(ctx, conn, p, inputs, runtime.Config{})
	return out, errors.Join(err, <-served)
}
