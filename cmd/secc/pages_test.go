package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
)

// Files and tests that pages name are there. RATIONALE.md and CHANGELOG.md tell of what was.
func TestPagesNameWhatIsThere(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files, tests := 0, 0
	everywhere := testNames(t, root+"/...")
	for _, page := range docFiles(t, root) {
		b, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(string(b)), " ") // names are wrapped as well
		for _, path := range namedPaths(root, text) {
			files++
			if !pathIsThere(root, path) {
				t.Errorf("%s names %s, which is not there", page, path)
			}
		}
		for _, name := range testName.FindAllStringSubmatch(text, -1) {
			tests++
			if !strings.Contains(everywhere, name[1]) {
				t.Errorf("%s names %s, a test that is nowhere", page, name[1])
			}
		}
		for _, c := range testCommand.FindAllStringSubmatch(text, -1) {
			known := testNames(t, filepath.Join(root, c[1]))
			for _, pattern := range strings.Split(strings.Trim(c[2], "'()$"), "|") {
				tests++
				pattern, _, _ = strings.Cut(pattern, "/")
				if ok, err := regexp.MatchString(strings.TrimSuffix(pattern, "$"), known); !ok || err != nil {
					t.Errorf("%s: %s has no test %s", page, c[1], pattern)
				}
			}
		}
	}
	if files < 100 || tests < 40 {
		t.Errorf("%d files and %d tests are named: the patterns have lost them", files, tests)
	}
}

// Every protocol that sends something has a row that says where its security is argued.
func TestEveryProtocolIsArgued(t *testing.T) {
	b, err := os.ReadFile("../../docs/security/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "\n## Protocols\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, p := range plan.Protos() {
		row, _ := plan.Lookup(p)
		named := regexp.MustCompile("(?m)^\\|[^|]*`" + string(p) + "`").MatchString(table)
		if named == row.Local {
			t.Errorf("protocol %s: local %v, in the table of docs/security/README.md %v", p, row.Local, named)
		}
	}
}

var (
	codeSpan    = regexp.MustCompile("`[^`]+`")
	pathLike    = regexp.MustCompile(`^(?:\./)?([a-z][a-z0-9_.-]*/[A-Za-z0-9_./{},*-]*)`)
	testCommand = regexp.MustCompile(`go test (?:-\S+ (?:slow )?)*(\.\S*) (?:-\S+ )*-run '?([A-Za-z0-9_|/()$.]+)`)
	testName    = regexp.MustCompile("`(Test[A-Z]\\w+)`")
	exported    = regexp.MustCompile(`\.[A-Z]\w*$`) // package.Function
	testFunc    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example|Benchmark)\w*)\(`)
)

// docFiles are the pages, by their paths from the root.
func docFiles(t *testing.T, root string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "conformance" || d.Name() == "node_modules"):
			return fs.SkipDir
		case filepath.Ext(path) == ".md" && d.Name() != "RATIONALE.md" && d.Name() != "CHANGELOG.md":
			name, err := filepath.Rel(root, path)
			all = append(all, filepath.ToSlash(name))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// namedPaths are the paths in a page's code that begin with a folder of the repository.
func namedPaths(root, text string) (all []string) {
	for _, span := range codeSpan.FindAllString(text, -1) {
		for _, word := range strings.Fields(strings.Trim(span, "`")) {
			m := pathLike.FindStringSubmatch(word)
			if m == nil {
				continue
			}
			top, _, _ := strings.Cut(m[1], "/")
			if info, err := os.Stat(filepath.Join(root, top)); err == nil && info.IsDir() {
				all = append(all, exported.ReplaceAllString(strings.Trim(strings.ReplaceAll(m[1], "NAME", "*"), ",./"), ""))
			}
		}
	}
	return all
}

// pathIsThere says whether a path of the repository, with {a,b} and *, names something.
func pathIsThere(root, path string) bool {
	if before, rest, ok := strings.Cut(path, "{"); ok {
		if inside, after, ok := strings.Cut(rest, "}"); ok {
			for _, choice := range strings.Split(inside, ",") {
				if !pathIsThere(root, before+choice+after) {
					return false
				}
			}
			return true
		}
	}
	found, err := filepath.Glob(filepath.Join(root, path))
	return err == nil && len(found) > 0
}

// testNames are the tests of a folder, and with ... of those below, in lines.
func testNames(t *testing.T, dir string) string {
	t.Helper()
	dir, below := strings.CutSuffix(dir, "...")
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && filepath.Clean(path) != filepath.Clean(dir) && !below:
			return fs.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			text, err := os.ReadFile(path)
			for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
				b.WriteString(m[1] + "\n")
			}
			return err
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", dir, err)
	}
	return b.String()
}
