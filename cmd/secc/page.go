package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"os"
	"slices"

	"secc.example/secc/backend"
	"secc.example/secc/backend/plan"
)

// The page of explain --html: one file with its style and its charts inside. It
// refers to nothing outside itself and says so in a content policy. Every name
// comes from a model that may be hostile: html/template escapes them all.

//go:embed page.html
var pageText string

//go:embed pagestyle.html
var pageStyle string

var pageTemplate = parsePage("page", pageText, nil)

// parsePage reads a page's template beside the style that all pages share.
func parsePage(name, text string, more template.FuncMap) *template.Template {
	t := template.New(name).Funcs(template.FuncMap{"bytes": decimalBytes, "binary": bytesText, "count": countText, "seconds": secondsText}).Funcs(more)
	template.Must(t.New("style").Parse(pageStyle))
	return template.Must(t.Parse(text))
}

// page is what the template shows.
type page struct {
	*ladderReport
	Profile string
	Tiles   []pageTile
	Bars    []pageBar // the largest operators, in falling order
	More    []pageBar // all others
	Ticks   []pageTick
	Rungs   []pageRung
}

type pageTile struct{ Label, Value, Note string }

// pageBar is one operator: four segments, in per cent of the longest bar.
type pageBar struct {
	Name, Ops string
	Bytes     int64
	Segments  []pageSegment
}

type pageSegment struct {
	Class       string
	Start, Size float64
	Bytes       int64
}

// Sending is the number of operators with a bar.
func (p *page) Sending() int { return len(p.Bars) + len(p.More) }

// pageTick is a power of ten on the ladder's axis; those of a thousand have a text.
type pageTick struct {
	At   float64
	Text string
}

// pageRung is one step of the ladder: its length is on a log scale, and its two
// parts share that length as they share the bytes.
type pageRung struct {
	backend.LadderStep
	Size, Linear, Rest float64 // in per cent of the axis
	Less               string  // by what it divides the one before
}

// The classes of segments, by half and direction.
var segmentClasses = [4]string{"lin up", "lin down", "non up", "non down"}

const largestBars = 30

// savePage writes the page of a report.
func savePage(path string, r *ladderReport, profile string) error {
	var b bytes.Buffer
	if err := writePage(&b, r, profile); err != nil {
		return err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return usage("%w", err)
	}
	return nil
}

func writePage(w io.Writer, r *ladderReport, profile string) error {
	p := &page{ladderReport: r, Profile: profile, Tiles: pageTiles(r)}
	p.Bars = pageBars(r.Operators)
	n := min(largestBars, len(p.Bars))
	p.Bars, p.More = p.Bars[:n], p.Bars[n:]
	p.Ticks, p.Rungs = pageLadder(r.Ladder)
	return pageTemplate.Execute(w, p)
}

func pageTiles(r *ladderReport) []pageTile {
	t := r.Total
	var linear int64
	for _, o := range r.Operators {
		if backend.IsLinear(o) {
			linear += o.ClientToServer + o.ServerToClient
		}
	}
	tiles := []pageTile{
		{"bytes in all", bytesText(t.Bytes), decimalBytes(t.Bytes)},
		{"linear operators", percentText(linear, t.Bytes), bytesText(linear)},
		{"estimated time", fmt.Sprintf("%.1f s", t.Seconds), fmt.Sprintf("set-up %.1f s, online %.1f s", t.Setup.Seconds, t.Online.Seconds)},
		{"rounds", fmt.Sprint(t.Rounds), fmt.Sprintf("set-up %d, online %d", t.Setup.Rounds, t.Online.Rounds)},
		{"correlated OTs", countText(t.Online.COTs), "made " + countText(t.Setup.COTs)},
	}
	if r.Ladder != nil {
		tiles = append(tiles, pageTile{"against the baseline", fmt.Sprintf("1/%.0f", float64(r.Ladder[0].Bytes)/float64(max(t.Bytes, 1))), decimalBytes(r.Ladder[0].Bytes)})
	}
	return tiles
}

func percentText(part, of int64) string {
	return fmt.Sprintf("%.0f %%", 100*float64(part)/float64(max(of, 1)))
}

// pageBars sums what belongs to one operator and sorts the sums.
func pageBars(operators []plan.OperatorCost) []pageBar {
	at := map[string]int{}
	var bars []pageBar
	var parts [][4]int64
	for _, o := range operators {
		bytes := o.ClientToServer + o.ServerToClient
		if bytes == 0 {
			continue
		}
		i, ok := at[o.Name]
		if !ok {
			i, at[o.Name] = len(bars), len(bars)
			bars, parts = append(bars, pageBar{Name: o.Name, Ops: o.Op}), append(parts, [4]int64{})
		} else {
			bars[i].Ops += ", " + o.Op
		}
		half := 2
		if backend.IsLinear(o) {
			half = 0
		}
		bars[i].Bytes += bytes
		parts[i][half] += o.ClientToServer
		parts[i][half+1] += o.ServerToClient
	}
	longest := int64(1)
	for _, b := range bars {
		longest = max(longest, b.Bytes)
	}
	for i := range bars {
		bars[i].Segments = segments(parts[i], longest)
	}
	slices.SortStableFunc(bars, func(a, b pageBar) int { return int(b.Bytes - a.Bytes) })
	return bars
}

// segments stacks the four parts of a bar.
func segments(parts [4]int64, longest int64) (all []pageSegment) {
	start := 0.0
	for i, n := range parts {
		if n == 0 {
			continue
		}
		size := 100 * float64(n) / float64(longest)
		all = append(all, pageSegment{segmentClasses[i], start, size, n})
		start += size
	}
	return all
}

// pageLadder lays the ladder out between powers of ten.
func pageLadder(steps []backend.LadderStep) ([]pageTick, []pageRung) {
	if len(steps) == 0 {
		return nil, nil
	}
	low, high := math.Inf(1), 0.0
	for _, s := range steps {
		x := math.Log10(float64(max(s.Bytes, 1)))
		low, high = min(low, x), max(high, x)
	}
	low, high = math.Floor(low-0.3), math.Ceil(high)
	at := func(log float64) float64 { return 100 * (log - low) / (high - low) }
	var ticks []pageTick
	for e := int(low) + 1; e < int(high); e++ {
		t := pageTick{At: at(float64(e))}
		if e%3 == 0 {
			t.Text = decimalBytes(int64(math.Pow(10, float64(e))))
		}
		ticks = append(ticks, t)
	}
	rungs := make([]pageRung, len(steps))
	for i, s := range steps {
		size := at(math.Log10(float64(max(s.Bytes, 1))))
		linear := size * float64(s.Linear) / float64(max(s.Bytes, 1))
		rungs[i] = pageRung{LadderStep: s, Size: size, Linear: linear, Rest: size - linear}
		if i > 0 && s.Bytes > 0 {
			rungs[i].Less = changeText(steps[i-1].Bytes, s.Bytes)
		}
	}
	return ticks, rungs
}

// changeText says what became of some bytes.
func changeText(from, to int64) string {
	if to > from {
		return fmt.Sprintf("× %.3g", float64(to)/float64(max(from, 1)))
	}
	return fmt.Sprintf("÷ %.3g", float64(from)/float64(max(to, 1)))
}
