package passes

import "fmt"

// Findings is what passes over the real graph learned from the calibration
// inputs, by pass. Whoever rewrites the same network with the same findings gets
// the same graph, value by value, without the inputs.
type Findings map[string][]float64

// found gives what a pass measures: n numbers, as an earlier compilation found
// them if there was one, else as measure does.
func (c *Config) found(pass string, n int, measure func() ([]float64, error)) ([]float64, error) {
	if x, ok := c.replay[pass]; ok {
		if len(x) != n {
			return nil, fmt.Errorf("%d findings for another network: %d are wanted", len(x), n)
		}
		return x, nil
	}
	x, err := measure()
	if err == nil {
		c.findings[pass] = x
	}
	return x, err
}
