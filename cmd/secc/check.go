package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"secc.example/secc"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/passes"
)

// checkSchema names the JSON shape of secc check.
const checkSchema = "secc.check/1"

// checkReport is everything that is wrong with a model at once.
type checkReport struct {
	Schema    string             `json:"schema"`
	Model     string             `json:"model"`
	OK        bool               `json:"ok"`
	Nodes     int                `json:"nodes"`     // functions inlined
	Supported int                `json:"supported"` // nodes that nothing was found wrong with
	Share     float64            `json:"supported_share"`
	Problems  []onnx.Unsupported `json:"problems"`
	Malformed string             `json:"malformed,omitempty"` // the file is no valid model: nothing else could be said
	Warnings  []string           `json:"warnings,omitempty"`
	Cost      *aboutReport       `json:"estimate,omitempty"` // of an inference, from shapes alone
}

// aboutReport is what an inference will take, about.
type aboutReport struct {
	Bytes   int64            `json:"bytes"`
	Memory  int64            `json:"memory_bytes"` // at either party
	Dearest *passes.NodeCost `json:"dearest_node,omitempty"`
	Peak    passes.NodeCost  `json:"memory_peak_node"`
}

func newCheckCmd() *cobra.Command {
	f := new(compileFlags)
	c := &cobra.Command{
		Use:   "check MODEL.onnx",
		Short: "Say everything that keeps a model from being compiled, at once",
		Long: `Import and compile a model without writing anything. Everything that is wrong is
listed in one go: node, operator, opset, reason and, where something helps, a
hint; with the share of nodes that are supported. Exit code 3 if anything is.`,
		Example: "  secc check model.onnx --json",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE:    func(c *cobra.Command, args []string) error { return f.check(c, args[0]) },
	}
	f.register(c)
	c.Flags().BoolVar(&f.json, "json", false, "print JSON ("+checkSchema+")")
	return c
}

func (f *compileFlags) check(c *cobra.Command, path string) error {
	data, opts, err := f.source(path)
	if err != nil {
		return err
	}
	r := &checkReport{Schema: checkSchema, Model: opts.Name, Problems: []onnx.Unsupported{}}
	log := newLog(c.ErrOrStderr())
	opts.Warn = func(text string) { log.Warn(text) }
	if err := r.examine(c.Context(), data, opts); err != nil {
		return err
	}
	r.OK = len(r.Problems) == 0 && r.Malformed == ""
	if r.Nodes > 0 {
		r.Share = float64(r.Supported) / float64(r.Nodes)
	}
	if f.json {
		err = out.JSON(c.OutOrStdout(), r)
	} else {
		r.print(c.OutOrStdout())
	}
	if err == nil && !r.OK {
		err = coded(exitUnsupported, fmt.Errorf("%s cannot be compiled", path))
	}
	return err
}

// examine takes the model as far as it goes. Only wrong flags are an error.
func (r *checkReport) examine(ctx context.Context, data []byte, o secc.Options) error {
	nodes, err := onnx.Nodes(data, onnx.Options{InputShapes: o.InputShapes, Set: o.Set, Batch: o.Batch, Dir: o.Dir, Name: o.Name, Stop: ctx.Err})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		r.Malformed = err.Error()
		return nil
	}
	r.Nodes, r.Supported = len(nodes), len(nodes)
	m, err := secc.Import(ctx, data, o)
	var list *onnx.UnsupportedError
	var bad *secc.ModelError
	switch {
	case errors.As(err, &list):
		r.Problems, r.Nodes, r.Supported = list.Entries, list.Nodes, list.Supported
		return nil
	case errors.As(err, &bad):
		r.Malformed, r.Supported = err.Error(), 0
		return nil
	case err != nil:
		return flagged(err)
	}
	if e := passes.About(m.Graph); e != nil {
		r.Cost = &aboutReport{Bytes: e.Bytes, Memory: e.Memory, Peak: e.Peak}
		if len(e.Nodes) > 0 {
			r.Cost.Dearest = &e.Nodes[0]
		}
	}
	made, err := m.Compile(ctx, o.Profile)
	if errors.As(err, &bad) {
		r.refused(nodes, bad.Err)
		return nil
	}
	if err != nil {
		return err
	}
	r.Warnings = made.Warnings
	return nil
}

// refused files what the compiler says under the nodes that it names.
func (r *checkReport) refused(nodes []onnx.Node, err error) {
	seen := map[string]bool{}
	for _, e := range passes.Refusals(err) {
		u := onnx.Unsupported{Reason: e.Error()}
		var dear *passes.CostError
		if errors.As(e, &dear) {
			u.Hint = dear.Remedy()
		}
		var poor *passes.PoorError
		if errors.As(e, &poor) {
			u.Hint = poor.Remedy()
		}
		var at *passes.Refusal
		if errors.As(e, &at) {
			u = onnx.Unsupported{Node: at.Node, Op: string(at.Op), Reason: at.Reason}
			i := slices.IndexFunc(nodes, func(n onnx.Node) bool { return n.Name == at.Node })
			if i >= 0 {
				u.Op, u.Domain, u.Opset = nodes[i].Op, nodes[i].Domain, nodes[i].Opset
			}
			if i >= 0 && !seen[at.Node] {
				r.Supported--
			}
			seen[at.Node] = true
		}
		r.Problems = append(r.Problems, u)
	}
}

func (r *checkReport) print(w io.Writer) {
	if r.Malformed != "" {
		fmt.Fprintf(w, "%s: no valid model: %s\n", r.Model, r.Malformed)
		return
	}
	for _, u := range r.Problems {
		if u.Node == "" {
			fmt.Fprintln(w, u.Reason)
		} else {
			fmt.Fprintln(w, u)
		}
		if u.Hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", u.Hint)
		}
	}
	for _, text := range r.Warnings {
		fmt.Fprintf(w, "warning: %s\n", text)
	}
	if e := r.Cost; e != nil {
		fmt.Fprintf(w, "an inference sends about %s", bytesText(e.Bytes))
		if e.Dearest != nil {
			fmt.Fprintf(w, ", %s of it at node %q (%s)", bytesText(e.Dearest.Bytes), e.Dearest.Node, e.Dearest.Op)
		}
		fmt.Fprintf(w, ", and either party holds about %s, at node %q (%s)\n", bytesText(e.Memory), e.Peak.Node, e.Peak.Op)
	}
	verdict := "can be compiled"
	if !r.OK {
		verdict = fmt.Sprintf("cannot be compiled: %d problems", len(r.Problems))
	}
	fmt.Fprintf(w, "%s: %d of %d nodes supported (%.1f %%); %s\n", r.Model, r.Supported, r.Nodes, 100*r.Share, verdict)
}
