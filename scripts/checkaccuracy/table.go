package main

import (
	"fmt"
	"math"
	"os"
	"strings"
)

const head = "| network | target | k | f | s | b | MiB | agrees with onnxruntime | of those not calibrated on | right (onnxruntime's share) | max error (largest output) | mean error | outside the range, wrapped | promised overflow |"

// row is a network's line of the table.
func (c *network) row() string {
	r := c.report
	f := r.Formats
	cells := []string{
		c.name, c.target, f.Ring.String(), f.Fraction.String(), f.Weight.String(), f.Compared.String(),
		fmt.Sprintf("%.1f", r.Bytes/(1<<20)), c.agreement(), c.unseen(), c.right(),
		fmt.Sprintf("%.2g (%.3g)", r.Simulator.MaxError, r.Simulator.MaxAbs), fmt.Sprintf("%.1g", r.Simulator.MeanError),
		fmt.Sprintf("%d, %d of %.2g", r.Over, r.Wrapped, float64(r.Elements)), fmt.Sprintf("%.0e", r.Overflow),
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

// String prints the mean, and the range where there is one.
func (e extent) String() string {
	if e.Min == e.Max {
		return fmt.Sprint(e.Min)
	}
	return fmt.Sprintf("%.1f (%d..%d)", e.Mean, e.Min, e.Max)
}

func (c *network) agreement() string {
	hits := func(s *score) string {
		return fmt.Sprintf("%d/%d", int(math.Round(s.Agreement*float64(s.Cases))), s.Cases)
	}
	text := hits(c.report.Simulator)
	if s := c.report.Secure; s != nil {
		text += ", secure " + hits(s)
	}
	return text
}

func (c *network) unseen() string {
	hits, cases := c.heldOut()
	return fmt.Sprintf("%d/%d", hits, cases)
}

// right says how often the answer is right, or the area under the ROC curve.
func (c *network) right() string {
	sim, float := c.report.Simulator, c.report.Float
	switch {
	case sim.AUROC != nil:
		return fmt.Sprintf("AUROC %.4f (%+.4f)", *sim.AUROC, c.shift())
	case sim.Top1 != nil:
		return fmt.Sprintf("%.0f %% (%.0f %%)", 100**sim.Top1, 100**float.Top1)
	}
	return "-"
}

// The table stands between these lines of the document.
const begin, end = "<!-- table: begin -->", "<!-- table: end -->"

// updateTable replaces the table in a document.
func updateTable(path string, rows []string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s: no lines %s and %s", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+strings.Join(rows, "\n")+"\n"+end+after), 0o644)
}
