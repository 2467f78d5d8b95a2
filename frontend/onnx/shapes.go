package onnx

import (
	"fmt"
	"math"
	"slices"
	"strconv"
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
	for name := range im.opts.Set {
		if !slices.ContainsFunc(im.m.inputs, func(v valueInfo) bool { return v.name == name }) {
			return fmt.Errorf("onnx: a value is set for %q, which is no input", name)
		}
	}
	return nil
}

// given is the constant that the options put in place of an input; nil if none.
func (im *importer) given(v valueInfo) (*Tensor, error) {
	values, set := im.opts.Set[v.name]
	if !set {
		return im.opts.Constants[v.name], nil
	}
	shape, ok := im.givenShape(v)
	switch {
	case ok:
	case v.known && !slices.ContainsFunc(v.dims, func(d int) bool { return d < 0 }):
		shape = slices.Clone(v.dims)
	case len(values) == 1 && len(v.dims) == 0:
		shape = []int{}
	case len(v.dims) <= 1:
		shape = []int{len(values)}
	default:
		return nil, fmt.Errorf("onnx: input %q is set, and its shape is open: give it with --input-shape", v.name)
	}
	t, err := newTensor(v.dtype, shape)
	if err != nil {
		return nil, fmt.Errorf("onnx: input %q: %w", v.name, err)
	}
	if len(values) != 1 && len(values) != t.N() {
		return nil, fmt.Errorf("onnx: input %q has shape %v, it is set to %d numbers", v.name, shape, len(values))
	}
	for i := range t.N() {
		x := values[min(i, len(values)-1)]
		if t.I == nil {
			t.F[i] = float32(x)
			continue
		}
		if t.I[i] = int64(x); float64(t.I[i]) != x {
			return nil, fmt.Errorf("onnx: input %q holds %v, it is set to %g", v.name, v.dtype, x)
		}
	}
	return t, nil
}

// ParseValues reads what an input is set to: numbers or truth values, with commas
// between.
func ParseValues(text string) (values []float64, err error) {
	for _, s := range strings.Split(text, ",") {
		x, err := strconv.ParseFloat(s, 64)
		switch s {
		case "true":
			x, err = 1, nil
		case "false":
			x, err = 0, nil
		}
		if err != nil || math.IsNaN(x) {
			return nil, fmt.Errorf("%q is no number", s)
		}
		values = append(values, x)
	}
	return values, nil
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
		if s, ok := im.givenShape(v); ok && v.known {
			if err := im.bindGiven(v, s); err != nil {
				return err
			}
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

// bindGiven reads off the shape that is given for an input what its symbols stand for.
func (im *importer) bindGiven(v valueInfo, s []int) error {
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
