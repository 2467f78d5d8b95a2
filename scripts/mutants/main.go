// Command mutants makes bugs on purpose and says which of them the tests notice. A file
// describes them as a list of
//
//	{"id": "he-one-mask", "what": "one mask for all tiles", "file": "runtime/mpc/he/respond.go",
//	 "old": "uint64(m*e.tiles+t))", "new": "uint64(m*e.tiles))", "test": "./runtime/mpc/he -run View"}
//
// old stands in the file once. The working tree is left alone: the compiler is given the
// changed file in its place. Bugs that no test notices, or that cannot be
// made, make the exit code 1.
//
//	go run ./scripts/mutants FILE.json [ID...]
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// mutant is one bug, and the tests that should see it: packages, and flags of go test.
type mutant struct{ ID, What, File, Old, New, Test string }

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./scripts/mutants FILE.json [ID...]")
		os.Exit(2)
	}
	survived, err := run(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if survived > 0 {
		os.Exit(1)
	}
}

func read(file string) (all []mutant, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}

func run(file string, ids []string) (survived int, err error) {
	all, err := read(file)
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	fmt.Println("| bug | file | result | seconds |\n| --- | --- | --- | --- |")
	for _, m := range all {
		if len(ids) > 0 && !slices.Contains(ids, m.ID) {
			continue
		}
		start := time.Now()
		result, err := m.try(dir)
		switch {
		case err != nil:
			fmt.Fprintf(os.Stderr, "mutants: %s: %v\n", m.ID, err)
			result = "**cannot be made**"
			survived++
		case result == "":
			result = "**survived**"
			survived++
		}
		fmt.Printf("| %s: %s | %s | %s | %.0f |\n", m.ID, m.What, m.File, result, time.Since(start).Seconds())
	}
	return survived, nil
}

// source is the file with the bug in it.
func (m mutant) source() (string, error) {
	src, err := os.ReadFile(m.File)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(src), m.Old); n != 1 || m.Old == m.New {
		return "", fmt.Errorf("what is to be changed stands in %s %d times", m.File, n)
	}
	return strings.Replace(string(src), m.Old, m.New, 1), nil
}

// try tests the program with the bug in it, and names the first test that fails; "" if none does.
func (m mutant) try(dir string) (caught string, err error) {
	src, err := m.source()
	if err != nil {
		return "", err
	}
	path, err := filepath.Abs(m.File)
	if err != nil {
		return "", err
	}
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, []byte(src), 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return "", err
	}
	args := append([]string{"test", "-overlay", overlay, "-vet=off", "-count=1", "-failfast", "-timeout=10m"}, strings.Fields(m.Test)...)
	out, err := exec.Command("go", args...).CombinedOutput()
	switch {
	case err == nil:
		return "", nil
	case strings.Contains(string(out), "[build failed]"), strings.Contains(string(out), "[setup failed]"):
		return "", fmt.Errorf("the bug does not compile:\n%s", out)
	}
	return first(string(out)), nil
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)|^panic: (.{1,60})|^FAIL\s+(\S+)`)

// first names what failed.
func first(out string) string {
	found := failed.FindStringSubmatch(out)
	if found == nil {
		return "failed"
	}
	return strings.Join(found[1:], "")
}
