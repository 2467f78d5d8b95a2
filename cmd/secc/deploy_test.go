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
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			continue
		}
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
	b, err := os.ReadFile("../../deploy/helm/templates/configmap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^    ([a-z-]+) = `).FindAllStringSubmatch(string(b), -1)
	for _, m := range found {
		if s := "SECC_" + strings.ToUpper(strings.ReplaceAll(m[1], "-", "_")); !flags[s] && m[1] != "models" {
			t.Errorf("the chart sets %s, which is no flag of secc serve", m[1])
		}
	}
	if len(found) < 10 {
		t.Errorf("%d settings found in the chart", len(found))
	}
}
