package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"secc.example/secc/backend"
	"secc.example/secc/backend/plan"
)

const hostile = `</td><script>alert(1)</script><img src=x onerror=alert(2)>"' {{.Model}}`

// hostilePage is a page whose every name tries to break out.
func hostilePage(t *testing.T, ladder bool) string {
	t.Helper()
	op := plan.OperatorCost{Name: hostile, Op: hostile, Protocol: hostile, Format: hostile, ClientToServer: 3000, ServerToClient: 1000}
	r := &ladderReport{Report: &plan.Report{Model: hostile, PlanDigest: "0123", Operators: []plan.OperatorCost{op}}}
	r.Total.Bytes = 5000
	if ladder {
		r.Ring, r.Scale = 60, 23
		r.Ladder = []backend.LadderStep{{Step: hostile, Bytes: 3e12, Linear: 2e12, NonLinear: 1e12}, {Step: "last", Bytes: 5000, NonLinear: 5000}}
		r.Layers = []backend.LayerCost{{Name: hostile, Op: hostile, Bytes: []int64{3e12, 5000}, Linear: []int64{2e12, 0}}}
	}
	var b bytes.Buffer
	if err := writePage(&b, r, hostile); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// elements reads a page and gives its elements and all of its text.
func elements(t *testing.T, page string) (all []xml.StartElement, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var open []string
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			if len(open) > 0 {
				t.Errorf("not closed: %v", open)
			}
			return all, text
		}
		if err != nil {
			t.Fatalf("the page does not parse: %v", err)
		}
		switch x := tok.(type) {
		case xml.StartElement:
			all, open = append(all, x.Copy()), append(open, x.Name.Local)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			text += string(x)
		}
	}
}

// The page refers to nothing outside itself, and no name becomes markup.
func TestPageIsSelfContained(t *testing.T) {
	for name, page := range map[string]string{"plan": hostilePage(t, false), "ladder": hostilePage(t, true)} {
		selfContained(t, name, page, "rect")
	}
}

// selfContained holds a page to what all pages promise, and to having some drawing.
func selfContained(t *testing.T, name, page, drawing string) {
	t.Helper()
	all, text := elements(t, page)
	if !strings.Contains(text, hostile) {
		t.Errorf("%s: the name of the operator is not shown as it is", name)
	}
	drawn := 0
	for _, e := range all {
		if slices.Contains([]string{"script", "img", "link", "iframe", "object", "image", "use"}, e.Name.Local) {
			t.Errorf("%s: element %s", name, e.Name.Local)
		}
		if e.Name.Local == drawing {
			drawn++
		}
		for _, a := range e.Attr {
			if n := a.Name.Local; n == "src" || n == "href" || n == "style" || strings.HasPrefix(n, "on") {
				t.Errorf("%s: attribute %s=%q of %s", name, n, a.Value, e.Name.Local)
			}
		}
	}
	if drawn == 0 {
		t.Errorf("%s: no %s", name, drawing)
	}
	for _, no := range []string{"://", "url(", "@import", "ZgotmplZ"} {
		if strings.Contains(page, no) {
			t.Errorf("%s: the page contains %q", name, no)
		}
	}
}

// Bars of one operator add up; the longest fills the width.
func TestPageBars(t *testing.T) {
	bars := pageBars([]plan.OperatorCost{
		{Name: "a", Op: "relu", Protocol: plan.ProtoRelu, ClientToServer: 100},
		{Name: "b", Op: "conv", Protocol: plan.ProtoLinearRLWE, ClientToServer: 300, ServerToClient: 100},
		{Name: "a", Op: "extend", Protocol: plan.ProtoExtend, ServerToClient: 100},
		{Name: "local", Op: "add"},
	})
	if len(bars) != 2 || bars[0].Name != "b" || bars[1].Ops != "relu, extend" || bars[1].Bytes != 200 {
		t.Fatalf("%+v", bars)
	}
	want := []pageSegment{{"lin up", 0, 75, 300}, {"lin down", 75, 25, 100}}
	if !slices.Equal(bars[0].Segments, want) {
		t.Errorf("%+v, want %+v", bars[0].Segments, want)
	}
	want = []pageSegment{{"non up", 0, 25, 100}, {"non down", 25, 25, 100}}
	if !slices.Equal(bars[1].Segments, want) {
		t.Errorf("%+v, want %+v", bars[1].Segments, want)
	}
}

// On the log scale equal factors are equal distances.
func TestPageLadder(t *testing.T) {
	ticks, rungs := pageLadder([]backend.LadderStep{{Bytes: 1e12, Linear: 1e12}, {Bytes: 1e9, Linear: 25e7}, {Bytes: 1e6}})
	if a, b := rungs[0].Size-rungs[1].Size, rungs[1].Size-rungs[2].Size; a-b > 1e-9 || b-a > 1e-9 || a <= 0 {
		t.Errorf("distances %g and %g", a, b)
	}
	if rungs[2].Size <= 0 || rungs[0].Size > 100 || rungs[1].Linear*4-rungs[1].Size > 1e-9 || rungs[1].Less != "÷ 1e+03" {
		t.Errorf("%+v", rungs)
	}
	if _, up := pageLadder([]backend.LadderStep{{Bytes: 100}, {Bytes: 300}}); up[1].Less != "× 3" {
		t.Errorf("a step up says %q", up[1].Less)
	}
	var texts []string
	for _, tick := range ticks {
		if tick.Text != "" {
			texts = append(texts, tick.Text)
		}
	}
	if !slices.Equal(texts, []string{"1 MB", "1 GB"}) {
		t.Errorf("ticks %q", texts)
	}
}
