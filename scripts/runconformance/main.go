// Command runconformance runs the ONNX project's backend cases at three levels:
// the float reference, the fixed-point simulator, and the protocols between two
// parties in this process. It compares each with the published outputs.
//
// A case counts as unsupported where the importer or the compiler says so, and
// as failed where a level that accepted it gives something else than published.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"

	"secc.example/secc/frontend/onnx/onnxtest"
)

// tally counts cases; the JSON form is published.
type tally struct {
	Cases       int `json:"cases"`
	Unsupported int `json:"unsupported"`
	Failed      int `json:"failed"`
	Float       int `json:"float_passed"`
	Simulator   int `json:"simulator_passed"`
	Secure      int `json:"secure_passed"`
}

func (t *tally) add(o outcome) {
	t.Cases++
	if o.refused != "" {
		t.Unsupported++
	}
	if o.failed != "" {
		t.Failed++
	}
	for i, n := range []*int{&t.Float, &t.Simulator, &t.Secure} {
		if o.passed > i {
			*n++
		}
	}
}

var levels = map[string]int{"float": 1, "simulator": 2, "secure": 3}

func main() {
	asJSON := flag.Bool("json", false, "print JSON")
	level := flag.String("level", "secure", "how far to go: float, simulator or secure")
	inside := flag.Bool("inside", false, "put every case into the middle of a network, so that nothing is left to the client alone")
	only := flag.String("only", "", "only cases whose name contains this")
	verbose := flag.Bool("v", false, "print every case that did not pass")
	dir, args := "testdata/conformance", os.Args[1:]
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		dir, args = args[0], args[1:]
	}
	_ = flag.CommandLine.Parse(args)
	if flag.NArg() > 0 {
		dir = flag.Arg(0)
	}
	if levels[*level] == 0 {
		fail(fmt.Errorf("no level %q", *level))
	}
	cases, err := onnxtest.Index(dir)
	if err != nil {
		fail(err)
	}
	total, families := run(cases, *only, levels[*level], *inside, *verbose)
	if *asJSON {
		out, err := json.MarshalIndent(map[string]any{"total": total, "families": families}, "", "  ")
		if err != nil {
			fail(err)
		}
		fmt.Println(string(out))
	} else {
		table(total, families)
	}
	if total.Failed > 0 {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "conformance:", err)
	os.Exit(2)
}

func run(cases []*onnxtest.Case, only string, level int, inside, verbose bool) (*tally, map[string]*tally) {
	total, families := &tally{}, map[string]*tally{}
	for _, c := range cases {
		if !strings.Contains(c.Name, only) {
			continue
		}
		if families[c.Family] == nil {
			families[c.Family] = &tally{}
		}
		o := try(c, level, inside)
		total.add(o)
		families[c.Family].add(o)
		if verbose && o.passed < level {
			fmt.Fprintf(os.Stderr, "%s: %s%s\n", c.Name, o.refused, o.failed)
		}
	}
	return total, families
}

func table(total *tally, families map[string]*tally) {
	names := make([]string, 0, len(families))
	for name := range families {
		names = append(names, name)
	}
	sort.Strings(names)
	row := func(name string, t *tally) {
		fmt.Printf("%-22s %6d %12d %7d %7d %10d %7d\n", name, t.Cases, t.Unsupported, t.Failed, t.Float, t.Simulator, t.Secure)
	}
	fmt.Printf("%-22s %6s %12s %7s %7s %10s %7s\n", "family", "cases", "unsupported", "failed", "float", "simulator", "secure")
	for _, name := range names {
		row(name, families[name])
	}
	row("total", total)
}
