package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"secc.example/secc/internal/safefile"
)

// The page of explain --html about several models: a table and, where accuracies
// are known, a plot of them against bytes.

//go:embed comparison.html
var comparisonText string

var comparisonTemplate = parsePage("comparison", comparisonText, template.FuncMap{
	"percent": percentText, "number": func(i int) int { return i + 1 }, "accuracy": func(a *float64) string { return accuracyText(*a) },
})

type comparisonPage struct {
	*backbones
	Plot *scatterPlot // nil without accuracies
}

// scatterPlot is laid out in the units of its picture.
type scatterPlot struct {
	plotFrame
	X, Y   []pageTick
	Series []plotSeries
}

// plotFrame is where the axes lie.
type plotFrame struct{ Width, Height, Left, Right, Top, Bottom int }

func (f plotFrame) InnerWidth() int  { return f.Right - f.Left }
func (f plotFrame) InnerHeight() int { return f.Bottom - f.Top }
func (f plotFrame) Below() int       { return f.Bottom + 18 }
func (f plotFrame) Beside() int      { return f.Left - 6 }

// plotSeries is one system: its points, and the path through those on the front.
type plotSeries struct {
	Name, Class, Front string
	Points             []plotPoint
}

type plotPoint struct {
	Model, Label string
	Number       int
	X, Y         float64
	Front        bool
}

// saveComparison writes the page of several models.
func saveComparison(path string, a *backbones) error {
	var b bytes.Buffer
	if err := writeComparison(&b, a); err != nil {
		return err
	}
	if err := safefile.Write(path, b.Bytes(), safefile.Public); err != nil {
		return usage("%w", err)
	}
	return nil
}

func writeComparison(w io.Writer, a *backbones) error {
	p := &comparisonPage{backbones: a}
	if a.Rows[0].Accuracy != nil {
		p.Plot = plotOf(a)
	}
	return comparisonTemplate.Execute(w, p)
}

// plotOf puts accuracies over the logarithm of bytes, system by system.
func plotOf(a *backbones) *scatterPlot {
	p := &scatterPlot{plotFrame: plotFrame{Width: 720, Height: 400, Left: 64, Right: 704, Top: 12, Bottom: 368}}
	x, y := p.scales(a)
	systems := []plotSeries{{Name: "CrypTFlow2 over OT", Class: "ot"}, {Name: "with Winograd", Class: "wino"}, {Name: "this compiler's plan", Class: "secc"}}
	for s := range systems {
		for i := range a.Rows {
			r, c := &a.Rows[i], a.Rows[i].systems()[s]
			systems[s].Points = append(systems[s].Points, plotPoint{
				Model: r.Model, Label: accuracyText(*r.Accuracy) + ", " + decimalBytes(c.Bytes),
				Number: i + 1, X: x(float64(c.Bytes)), Y: y(*r.Accuracy), Front: c.Pareto,
			})
		}
		systems[s].Front = frontPath(systems[s].Points)
	}
	p.Series = systems
	return p
}

// scales lays out both axes and gives the place of bytes and accuracies.
func (p *scatterPlot) scales(a *backbones) (x, y func(float64) float64) {
	low, high := math.Inf(1), math.Inf(-1)
	least, most := math.Inf(1), math.Inf(-1)
	for i := range a.Rows {
		for _, c := range a.Rows[i].systems() {
			log := math.Log10(float64(max(c.Bytes, 1)))
			low, high = min(low, log), max(high, log)
		}
		least, most = min(least, *a.Rows[i].Accuracy), max(most, *a.Rows[i].Accuracy)
	}
	low, high = low-0.2, high+0.2
	step := accuracyStep(most - least)
	least, most = math.Floor(least/step-0.5)*step, math.Ceil(most/step+0.5)*step
	x = func(bytes float64) float64 {
		return float64(p.Left) + float64(p.InnerWidth())*(math.Log10(max(bytes, 1))-low)/(high-low)
	}
	y = func(share float64) float64 {
		return float64(p.Bottom) - float64(p.InnerHeight())*(share-least)/(most-least)
	}
	for e := int(math.Ceil(low)); float64(e) <= high; e++ {
		bytes := math.Pow(10, float64(e))
		p.X = append(p.X, pageTick{At: x(bytes), Text: decimalBytes(int64(bytes))})
	}
	for n := math.Round(least / step); n*step <= most+step/2; n++ {
		p.Y = append(p.Y, pageTick{At: y(n * step), Text: fmt.Sprintf("%.4g %%", 100*n*step)})
	}
	return x, y
}

// accuracyStep is the distance of the lines: some five of them over a span.
func accuracyStep(span float64) float64 {
	for _, step := range []float64{0.001, 0.002, 0.005, 0.01, 0.02, 0.05} {
		if span <= 5*step {
			return step
		}
	}
	return 0.1
}

// frontPath joins the points on the front by steps: what is to be had for so much.
func frontPath(points []plotPoint) string {
	var front []plotPoint
	for _, p := range points {
		if p.Front {
			front = append(front, p)
		}
	}
	slices.SortFunc(front, func(a, b plotPoint) int {
		switch {
		case a.X < b.X || a.X == b.X && a.Y > b.Y:
			return -1
		case a.X == b.X && a.Y == b.Y:
			return 0
		}
		return 1
	})
	var d strings.Builder
	for i, p := range front {
		if i == 0 {
			fmt.Fprintf(&d, "M%.1f %.1f", p.X, p.Y)
			continue
		}
		fmt.Fprintf(&d, "H%.1fV%.1f", p.X, p.Y)
	}
	return d.String()
}
