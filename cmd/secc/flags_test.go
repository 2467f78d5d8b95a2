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

// ofMany are the flags whose descriptions only look like lists of values.
var ofMany = []string{"host", "proxy-protocol", "calibrate", "data"}

// Every flag is given somewhere: in a script or a test, or by a page whose commands run, to a
// command that has it. (Commands that share a flag share its description.) One that takes one
// of a few values completes them.
func TestEveryFlagIsTried(t *testing.T) {
	given := givenFlags(t)
	values := regexp.MustCompile(`(?:^|: )([a-z]+(?:, [a-z]+)* or [a-z]+)\b`)
	tried := map[[2]string]bool{} // by name and description
	visitFlags(newRootCmd(), func(c *cobra.Command, f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || f.Name == "version" {
			return
		}
		k := [2]string{f.Name, f.Usage}
		tried[k] = tried[k] || given(c, f)
		list := values.FindString(f.Usage)
		if f.Value.Type() != "bool" && list != "" && flagValues[f.Name] == nil && !slices.Contains(ofMany, f.Name) {
			t.Errorf("%s --%s takes %q: a row of flagValues completes that", c.CommandPath(), f.Name, list)
		}
	})
	for k, yes := range tried {
		if !yes {
			t.Errorf("no test, script or page gives --%s (%s)", k[0], k[1])
		}
	}
}

func visitFlags(c *cobra.Command, f func(*cobra.Command, *pflag.Flag)) {
	c.LocalFlags().VisitAll(func(x *pflag.Flag) { f(c, x) })
	for _, sub := range c.Commands() {
		visitFlags(sub, f)
	}
}

// givenFlags reads everything that gives flags and says whether one is given to a command:
// behind its words, in a line of a script or a page, or in a Go test.
func givenFlags(t *testing.T) func(*cobra.Command, *pflag.Flag) bool {
	t.Helper()
	var lines []string
	for _, pattern := range []string{"testdata/script/*.txt", "*_test.go", "../secc-client/*_test.go", "../internal/*/*_test.go", "../../deploy/*", "../../deploy/*/*", "../../scripts/*", "../../scripts/*/*", "../../docs/*.md", "../../README.md"} {
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
			whole := strings.ReplaceAll(string(text), "\\\n", " ")
			if ext := filepath.Ext(f); ext != ".txt" && ext != ".md" { // arguments stand in lists
				whole = strings.ReplaceAll(whole, "\n", " ")
			}
			for line := range strings.Lines(whole) {
				if filepath.Ext(f) != ".md" || strings.Contains(line, "secc ") { // prose names flags, too
					lines = append(lines, line)
				}
			}
		}
	}
	return func(c *cobra.Command, f *pflag.Flag) bool {
		forms := []string{"--" + f.Name}
		if f.Shorthand != "" {
			forms = append(forms, " -"+f.Shorthand, `"-`+f.Shorthand)
		}
		words := strings.ReplaceAll(strings.TrimPrefix(c.CommandPath(), "secc "), " ", `\W+`)
		for _, form := range forms {
			given := regexp.MustCompile(`\b` + words + `\b.*` + form + `(?:[^-\w]|$)`)
			if slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, form) && given.MatchString(line) }) {
				return true
			}
		}
		return false
	}
}
