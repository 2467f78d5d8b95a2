package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"secc.example/secc/backend"
	"secc.example/secc/cmd/internal/out"
)

const backbonesSchema = "secc.backbones/1"

// backbones puts networks side by side by what a secure inference of each costs:
// by CrypTFlow2 over OT and by this compiler's plan.
type backbones struct {
	Schema     string        `json:"schema"`
	Profile    string        `json:"profile"`
	Ring       int           `json:"baseline_ring"`
	Scale      int           `json:"baseline_scale"`
	CrossTerms int           `json:"cross_terms"`
	Rows       []backboneRow `json:"rows"`
}

type backboneRow struct {
	Model    string   `json:"model"`
	Accuracy *float64 `json:"accuracy,omitempty"` // what --accuracy says
	backend.Survey
	OT       backboneCost `json:"ot"`
	Winograd backboneCost `json:"ot_winograd"`
	Secc     backboneCost `json:"secc"`
}

// backboneCost is one network by one system. OT's seconds are those of its bytes
// on the profile's wire and nothing else: less is impossible.
type backboneCost struct {
	Bytes     int64   `json:"bytes"`
	Linear    int64   `json:"linear_bytes"`
	NonLinear int64   `json:"nonlinear_bytes"`
	Seconds   float64 `json:"seconds"`

	// Where accuracies are known: no other row has its accuracy for less.
	Pareto        bool `json:"pareto,omitempty"`         // in bytes
	ParetoSeconds bool `json:"pareto_seconds,omitempty"` // in seconds
}

// costOf is what one rung of the ladder costs.
func costOf(s backend.LadderStep, seconds float64) backboneCost {
	return backboneCost{Bytes: s.Bytes, Linear: s.Linear, NonLinear: s.NonLinear, Seconds: seconds}
}

// systems are the ways to run a network that are compared.
func (r *backboneRow) systems() [3]*backboneCost {
	return [3]*backboneCost{&r.OT, &r.Winograd, &r.Secc}
}

func (f *explainFlags) explainBackbones(c *cobra.Command, paths []string) error {
	b := f.base.Baseline
	all := backbones{Schema: backbonesSchema, Profile: f.profile, Ring: b.Ring, Scale: b.Scale, CrossTerms: b.Terms}
	var accuracy []float64
	if f.accuracy != "" {
		var err error
		if accuracy, err = loadAccuracies(f.accuracy, paths); err != nil {
			return err // before anything is compiled
		}
	}
	for _, path := range paths {
		row, err := f.backbone(c, path, b)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		all.Rows = append(all.Rows, *row)
	}
	if accuracy != nil {
		all.rank(accuracy)
	}
	if f.html != "" {
		if err := saveComparison(f.html, &all); err != nil {
			return err
		}
	}
	if f.asJSON {
		return out.JSON(c.OutOrStdout(), all)
	}
	all.print(c)
	if f.html != "" {
		fmt.Fprintln(c.OutOrStdout(), f.html)
	}
	return nil
}

// rank takes accuracies in and marks, for each system, the rows that no other beats.
func (a *backbones) rank(accuracy []float64) {
	for i := range a.Rows {
		a.Rows[i].Accuracy = &accuracy[i]
	}
	for s := range a.Rows[0].systems() {
		bytes, seconds := make([]float64, len(a.Rows)), make([]float64, len(a.Rows))
		for i := range a.Rows {
			c := a.Rows[i].systems()[s]
			bytes[i], seconds[i] = float64(c.Bytes), c.Seconds
		}
		inBytes, inSeconds := pareto(accuracy, bytes), pareto(accuracy, seconds)
		for i := range a.Rows {
			c := a.Rows[i].systems()[s]
			c.Pareto, c.ParetoSeconds = inBytes[i], inSeconds[i]
		}
	}
}

func (f *compileFlags) backbone(c *cobra.Command, path string, b backend.Baseline) (*backboneRow, error) {
	p, err := f.planOf(c, path)
	if err != nil {
		return nil, err
	}
	r, err := predict(p, f.profile)
	if err != nil {
		return nil, err
	}
	g, err := f.products(c.Context(), path)
	if err != nil {
		return nil, err
	}
	pr, err := parseProfile(f.profile)
	if err != nil {
		return nil, err
	}
	ladder, _ := backend.Ladder(g, b, r)
	first, winograd := ladder[0], backend.WinogradOverOT(g, b)
	wire := func(s backend.LadderStep) float64 { return float64(s.Bytes) * 8 / pr.Bandwidth }
	return &backboneRow{
		Model: backboneName(path), Survey: backend.SurveyOf(g),
		OT: costOf(first, wire(first)), Winograd: costOf(winograd, wire(winograd)),
		Secc: costOf(ladder[len(ladder)-1], r.Total.Seconds),
	}, nil
}

// backboneName tells rows apart for who compares them: a file that is called model.onnx,
// as many are, has its folder's name here. Plans never have (--name).
func backboneName(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".onnx")
	if dir := filepath.Base(filepath.Dir(path)); name == "model" && dir != "." && dir != string(filepath.Separator) {
		return dir
	}
	return name
}

func (a *backbones) print(c *cobra.Command) {
	w := c.OutOrStdout()
	t := plainTable(w, 1)
	ranked := a.Rows[0].Accuracy != nil
	columns := table.Row{"backbone", "MACs", "ReLUs", "comparisons", "parameters", "OT bytes", "linear", "OT s", "+ Winograd", "secc bytes", "linear", "secc s"}
	if ranked {
		columns = slices.Insert(columns, 1, any("accuracy"))
	}
	t.AppendHeader(columns)
	marked := func(s string, front bool) string {
		switch {
		case front:
			return s + " *"
		case ranked: // columns stay aligned
			return s + "  "
		}
		return s
	}
	for _, r := range a.Rows {
		cells := table.Row{
			shorten(r.Model, 36), countText(r.MACs), countText(r.ReLUs), countText(r.Comparisons), countText(r.Parameters),
			marked(decimalBytes(r.OT.Bytes), r.OT.Pareto), percentText(r.OT.Linear, r.OT.Bytes), fmt.Sprintf("%.3g", r.OT.Seconds),
			marked(decimalBytes(r.Winograd.Bytes), r.Winograd.Pareto),
			marked(decimalBytes(r.Secc.Bytes), r.Secc.Pareto), percentText(r.Secc.Linear, r.Secc.Bytes), marked(fmt.Sprintf("%.3g", r.Secc.Seconds), r.Secc.ParetoSeconds),
		}
		if ranked {
			cells = slices.Insert(cells, 1, any(accuracyText(*r.Accuracy)))
		}
		t.AppendRow(cells)
	}
	t.Render()
	terms := "two cross terms"
	if a.CrossTerms == 1 {
		terms = "one cross term"
	}
	fmt.Fprintf(w, "OT: CrypTFlow2, %d-bit ring, %s; its seconds are its bytes on a %s wire and nothing else.\nsecc: this compiler's plan; its seconds are estimated, work included.\n", a.Ring, terms, a.Profile)
	if ranked {
		fmt.Fprintln(w, "*: on the Pareto front: no other model here is as accurate for less.")
	}
}

func accuracyText(a float64) string { return fmt.Sprintf("%.2f %%", 100*a) }
