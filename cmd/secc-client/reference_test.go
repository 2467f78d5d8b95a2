package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// A flag of secc-client is one of secc run, and docs/CLI.md says what it does.
func TestFlagsAreThoseOfRun(t *testing.T) {
	page, err := os.ReadFile("../../docs/CLI.md")
	if err != nil {
		t.Fatal(err)
	}
	_, run, ok := strings.Cut(string(page), "\n## secc run\n")
	if !ok {
		t.Fatal("docs/CLI.md has no section on secc run")
	}
	run, _, _ = strings.Cut(run, "\n## ")
	var out, log bytes.Buffer
	command(t.Context(), []string{"--help"}, &out, &log)
	flags := regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[\w-]+)`).FindAllStringSubmatch(out.String()+log.String(), -1)
	if len(flags) < 10 {
		t.Fatalf("%d flags in the help:\n%s%s", len(flags), &out, &log)
	}
	for _, f := range flags {
		if !strings.Contains(run, "`"+f[1]) && !strings.Contains(run, ", "+f[1]) {
			t.Errorf("%s is no flag of secc run", f[1])
		}
	}
}
