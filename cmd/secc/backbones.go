package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"secc.example/secc/backend"
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
	Model string `json:"model"`
	backend.Survey
	OT   backboneCost `json:"ot"`
	Secc backboneCost `json:"secc"`
}

// backboneCost is one network by one system. OT's seconds are those of its bytes
// on the profile's wire and nothing else: less is impossible.
type backboneCost struct {
	Bytes     int64   `json:"bytes"`
	Linear    int64   `json:"linear_bytes"`
	NonLinear int64   `json:"nonlinear_bytes"`
	Seconds   float64 `json:"seconds"`
}

func (f *compileFlags) explainBackbones(c *cobra.Command, paths []string, b backend.Baseline, asJSON bool) error {
	all := backbones{Schema: backbonesSchema, Profile: f.profile, Ring: b.Ring, Scale: b.Scale, CrossTerms: b.Terms}
	for _, path := range paths {
		row, err := f.backbone(c, path, b)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		all.Rows = append(all.Rows, *row)
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), all)
	}
	all.print(c)
	return nil
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
	l, err := f.ladderOf(c.Context(), path, b, r)
	if err != nil {
		return nil, err
	}
	pr, err := parseProfile(f.profile)
	if err != nil {
		return nil, err
	}
	first, own := l.Ladder[0], l.Ladder[len(l.Ladder)-1]
	return &backboneRow{
		backboneName(path), l.Survey,
		backboneCost{first.Bytes, first.Linear, first.NonLinear, float64(first.Bytes) * 8 / pr.Bandwidth},
		backboneCost{own.Bytes, own.Linear, own.NonLinear, r.Total.Seconds},
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
	t.AppendHeader(table.Row{"backbone", "MACs", "ReLUs", "comparisons", "parameters", "OT bytes", "linear", "OT s", "secc bytes", "linear", "secc s"})
	for _, r := range a.Rows {
		t.AppendRow(table.Row{
			shorten(r.Model, 36), countText(r.MACs), countText(r.ReLUs), countText(r.Comparisons), countText(r.Parameters),
			decimalBytes(r.OT.Bytes), percentText(r.OT.Linear, r.OT.Bytes), fmt.Sprintf("%.3g", r.OT.Seconds),
			decimalBytes(r.Secc.Bytes), percentText(r.Secc.Linear, r.Secc.Bytes), fmt.Sprintf("%.3g", r.Secc.Seconds),
		})
	}
	t.Render()
	terms := "two cross terms"
	if a.CrossTerms == 1 {
		terms = "one cross term"
	}
	fmt.Fprintf(w, "OT: CrypTFlow2, %d-bit ring, %s; its seconds are its bytes on a %s wire and nothing else.\nsecc: this compiler's plan; its seconds are estimated, work included.\n", a.Ring, terms, a.Profile)
}
