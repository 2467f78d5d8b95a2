package evaluate

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
)

func TestTruth(t *testing.T) {
	p := &plan.Plan{Labels: []string{"cat", "dog"}, Inputs: []plan.Input{{Shape: []int{1, 4}}}, Outputs: []plan.Output{{Name: "y", Shape: []int{1, 2}}}}
	one := &plan.Plan{Inputs: p.Inputs, Outputs: []plan.Output{{Name: "y", Shape: []int{1, 1}}}}
	for name, c := range map[string]struct {
		p       *plan.Plan
		file    string
		sources string
		want    *Truth
		err     string
	}{
		"by position":     {p, "1\ncat\n", "a b", &Truth{class: []int{1, 0}}, ""},
		"too many":        {p, "1\ncat\n0", "a b", nil, "3 answers for 2 examples"},
		"too few":         {p, "1", "a b", nil, "1 answers for 2 examples"},
		"by name":         {p, "file,label\nb.png,dog\na.png,cat\nother.png,dog", "a.png b.png", &Truth{class: []int{0, 1}}, ""},
		"by path":         {p, "x/a.png,dog\ny/a.png,cat", "y/a.png x/a.png", &Truth{class: []int{0, 1}}, ""},
		"by name, far":    {p, "/data/b.png,1\r\n/data/a.png,0\r\n", "in/a.png in/b.png", &Truth{class: []int{0, 1}}, ""},
		"name missing":    {p, "a.png,dog", "a.png b.png", nil, `the first is "b.png"`},
		"JSON map":        {p, `{"b.png": 1, "a.png": "cat"}`, "a.png b.png", &Truth{class: []int{0, 1}}, ""},
		"JSON map, multi": {p, `{"b.png": [1, 1], "a.png": [0, 1]}`, "a.png b.png", &Truth{multi: [][]bool{{false, true}, {true, true}}}, ""},
		"JSON list":       {p, `[1, 0]`, "a b", &Truth{class: []int{1, 0}}, ""},
		"multi by name":   {p, "a.png,0,1\nb.png,1,1", "a.png b.png", &Truth{multi: [][]bool{{false, true}, {true, true}}}, ""},
		"many in a file":  {p, "1\n0", "all.u8 all.u8", &Truth{class: []int{1, 0}}, ""},
		"one finding":     {one, "1\n0", "a b", &Truth{multi: [][]bool{{true}, {false}}}, ""},
		"folders":         {p, ByFolder, "wolf/a.png fox/b.png", &Truth{class: []int{1, 0}}, ""},
		"folders, named":  {p, "", "dog/a.png cat/b.png", &Truth{class: []int{1, 0}}, ""},
		"no folders":      {p, ByFolder, "a.png fox/b.png", nil, "in no folder"},
		"three folders":   {p, ByFolder, "a/a.png b/b.png c/c.png", nil, "3 folders for 2 classes"},
		"nothing said":    {p, "", "wolf/a.png", nil, ""},
		"unknown":         {p, "1\nbird", "a b", nil, "neither a label"},
	} {
		from := c.file
		if from != "" && from != ByFolder {
			from = filepath.Join(t.TempDir(), "labels")
			if err := os.WriteFile(from, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := LoadTruth(from, c.p, strings.Fields(c.sources), 0)
		if c.err == "" && err == nil && from != ByFolder && from != "" { // the first of them may be asked for alone
			if _, err := LoadTruth(from, c.p, strings.Fields(c.sources), 1); err != nil {
				t.Errorf("%s, the first: %v", name, err)
			}
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", name, err, c.err)
		}
		if err == nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
