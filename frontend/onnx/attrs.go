package onnx

import "fmt"

// attrs are a node's attributes: float32, int64, string, []float32, []int64,
// []string or *Tensor.
type attrs map[string]any

// attr gives an attribute. One of another type counts as malformed; the error is
// remembered in the ctx, so that importer functions read straight through.
func attr[T any](c *ctx, name string, missing T) T {
	v, ok := c.attrs[name]
	if !ok {
		return missing
	}
	t, ok := v.(T)
	if !ok {
		c.fail(fmt.Errorf("attribute %q has type %T, want %T", name, v, missing))
		return missing
	}
	return t
}

func (c *ctx) has(name string) bool { _, ok := c.attrs[name]; return ok }

func (c *ctx) int(name string, missing int) int {
	return clamped(attr(c, name, int64(missing)))
}

func (c *ctx) flag(name string, missing bool) bool {
	d := 0
	if missing {
		d = 1
	}
	return c.int(name, d) != 0
}

func (c *ctx) float(name string, missing float64) float64 {
	return float64(attr(c, name, float32(missing)))
}

func (c *ctx) str(name, missing string) string { return attr(c, name, missing) }

// ints gives a list attribute; nil where absent.
func (c *ctx) ints(name string) []int {
	v := attr(c, name, []int64(nil))
	if v == nil {
		return nil
	}
	out := make([]int, len(v))
	for i, x := range v {
		out[i] = clamped(x)
	}
	return out
}

// clamped keeps a number within what no dimension reaches: "to the end" and "from
// the start" are often spelled as the largest and the smallest integer there is.
func clamped(x int64) int { return int(min(max(x, -maxElements-1), maxElements+1)) }
