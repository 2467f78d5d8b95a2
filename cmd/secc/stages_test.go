package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"secc.example/secc/passes"
)

// TestStagesAreNamed: nothing is said for two seconds; then the stage, how far
// it is and since when, every five. The table sums up what all took.
func TestStagesAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := follow(&out, "compiling m.onnx")
		s.begin("reading the model")
		time.Sleep(1900 * time.Millisecond)
		synctest.Wait()
		if out.Len() > 0 {
			t.Errorf("too early: %q", out.String())
		}
		s.at(passes.Stage{Name: "signs of comparisons", Done: 39, Of: 118})
		s.at(passes.Stage{Name: "signs of comparisons", Done: 40, Of: 118})
		time.Sleep(5 * time.Second)
		s.begin("packing")
		time.Sleep(500 * time.Millisecond)
		s.end()
		want := "secc: compiling m.onnx, signs of comparisons: 40 of 118, 2 s so far\nsecc: compiling m.onnx, packing, 7 s so far\n"
		if out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
		out.Reset()
		s.table(&out)
		for _, line := range []string{"reading the model", "1.90 s", "signs of comparisons", "5.00 s", "packing", "0.50 s", "the rest", "all", "7.40 s"} {
			if !strings.Contains(out.String(), line) {
				t.Errorf("no %q in\n%s", line, out.String())
			}
		}
	})
}
