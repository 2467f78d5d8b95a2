package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/ask"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/frontend/input"
	"secc.example/secc/server"
)

const inspectSchema = "secc.inspect/1"

// inspected is what a plan says, for people who are to use or to trust it.
type inspected struct {
	Schema  string         `json:"schema"`
	Model   string         `json:"model"`
	Digest  string         `json:"plan_digest"`
	Format  int            `json:"plan_format"`
	Size    int64          `json:"bytes"`
	Inputs  []plan.Input   `json:"inputs"`
	Head    []plan.HeadOp  `json:"client_computes,omitempty"` // of the inputs, before it encodes them
	Outputs []outputText   `json:"outputs"`
	Labels  []string       `json:"labels,omitempty"`
	Reveal  plan.Reveal    `json:"reveal"`
	Network string         `json:"made_for"`            // the network that choices were made for
	Maker   string         `json:"compiler,omitempty"`  // its version
	Signed  string         `json:"signed_by,omitempty"` // file of the key that was asked for, and has
	Cost    plan.TotalCost `json:"cost"`
	Memory  plan.Memory    `json:"memory_bytes"`
}

type outputText struct {
	Name  string          `json:"name"`
	Shape []int           `json:"shape"`
	Kind  plan.AnswerKind `json:"kind"`
}

func newInspectCmd() *cobra.Command {
	var asJSON bool
	var signedBy string
	c := &cobra.Command{
		Use:   "inspect MODEL.plan",
		Short: "Show what a plan takes, gives and reveals",
		Args:  usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			v, err := inspect(args[0])
			if err != nil {
				return err
			}
			if err := signedFile(signedBy, args[0]); err != nil {
				return err
			}
			v.Signed = signedBy
			if asJSON {
				return out.JSON(c.OutOrStdout(), v)
			}
			return v.print(c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON ("+inspectSchema+")")
	c.Flags().StringVar(&signedBy, "signed-by", "", "file of the public key that must have signed the plan (secc sign)")
	return c
}

// signedFile holds a plan's file to the signature beside it, if it must have one.
func signedFile(keyPath, path string) error {
	if keyPath == "" {
		return nil
	}
	encoded, err := input.ReadFile(path)
	if err != nil {
		return usage("%w", err)
	}
	s, err := os.ReadFile(path + server.SignatureSuffix)
	if err != nil {
		return usage("the plan is not signed: %w", err)
	}
	return ask.Verify(keyPath, encoded, s)
}

func inspect(path string) (*inspected, error) {
	p, err := loadPlan(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, usage("%w", err)
	}
	r, err := p.Cost()
	if err != nil {
		return nil, err
	}
	profile, _ := choose.ParseProfile("") // the default is no error
	profile.Price(r)
	v := &inspected{
		Schema: inspectSchema, Model: p.Model, Digest: r.PlanDigest, Format: p.Version, Size: info.Size(),
		Inputs: p.Inputs, Head: p.Head, Labels: p.Labels, Reveal: p.Reveal, Network: cmp.Or(p.Profile, profile.Name), Maker: p.Maker, Cost: r.Total, Memory: r.Memory,
	}
	for i, o := range p.Outputs {
		kind, _ := p.KindOf(i)
		v.Outputs = append(v.Outputs, outputText{o.Name, o.Shape, kind})
	}
	return v, nil
}

// preprocessing says in words what is done to a picture.
func preprocessing(p plan.Preprocess) string {
	if p.Preset == "" {
		return ""
	}
	text := ", from pictures: " + p.Preset
	for _, part := range []struct {
		there  bool
		format string
		what   any
	}{
		{p.Colour != "", ", %v", p.Colour}, {p.Layout != "", ", %v", p.Layout},
		{p.Crop != "", ", the middle %v first", p.Crop}, {p.Via > 0, ", resized to %v first", p.Via},
		{p.Resize > 0, ", shorter side resized to %v, the middle cut out", p.Resize}, {p.Resize == 0, ", stretched to the input's size%v", ""},
		{p.Range > 0, ", 16-bit values up to %v", p.Range},
		{len(p.Scale) > 0, ", times %v", p.Scale}, {len(p.Shift) > 0, ", plus %v", p.Shift},
	} {
		if part.there {
			text += fmt.Sprintf(part.format, part.what)
		}
	}
	return text
}

// headOps names the operators that the client computes, each once with how often.
func headOps(head []plan.HeadOp) string {
	times, order := map[string]int{}, []string(nil)
	for _, op := range head {
		name := op.Op
		if name == "func" {
			name = op.Name
		}
		if name == "const" {
			continue
		}
		if times[name]++; times[name] == 1 {
			order = append(order, name)
		}
	}
	for i, name := range order {
		if n := times[name]; n > 1 {
			order[i] = fmt.Sprintf("%s (%d times)", name, n)
		}
	}
	return strings.Join(order, ", ")
}

// revealed says what the client learns.
var revealed = map[plan.Reveal]string{
	plan.RevealValues: "every value of the outputs",
	plan.RevealArgMax: "the index of the largest value, not the values",
	plan.RevealTopK:   "the indices of the largest values in their order, not the values",
}

func (v *inspected) print(w io.Writer) error {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("model", "%s", out.Line(v.Model))
	line("digest", "%s", v.Digest)
	line("file", "%s, plan format %d", bytesText(v.Size), v.Format)
	for _, in := range v.Inputs {
		line("input", "%s %v%s", out.Line(in.Name), in.Shape, preprocessing(in.Preprocess))
	}
	if n := len(v.Head); n > 0 {
		line("client", "computes of its inputs itself, before it encodes them: %s", headOps(v.Head))
	}
	for _, o := range v.Outputs {
		line("output", "%s %v: %s", out.Line(o.Name), o.Shape, o.Kind)
	}
	if len(v.Labels) > 0 {
		var shown []string
		for _, l := range v.Labels[:min(len(v.Labels), 10)] {
			shown = append(shown, out.Line(strings.TrimSpace(l)))
		}
		text := strings.Join(shown, ", ")
		if len(v.Labels) > len(shown) {
			text += ", ..."
		}
		line("labels", "%d: %s", len(v.Labels), text)
	}
	line("reveals", "%s", revealed[v.Reveal])
	line("made for", "%s (compile --profile)", out.Line(v.Network))
	if v.Maker != "" {
		line("made by", "secc %s", out.Line(v.Maker))
	}
	if v.Signed != "" {
		line("signed by", "the key of %s", v.Signed)
	}
	line("costs", "%s, %d rounds, about %.2f s in a local network", bytesText(v.Cost.Bytes), v.Cost.Rounds, v.Cost.Seconds)
	_, err := fmt.Fprintf(w, "%-9s at most %s at the server and %s at the client\n", "memory", bytesText(v.Memory.Server), bytesText(v.Memory.Client))
	return err
}
