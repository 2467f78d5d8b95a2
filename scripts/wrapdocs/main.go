// Command wrapdocs wraps the paragraphs and lists of the Markdown files that it is given, or of
// all of the repository's own, at 100 characters if they have longer lines. Tables, code,
// headings, formulas set off by indentation and HTML stay as they are.
//
//	go run ./scripts/wrapdocs
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

const width = 100

func main() {
	files := os.Args[1:]
	if len(files) == 0 {
		var err error
		if files, err = pages("."); err != nil {
			fail(err)
		}
	}
	for _, f := range files {
		old, err := os.ReadFile(f)
		if err != nil {
			fail(err)
		}
		if overlong(old) == 0 {
			continue
		}
		fmt.Println(f)
		if err := os.WriteFile(f, wrap(old), 0o644); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "wrapdocs:", err)
	os.Exit(1)
}

// pages lists the Markdown files of a tree that are the project's own.
func pages(root string) (all []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "conformance" || d.Name() == "node_modules"):
			return fs.SkipDir
		case filepath.Ext(path) == ".md":
			all = append(all, path)
		}
		return nil
	})
	return all, err
}

var (
	item   = regexp.MustCompile(`^(\s*)([-*]|\d+\.) `)
	asIs   = regexp.MustCompile(`^(\||#|<|>|\[[^\]]+\]:|    )|  $|^\s*$`)
	starts = regexp.MustCompile(`^([-*+]|\d+\.|#+|>|=+|-+)$`) // words that would mean something at the start of a line
)

// overlong counts lines that are too long and can be wrapped.
func overlong(page []byte) (n int) {
	kept := map[string]bool{}
	for line := range strings.Lines(string(wrap(page))) {
		kept[line] = true
	}
	for line := range strings.Lines(string(page)) {
		if utf8.RuneCountInString(line) > width+1 && !kept[line] {
			n++
		}
	}
	return n
}

// wrap wraps a page.
func wrap(page []byte) []byte {
	var out strings.Builder
	var text []string // of the paragraph at hand
	first, rest := "", ""
	flush := func() {
		fill(&out, strings.Join(text, " "), first, rest)
		text, first, rest = nil, "", ""
	}
	code := false
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSuffix(line, "\n")
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		m := item.FindString(line)
		switch {
		case fence || code:
			flush()
			out.WriteString(line + "\n")
			code = code != fence
		case m != "":
			flush()
			first, rest = m, strings.Repeat(" ", len(m))
			text = []string{line[len(m):]}
		case asIs.MatchString(line) && (text == nil || strings.TrimSpace(line) == "" || !strings.HasPrefix(line, "    ")):
			flush()
			out.WriteString(line + "\n")
		default:
			if text == nil {
				first = line[:len(line)-len(strings.TrimLeft(line, " "))]
				rest = first
			}
			text = append(text, strings.TrimSpace(line))
		}
	}
	flush()
	return []byte(out.String())
}

// fill writes words in lines; links and code with spaces in them may be broken, as Markdown
// allows.
func fill(out *strings.Builder, text, first, rest string) {
	if text == "" {
		return
	}
	out.WriteString(first)
	at, begun := utf8.RuneCountInString(first), false
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case !begun:
		case at+1+n > width && !starts.MatchString(word):
			out.WriteString("\n" + rest)
			at = len(rest)
		default:
			out.WriteByte(' ')
			at++
		}
		out.WriteString(word)
		at, begun = at+n, true
	}
	out.WriteByte('\n')
}
