package onnx

import "fmt"

// attrs are a node's attributes: float32, int64, string, []float32, []int64,
// []string or *Tensor.
type attrs map[string]any

// Typed access. An attribute of another type counts as malformed; the error is
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
	v := attr(c, name, int64(missing))
	if v < -maxElements || v > maxElements {
		c.fail(fmt.Errorf("attribute %q is %d: out of range", name, v))
		return missing
	}
	return int(v)
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
		if x < -maxElements || x > 1<<62 {
			c.fail(fmt.Errorf("attribute %q: %v is out of range", name, v))
			return nil
		}
		out[i] = int(min(x, maxElements)) // "to the end" is often spelled as a huge number
	}
	return out
}
