package secc

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/ir"
	"secc.example/secc/passes"
)

// Every option of the front end and of the compiler can be set from here, but for
// those that are listed with a reason.
func TestOptionsReachTheCompiler(t *testing.T) {
	kept := map[string]string{
		"Constants": "for the conformance suite, whose graphs take weights as inputs",
		"Published": "is a warning",
		"Inputs":    "says which of a case's files is whose",
		"Head":      "follows from the model",
		"Made":      "says that nobody gave a calibration",
		"Margin":    "follows from Overflow",
		"Overflow":  "for experiments",
		"Trace":     "for tests of passes",
		"Stop":      "is the context",
	}
	o := Options{
		Name: "n", Dir: "d", InputShapes: map[string][]int{"": {1, 3, 2, 2}}, Set: map[string][]float64{"n": {1}}, Batch: 1, PublishConstants: true, PublishEmbedding: true,
		Calibration: Values(input.Case{make([]float32, 12)}), Preprocess: plan.Preprocess{Preset: "raw"}, Labels: []string{"a"},
		Reveal: plan.RevealTopK, TopK: 1, RevealStochastic: true, Profile: choose.Profile{Name: "x"}, Bits: 16, Exact: true, Target: passes.TargetCost, MaxDrop: 0.1,
		Linear: passes.LinearOT, Winograd: passes.ChoiceOff, XOperator: "off", XDrop: 0.1, MaxBytes: 1, Force: true, Warn: func(string) {}, Progress: func(passes.Stage) {},
	}
	for v, i := reflect.ValueOf(o), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("this test leaves out Options.%s", v.Type().Field(i).Name)
		}
	}
	g := new(ir.Graph)
	if _, err := g.Input("x", []int{1, 3, 2, 2}); err != nil {
		t.Fatal(err)
	}
	p, _, err := o.passes(t.Context(), g, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, options := range []any{p, o.imports(t.Context())} {
		for v, i := reflect.ValueOf(options), 0; i < v.NumField(); i++ {
			name := v.Type().Field(i).Name
			if _, no := kept[name]; !no && v.Field(i).IsZero() {
				t.Errorf("%s.%s cannot be set", v.Type(), name)
			}
		}
	}
}

func TestOptionsCheck(t *testing.T) {
	for _, c := range []struct {
		option string
		o      Options
	}{
		{"bits", Options{Bits: 7}},
		{"bits", Options{Bits: 33}},
		{"batch", Options{Batch: -1}},
		{"target", Options{Target: "speed"}},
		{"max-drop", Options{MaxDrop: 1}},
		{"max-drop", Options{XDrop: -0.1}},
		{"linear", Options{Linear: "paillier"}},
		{"winograd", Options{Winograd: "on"}},
		{"reveal", Options{Reveal: "all"}},
		{"reveal", Options{Reveal: plan.RevealTopK}},
		{"reveal", Options{Reveal: plan.RevealArgMax, TopK: 2}},
	} {
		err := c.o.Check()
		if bad := (*OptionError)(nil); !errors.As(err, &bad) || bad.Option != c.option {
			t.Errorf("%s: %v", c.option, err)
		}
	}
	if err := new(Options).Check(); err != nil {
		t.Error(err)
	}
}

// Examples that do not fit the network are refused by number.
func TestExamplesThatDoNotFit(t *testing.T) {
	g := new(ir.Graph)
	if _, err := g.Input("x", []int{1, 4}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []input.Case{{}, {make([]float32, 3)}, {make([]float32, 4), make([]float32, 4)}} {
		o := Options{Calibration: Values(input.Case{make([]float32, 4)}, bad)}
		if _, _, err := o.passes(t.Context(), g, nil); err == nil || !strings.Contains(err.Error(), "example 2") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// The plan says what calibration saw, so that a client is warned of other inputs.
func TestFiguresOfCalibration(t *testing.T) {
	g := new(ir.Graph)
	x, err := g.Input("x", []int{1, 4})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Calibration: Values(input.Case{{1, 2, 3, 6}}, input.Case{{-1, 0, 0, 1}})}
	p, _, err := o.passes(t.Context(), g, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := (&Model{Graph: g, Options: p}).figures()[x.Name]
	if s == nil || s.Inputs != 2 || s.Min != -1 || s.Max != 6 || s.Mean[0] != 1.5 {
		t.Errorf("%+v", s)
	}
	if s := (&Model{Graph: g}).figures()[x.Name]; s != nil {
		t.Errorf("without calibration: %+v", s)
	}
}
