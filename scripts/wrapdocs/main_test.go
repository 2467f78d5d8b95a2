package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWrap(t *testing.T) {
	long := strings.Repeat("word ", 30)
	page := "# " + long + "\n\n" + long + "\n" + long + "\n- item " + long + "\n  goes on\n\n| " + long + "|\n\n```\n" + long + "\n```\n"
	got := string(wrap([]byte(page)))
	for line := range strings.Lines(got) {
		prose := strings.HasPrefix(line, "word") && !strings.Contains(got, "```\n"+line) || strings.HasPrefix(line, "- ")
		if n := utf8.RuneCountInString(line); prose && n > width+1 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
	if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(page), " ") {
		t.Error("words were lost")
	}
	if again := wrap([]byte(got)); string(again) != got {
		t.Errorf("wrapped again it is another:\n%s\n%s", got, again)
	}
}

// Every page of the repository is wrapped, and its links to other files lead somewhere.
func TestPages(t *testing.T) {
	all, err := pages("../..")
	if err != nil || len(all) < 10 {
		t.Fatal(len(all), err)
	}
	link := regexp.MustCompile(`\]\(([^)\s#]+)(#[^)\s]*)?\)`)
	code := regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	for _, f := range all {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if n := overlong(b); n > 0 {
			t.Errorf("%s: %d lines of more than %d characters: go run ./scripts/wrapdocs", f, n, width)
		}
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(string(b), ""), -1) {
			if strings.Contains(m[1], ":") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(f), m[1])); err != nil {
				t.Errorf("%s: link to %s: %v", f, m[1], err)
			}
		}
	}
}
