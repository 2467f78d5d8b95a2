package main

import (
	"path/filepath"
	"testing"
)

// The bugs that are kept can still be made: what they change stands where they say, once.
func TestBugsCanBeMade(t *testing.T) {
	t.Chdir("../..")
	files, err := filepath.Glob("scripts/mutants/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		all, err := read(f)
		if err != nil || len(all) == 0 {
			t.Fatalf("%s: %d bugs (%v)", f, len(all), err)
		}
		for _, m := range all {
			if _, err := m.source(); err != nil {
				t.Errorf("%s: %s: %v", f, m.ID, err)
			}
		}
	}
}
