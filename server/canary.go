package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime"
)

// sing runs the canary of a version, if it has one, as an inference between two parties.
func (v *Version) sing(ctx context.Context, dir string) error {
	if v.Card.Canary == nil {
		return nil
	}
	p := v.Program.Plan()
	var files []string
	for _, name := range v.Card.Canary.Inputs {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("canary: %q lies outside of the version's folder", name)
		}
		files = append(files, filepath.Join(dir, name))
	}
	tensors, err := input.Load(files, input.Specs(p))
	if err != nil {
		return fmt.Errorf("canary: %w", err)
	}
	values := make([][]float32, len(tensors))
	for i, t := range tensors {
		values[i] = t.Values
	}
	outputs, err := v.infer(ctx, values)
	if err != nil {
		return fmt.Errorf("canary: %w", err)
	}
	if got, ok := best(p, outputs, v.Card.Canary.Answer); !ok {
		return fmt.Errorf("canary: the answer is %s, %q was expected", got, v.Card.Canary.Answer)
	}
	return nil
}

// infer runs both parties in this process.
func (v *Version) infer(ctx context.Context, values [][]float32) ([]plan.OutputValues, error) {
	p := v.Program.Plan()
	encoded, err := runtime.Encode(p, values)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() {
		_, err := v.Program.Serve(ctx, a, v.Weights, runtime.Config{})
		served <- err
	}()
	out, _, err := v.Program.Run(ctx, b, encoded, runtime.Config{})
	if err != nil {
		cancel()
		return nil, errors.Join(err, <-served)
	}
	if err := <-served; err != nil {
		return nil, err
	}
	return runtime.Decode(p, out)
}

// best names the best class of the first output for the first input, and tells whether it is
// the one that was expected, by label or by index.
func best(p *plan.Plan, outputs []plan.OutputValues, want string) (string, bool) {
	kind, classes := p.KindOf(0)
	values := outputs[0].Values
	at := 0
	switch {
	case kind == plan.AnswerClasses:
		at = int(values[0])
	case classes > 0 && classes <= len(values):
		for i, x := range values[:classes] {
			if x > values[at] {
				at = i
			}
		}
	default:
		return "no class", false
	}
	text := strconv.Itoa(at)
	if at < len(p.Labels) && len(p.Labels) == classes {
		label := strings.TrimSpace(p.Labels[at])
		return fmt.Sprintf("%s (%q)", text, label), want == text || want == label
	}
	return text, want == text
}
