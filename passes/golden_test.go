package passes

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"secc/ir"
)

var update = flag.Bool("update", false, "rewrite the expected outputs of testdata/*/*.txtar")

// Every directory of testdata is named after a pass. A file says in its comment
// what it shows, gives a graph in in.ir, and what the pass makes of it in
// out.ir, or the error in err. An option line "target: cost" sets the target.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	seen := map[string]int{}
	for _, f := range files {
		pass := filepath.Base(filepath.Dir(f))
		seen[pass]++
		t.Run(strings.TrimSuffix(strings.TrimPrefix(f, "testdata/"), ".txtar"), func(t *testing.T) { golden(t, f, pass) })
	}
	for _, p := range Pipeline() {
		if seen[p.Name] < 2 {
			t.Errorf("pass %s has %d golden files, want one where it acts and one where it must not", p.Name, seen[p.Name])
		}
		delete(seen, p.Name)
	}
	for name := range seen {
		t.Errorf("testdata/%s: no pass of that name", name)
	}
}

func golden(t *testing.T, file, name string) {
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
	kind, got := "out.ir", ""
	if err := runPass(g, name, section["options"]); err != nil {
		kind, got = "err", err.Error()+"\n"
	} else {
		got = ir.Print(g)
	}
	if *update {
		rewrite(t, file, a, kind, got)
	} else if want := section[kind]; got != want {
		t.Errorf("%s: %s\ngot:\n%swant:\n%s", file, strings.TrimSpace(string(a.Comment)), got, want)
	}
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

// runPass runs one pass; those of the fixed phase on what scale makes.
func runPass(g *ir.Graph, name, options string) error {
	cfg := NewConfig(Options{})
	cfg.Calibration = random(g)
	if strings.Contains(options, "target: cost") {
		cfg.Target = TargetCost
	}
	if strings.Contains(options, "linear: ot") {
		cfg.Linear = LinearOT
	}
	if strings.Contains(options, "drop: all") { // take the first number of bits that is tried
		cfg.MaxDrop = 1000
	}
	for _, p := range Pipeline() {
		if p.Name != name {
			continue
		}
		if p.Needs == ir.Fixed {
			if err := scale(g, cfg); err != nil {
				return err
			}
			if strings.Contains(options, "spoil: ranges") {
				for v, s := range cfg.ranges {
					s.hi *= 1000
					cfg.ranges[v] = s
				}
			}
		}
		if err := ir.Verify(g, p.Needs); err != nil {
			return err
		}
		if err := p.Run(g, cfg); err != nil {
			return err
		}
		g.RemoveDead()
		if err := g.Sort(); err != nil {
			return err
		}
		return ir.Verify(g, p.Makes)
	}
	panic("no pass " + name)
}
