package onnx

import (
	"fmt"
	"slices"
	"strings"
)

// Shapes of graph inputs, which a file may leave open: a symbol stands for one
// number wherever it occurs.

// checkShapes refuses shapes of inputs that are not there: a mistyped name would
// quietly leave the file's own shape.
func (im *importer) checkShapes() error {
	for name := range im.opts.InputShapes {
		if name == "" && len(im.m.inputs) != 1 {
			return fmt.Errorf("onnx: a shape without a name, but %d inputs", len(im.m.inputs))
		}
		if name != "" && !slices.ContainsFunc(im.m.inputs, func(v valueInfo) bool { return v.name == name }) {
			return fmt.Errorf("onnx: a shape for %q, which is no input", name)
		}
	}
	return nil
}

// givenShape is the shape that the options name for an input.
func (im *importer) givenShape(v valueInfo) ([]int, bool) {
	s, ok := im.opts.InputShapes[v.name]
	if !ok {
		s, ok = im.opts.InputShapes[""]
	}
	return s, ok
}

// bindSymbols finds what symbols stand for: the shapes that are given say it, and
// the symbol of a batch is one unless they do.
func (im *importer) bindSymbols() error {
	im.sizes = map[string]int{}
	for _, v := range im.m.inputs {
		s, ok := im.givenShape(v)
		if !ok || !v.known {
			continue
		}
		if len(s) != len(v.dims) {
			return fmt.Errorf("onnx: input %q has rank %d, the given shape %v has rank %d", v.name, len(v.dims), s, len(s))
		}
		for i, symbol := range v.symbols {
			if symbol == "" || v.dims[i] >= 0 {
				continue
			}
			if n, bound := im.sizes[symbol]; bound && n != s[i] {
				return fmt.Errorf("onnx: input %q: dimension %d (%q) is given as %d, and as %d elsewhere", v.name, i, symbol, s[i], n)
			}
			im.sizes[symbol] = s[i]
		}
	}
	for _, v := range im.m.inputs {
		if _, given := im.givenShape(v); given || len(v.dims) < 2 || v.dims[0] >= 0 || v.symbols[0] == "" {
			continue
		}
		if _, bound := im.sizes[v.symbols[0]]; !bound {
			im.sizes[v.symbols[0]] = max(im.opts.Batch, 1)
		}
	}
	return nil
}

// inputShape makes a declared shape static, or says what to give.
func (im *importer) inputShape(v valueInfo) ([]int, error) {
	if s, ok := im.givenShape(v); ok {
		_, err := numel(s)
		return s, err
	}
	if !v.known {
		return nil, refuseHint("give it with --input-shape "+v.name+"=1,3,224,224, say", "the file has no shape for it")
	}
	shape, open := slices.Clone(v.dims), []string{}
	if len(shape) > 0 && im.opts.Batch > 0 {
		shape[0] = im.opts.Batch
	} else if len(shape) > 1 && shape[0] < 0 && v.symbols[0] == "" {
		shape[0] = 1
	}
	want := make([]string, len(shape))
	for i, d := range shape {
		if n, bound := im.sizes[v.symbols[i]]; d < 0 && bound {
			shape[i], d = n, n
		}
		if want[i] = fmt.Sprint(d); d < 0 {
			open = append(open, fmt.Sprintf("dimension %d (%q)", i, v.symbols[i]))
			want[i] = strings.ToUpper(v.symbols[i])
			if want[i] == "" {
				want[i] = "N"
			}
		}
	}
	if len(open) > 0 {
		return nil, refuseHint(fmt.Sprintf("give numbers for them with --input-shape %s=%s", v.name, strings.Join(want, ",")),
			"%s of the input's shape not fixed in the file", strings.Join(open, " and ")+are(len(open)))
	}
	if _, err := numel(shape); err != nil {
		return nil, fmt.Errorf("onnx: input %q: %w", v.name, err)
	}
	return shape, nil
}

func are(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}
