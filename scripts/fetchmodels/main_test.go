package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every file of a network in testdata is in the table, with its sum: as the whole or as a part.
func TestTestdataIsTheTable(t *testing.T) {
	all, err := sources(table)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for _, s := range all {
		if known[s.path] != "" {
			t.Errorf("%s stands in the table twice", s.path)
		}
		known[s.path] = s.sum
	}
	there, err := filepath.Glob("../../testdata/models/*/*")
	if err != nil || len(there) < 15 {
		t.Fatalf("%v, %v", there, err)
	}
	for _, path := range there {
		name, err := filepath.Rel("../..", path)
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.ToSlash(name)
		if sum := sumOf(path); sum != known[name] && sum != known[strings.TrimPrefix(name, "testdata/")] {
			t.Errorf("%s is not in the table, or another file than it says: sha256 %s", name, sum)
		}
	}
	if n := len(elsewhere(all)); n == 0 || n == len(all) {
		t.Errorf("%d of %d files lie beside the repository", n, len(all))
	}
}

// Every network that the evidence names has its row.
func TestEvidenceIsInTheTable(t *testing.T) {
	pages, err := filepath.Glob("../../docs/evidence/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%v, %v", pages, err)
	}
	named := regexp.MustCompile(`(?:models|light|train)/[a-z0-9_]+[/ ` + "`" + `]|\b(?:densenet|resnet|mobilenet|squeezenet|light)[0-9a-z]*_[a-z0-9_]+`)
	found := map[string]bool{}
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named.FindAllString(string(b), -1) {
			name = strings.Trim(name, "/ `")
			found[name[strings.LastIndex(name, "/")+1:]] = true
		}
	}
	if len(found) < 8 {
		t.Errorf("only %v are named", found)
	}
	for name := range found {
		if !strings.Contains(table, "/"+name+"/") && !strings.Contains(table, "/"+name+",") {
			t.Errorf("%s is named in docs/evidence and not in the table", name)
		}
	}
}

// A folder is filled from testdata and from addresses, never with other bytes, and what
// is there is not touched.
func TestFetch(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(data, "a"): "one", filepath.Join(data, "b"): "other", filepath.Join(dir, "e"): "mine",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const sum = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed" // of "one"
	var log bytes.Buffer
	f := fetcher{log: &log, testdata: data, get: func(url string) ([]byte, error) {
		return map[string][]byte{"right": []byte("one"), "wrong": []byte("two")}[url], map[bool]error{true: errors.New("no net")}[url == "broken"]
	}}
	for _, c := range []struct {
		path, url string
		fetch, ok bool
		says      string
	}{
		{"a", "", false, false, "missing   a\n"},
		{"a", "", true, true, ""},
		{"a", "", false, true, ""},
		{"b", "", true, false, "missing   b\n"},
		{"b", "wrong", true, false, "not these b: wrong has other bytes\nmissing   b\n"},
		{"b", "broken", true, false, "not got   b: no net\nmissing   b\n"},
		{"sub/c", "right", true, true, ""},
		{"e", "right", true, false, "differs   e\n"},
	} {
		log.Reset()
		ok, err := f.check(source{c.path, sum, c.url, "somewhere"}, dir, c.fetch)
		if err != nil || ok != c.ok || log.String() != c.says {
			t.Errorf("%+v: %v, %v, %q", c, ok, err, log.String())
		}
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "e")); string(b) != "mine" {
		t.Errorf("what was there is %q now", b)
	}
}
