package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every setting that deploy/ makes is a flag that there is.
func TestDeploySettings(t *testing.T) {
	flags := map[string]bool{}
	for _, c := range newRootCmd().Commands() {
		if name := c.Name(); name == "serve" || name == "ask" {
			for _, f := range strings.Fields(c.Flags().FlagUsages()) {
				if name, ok := strings.CutPrefix(f, "--"); ok {
					flags["SECC_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = true
				}
			}
		}
	}
	files, err := filepath.Glob("../../deploy/*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range regexp.MustCompile(`SECC_[A-Z_]+`).FindAllString(string(b), -1) {
			if n++; !flags[s] {
				t.Errorf("%s: %s is no flag of secc serve or secc ask", path, s)
			}
		}
	}
	if n < 10 {
		t.Errorf("%d settings found", n)
	}
}
