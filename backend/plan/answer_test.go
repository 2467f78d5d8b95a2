package plan

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// An answer that is no number does not lose the report, and comes back as it was.
func TestAnswersWithoutNumbersAreWritten(t *testing.T) {
	inf := math.Inf(1)
	r := &Report{
		Outputs: []OutputValues{{Name: "y", Shape: []int{4}, Values: []float32{1.5, float32(math.NaN()), float32(inf), float32(-inf)}}},
		Labels:  []LabelScore{{1, "a", math.NaN()}, {2, "b", -inf}, {3, "c", 0.25}},
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"values":[1.5,"NaN","Infinity","-Infinity"]`, `"score":"NaN"`, `"score":"-Infinity"`, `"score":0.25`, `"name":"y"`, `"label":"b"`} {
		if strings.Count(string(b), want) != 1 {
			t.Errorf("%s is not once in %s", want, b)
		}
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&back)
	if err != nil || string(again) != string(b) {
		t.Errorf("%v: read as %s, written as %s", err, again, b)
	}
}
