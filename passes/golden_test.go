package passes

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"secc.example/secc/ir"
)

var update = flag.Bool("update", false, "rewrite the expected outputs of testdata/*/*.txtar")

// Every directory of testdata is named after a pass, or after the rewriting that
// comes before them. A file says in its comment what it shows, gives a graph in
// in.ir, and what the pass makes of it in out.ir, or the error in err. An option
// line "target: cost" sets the target.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	seen := map[string]map[outcome]int{}
	for _, f := range files {
		pass := filepath.Base(filepath.Dir(f))
		if seen[pass] == nil {
			seen[pass] = map[outcome]int{}
		}
		t.Run(strings.TrimSuffix(strings.TrimPrefix(f, "testdata/"), ".txtar"), func(t *testing.T) { seen[pass][golden(t, f, pass)]++ })
	}
	if t.Failed() || filtered() {
		return
	}
	names := []string{xoperator}
	for _, p := range Pipeline() {
		names = append(names, p.Name)
	}
	for _, name := range names {
		if n := seen[name]; n[acts] == 0 && !onlyChecks[name] {
			t.Errorf("pass %s has no golden file where it acts", name)
		} else if n[leaves]+n[refuses] == 0 {
			t.Errorf("pass %s has no golden file where it must not act", name)
		}
		delete(seen, name)
	}
	for name := range seen {
		t.Errorf("testdata/%s: no pass of that name", name)
	}
}

// outcome is what a pass does to the graph of a golden file.
type outcome int

const (
	acts outcome = iota
	leaves
	refuses
)

// onlyChecks are the passes that change nothing.
var onlyChecks = map[string]bool{"headroom": true}

// filtered reports that the command line asks for some golden files only.
func filtered() bool { return strings.Contains(flag.Lookup("test.run").Value.String(), "/") }

// xoperator is no pass of the pipeline: it makes another network.
const xoperator = "xoperator"

// fitted finds weights that are the result of a fit: their last bits are not the
// same on every machine. TestXFitFindsWhatIsThere holds them to what they should be.
var fitted = regexp.MustCompile(`(const "[^"]*\.(?:depthwise|dense)\.(?:weight|bias)") \{[^}]*\}`)

func golden(t *testing.T, file, name string) outcome {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	section := map[string]string{}
	for _, f := range a.Files {
		section[f.Name] = string(f.Data)
	}
	g, err := ir.Parse(section["in.ir"], nil)
	if err != nil {
		t.Fatal(err)
	}
	kind, got, did := "out.ir", "", acts
	before, after, err := runPass(g, name, section["options"])
	switch {
	case err != nil:
		kind, got, did = "err", err.Error()+"\n", refuses
	default:
		got = fitted.ReplaceAllString(after, "$1 {fitted}")
		if before == after {
			did = leaves
		}
	}
	if *update {
		rewrite(t, file, a, kind, got)
	} else if want := section[kind]; got != want {
		t.Errorf("%s: %s\ngot:\n%swant:\n%s", file, strings.TrimSpace(string(a.Comment)), got, want)
	}
	return did
}

func rewrite(t *testing.T, file string, a *txtar.Archive, kind, got string) {
	kept := a.Files[:0]
	for _, f := range a.Files {
		if f.Name != "out.ir" && f.Name != "err" {
			kept = append(kept, f)
		}
	}
	a.Files = append(kept, txtar.File{Name: kind, Data: []byte(got)})
	if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

// runPass runs one pass; those of the fixed phase on what scale makes. It gives the graph
// before and after.
func runPass(g *ir.Graph, name, options string) (before, after string, err error) {
	cfg := NewConfig(Options{})
	cfg.Calibration = Random(g, nil)
	if strings.Contains(options, "target: cost") {
		cfg.Target = TargetCost
	}
	if strings.Contains(options, "bits: 20") {
		cfg.Bits = 20
	}
	if strings.Contains(options, "linear: ot") {
		cfg.Linear = LinearOT
	}
	if strings.Contains(options, "drop: all") { // take the first number of bits that is tried
		cfg.MaxDrop = 1000
	}
	if name == xoperator {
		_, layers, _ := strings.Cut(strings.TrimSpace(options), "layers: ")
		cfg.XOperator = XChoice(layers)
		before = ir.Print(g)
		g, _, err := XOperators(g, cfg.Options)
		if err != nil {
			return "", "", err
		}
		return before, ir.Print(g), ir.Verify(g, ir.Real)
	}
	for _, p := range Pipeline() {
		if p.Name == name {
			return runOn(g, p, cfg, strings.Contains(options, "spoil: ranges"))
		}
	}
	panic("no pass " + name)
}

func runOn(g *ir.Graph, p Pass, cfg *Config, spoil bool) (before, after string, err error) {
	if p.Needs == ir.Fixed {
		if err := scale(g, cfg); err != nil {
			return "", "", err
		}
		if spoil {
			for v, s := range cfg.ranges {
				s.hi *= 1000
				cfg.ranges[v] = s
			}
		}
	}
	if err := ir.Verify(g, p.Needs); err != nil {
		return "", "", err
	}
	before = ir.Print(g)
	if err := p.Run(g, cfg); err != nil {
		return "", "", err
	}
	g.RemoveDead()
	if err := g.Sort(); err != nil {
		return "", "", err
	}
	return before, ir.Print(g), ir.Verify(g, p.Makes)
}
