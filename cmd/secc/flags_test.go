package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// untried are the flags that no test, script or page gives, and why.
var untried = map[string]string{
	"acme-email": "an authority's business: it stands in what is sent to one",
	"kernels":    "of secc bench linear, which takes minutes",
	"network":    "of secc bench linear, which takes minutes",
}

// ofMany are the flags whose descriptions only look like lists of values.
var ofMany = []string{"host", "proxy-protocol", "calibrate", "data"}

// Every flag is given somewhere: in a script or a test, or by a page whose commands run. One
// that takes one of a few values completes them.
func TestEveryFlagIsTried(t *testing.T) {
	used := commandLines(t)
	values := regexp.MustCompile(`(?:^|: )([a-z]+(?:, [a-z]+)* or [a-z]+)\b`)
	unused := map[string]bool{}
	visitFlags(newRootCmd(), func(c *cobra.Command, f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || f.Name == "version" {
			return
		}
		if !given(used, f) {
			unused[f.Name] = true
		}
		list := values.FindString(f.Usage)
		if f.Value.Type() != "bool" && list != "" && flagValues[f.Name] == nil && !slices.Contains(ofMany, f.Name) {
			t.Errorf("%s --%s takes %q: a row of flagValues completes that", c.CommandPath(), f.Name, list)
		}
	})
	for name := range unused {
		if untried[name] == "" {
			t.Errorf("no test, script or page gives --%s", name)
		}
	}
	for name := range untried {
		if !unused[name] {
			t.Errorf("--%s is tried, or is no flag", name)
		}
	}
}

func given(text string, f *pflag.Flag) bool {
	forms := `--` + f.Name
	if f.Shorthand != "" {
		forms += ` | -` + f.Shorthand
	}
	return regexp.MustCompile(`(?:` + forms + `)(?:[^-\w]|$)`).MatchString(text)
}

func visitFlags(c *cobra.Command, f func(*cobra.Command, *pflag.Flag)) {
	c.LocalFlags().VisitAll(func(x *pflag.Flag) { f(c, x) })
	for _, sub := range c.Commands() {
		visitFlags(sub, f)
	}
}

// commandLines is the text of everything that gives flags: scripts, tests, pages whose
// commands run.
func commandLines(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, pattern := range []string{"testdata/script/*.txt", "*_test.go", "../secc-client/*_test.go", "../../scripts/*", "../../scripts/*/*", "../../docs/*.md", "../../README.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, f := range files {
			if info, err := os.Stat(f); err != nil || info.IsDir() || filepath.Base(f) == "CLI.md" || filepath.Base(f) == "RATIONALE.md" {
				continue
			}
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(text)
		}
	}
	return b.String()
}
