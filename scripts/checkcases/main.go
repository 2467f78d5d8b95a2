// Command checkcases tries models from outside as a user would: it compiles each
// on its calibration inputs and compares the float network, the simulation and,
// where that is cheap, two processes with another engine's answers.
//
// A model must be right, or be refused in words that name the node and say what
// to do. A folder of cases holds index.json and models/NAME with model.onnx,
// meta.json, calib_*/input_i.pb, test_data_set_*/input_i.pb and ref.json.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// exitTolerance is what secc's exit codes say for a wrong answer.
const exitTolerance = 4

// settings are the command's flags.
type settings struct {
	only   *regexp.Regexp
	secure int64  // multiplications up to which a network runs securely too
	secc   string // the program
	dir    string // for its files
}

// result is what is said of one case.
type result struct {
	Name      string `json:"name"`
	Verdict   string `json:"verdict"`
	Float     string `json:"float"`
	Simulated string `json:"simulated"`
	Secure    string `json:"secure"`
	Message   string `json:"message"`
}

// total counts verdicts.
type total struct {
	Cases   int `json:"cases"`
	Right   int `json:"right"`
	Clear   int `json:"refused_clearly"`
	Refused int `json:"refused"`
	Wrong   int `json:"wrong"`
}

func (t *total) add(verdict string) {
	t.Cases++
	switch verdict {
	case verdictRight:
		t.Right++
	case verdictClear:
		t.Clear++
	case verdictRefused:
		t.Refused++
	default:
		t.Wrong++
	}
}

func main() {
	dir, args := "../shared/cases", os.Args[1:]
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		dir, args = args[0], args[1:]
	}
	only := flag.String("run", "", "only cases whose name matches this regular expression")
	secure := flag.Int64("secure", 20_000_000, "run networks of so many multiplications or fewer through the real protocol too")
	asJSON := flag.Bool("json", false, "print JSON")
	_ = flag.CommandLine.Parse(args) // exits by itself
	if flag.NArg() > 0 {
		dir = flag.Arg(0)
	}
	sum, err := run(dir, *only, *secure, *asJSON, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "check-cases:", err)
		os.Exit(1)
	}
	if sum.Wrong+sum.Refused > 0 {
		os.Exit(exitTolerance)
	}
}

// run tries the cases of a folder one after the other.
func run(dir, only string, secure int64, asJSON bool, w io.Writer) (sum total, err error) {
	s := &settings{secure: secure}
	if s.only, err = regexp.Compile(only); err != nil {
		return sum, fmt.Errorf("-run: %w", err)
	}
	if s.dir, err = os.MkdirTemp("", "secc-cases-"); err != nil {
		return sum, err
	}
	defer os.RemoveAll(s.dir)
	s.secc = filepath.Join(s.dir, "secc")
	if out, err := exec.Command("go", "build", "-o", s.secc, "secc.example/secc/cmd/secc").CombinedOutput(); err != nil {
		return sum, fmt.Errorf("build: %w\n%s", err, out)
	}
	rows, err := index(dir)
	if err != nil {
		return sum, err
	}
	if !asJSON {
		fmt.Fprintf(w, "%-32s %-16s %13s %13s %13s  %s\n", "case", "verdict", "float", "simulated", "secure", "message")
	}
	results := []result{}
	for _, row := range rows {
		if !s.only.MatchString(row.Name) {
			continue
		}
		r := s.try(filepath.Join(dir, "models", row.Name), row)
		sum.add(r.Verdict)
		results = append(results, r)
		if !asJSON {
			fmt.Fprintf(w, "%-32s %-16s %13s %13s %13s  %s\n", r.Name, r.Verdict, r.Float, r.Simulated, r.Secure, strings.ReplaceAll(r.Message, "\n", " | "))
		}
	}
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return sum, e.Encode(map[string]any{"total": sum, "cases": results})
	}
	_, err = fmt.Fprintf(w, "%d cases: %d right, %d refused clearly, %d refused, %d wrong\n", sum.Cases, sum.Right, sum.Clear, sum.Refused, sum.Wrong)
	return sum, err
}

// indexRow is what index.json says of a case.
type indexRow struct {
	Name   string
	Flags  []string // more flags of secc compile
	Secure bool     `json:"two_processes"` // run it securely whatever its size
}

func index(dir string) (rows []indexRow, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &rows); err != nil {
		return nil, fmt.Errorf("index.json: %w", err)
	}
	return rows, nil
}
