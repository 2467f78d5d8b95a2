// Command checkservice tries a service as its operator would before it is let at patients: many
// clients at once, clients that are slow, frozen, damaged or silent, signals in the middle of
// load, quotas, reverse proxies, hours of use in minutes. Nothing leaves the loopback, and every
// step ends in bounded time.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// exitWrong is what secc's exit codes say for what was found wrong.
const exitWrong = 4

// step is one thing that is tried.
type step struct {
	name  string
	limit time.Duration
	run   func(ctx context.Context, b *bench, r *result) error
}

var steps = []step{
	{"crowd", 15 * time.Minute, crowd},
	{"squeezenet", 15 * time.Minute, squeezenet},
	{"idle connections", 2 * time.Minute, idleConnections},
	{"killed client", 3 * time.Minute, killedClient},
	{"hangup in load", 2 * time.Minute, hangup},
	{"terminate in load", 4 * time.Minute, terminate},
	{"killed server", 2 * time.Minute, killedServer},
	{"slow client", 2 * time.Minute, slowClient},
	{"frozen client", 2 * time.Minute, frozenClient},
	{"corrupted frame", time.Minute, corruptedFrame},
	{"quotas", time.Minute, quotas},
	{"nginx", time.Minute, nginx},
	{"haproxy http", time.Minute, haproxyHTTP},
	{"haproxy sni", time.Minute, haproxySNI},
	{"soak", 15 * time.Minute, soak},
}

// result is what came of a step.
type result struct {
	Step    string    `json:"step"`
	OK      bool      `json:"ok"`
	Skipped string    `json:"skipped,omitempty"`
	Error   string    `json:"error,omitempty"`
	Seconds float64   `json:"seconds"`
	Figures []figure  `json:"figures,omitempty"`
	Began   time.Time `json:"began"`
}

type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

func (r *result) note(name string, value float64) { r.Figures = append(r.Figures, figure{name, value}) }

// bench is what steps share.
type bench struct {
	dir, secc, models string
	clients           int
	soak              time.Duration
	verbose           bool
	subjects          map[string]*subject
}

func main() {
	b := &bench{subjects: map[string]*subject{}}
	only := flag.String("only", ".", "steps to try")
	asJSON := flag.Bool("json", false, "print JSON")
	flag.StringVar(&b.models, "models", "../shared/models", "folder of SqueezeNet; what is not there is left out")
	flag.IntVar(&b.clients, "clients", 100, "clients of the crowd")
	flag.DurationVar(&b.soak, "soak", 20*time.Second, "how long the soak is")
	flag.BoolVar(&b.verbose, "v", false, "show the servers' logs")
	flag.Parse()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "check-service:", err)
		os.Exit(2)
	}
	results, err := b.run(wanted)
	if err != nil {
		fmt.Fprintln(os.Stderr, "check-service:", err)
		os.Exit(1)
	}
	if !show(results, *asJSON) {
		os.Exit(exitWrong)
	}
}

func (b *bench) run(wanted *regexp.Regexp) (all []*result, err error) {
	if b.dir, err = os.MkdirTemp("", "secc-service-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(b.dir)
	b.secc = filepath.Join(b.dir, "secc")
	if out, err := exec.Command("go", "build", "-o", b.secc, "./cmd/secc").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	if !slices.ContainsFunc(steps, func(s step) bool { return wanted.MatchString(s.name) }) {
		var names []string
		for _, s := range steps {
			names = append(names, s.name)
		}
		return nil, fmt.Errorf("-only: no step is named like %q; there are %s", wanted, strings.Join(names, ", "))
	}
	for _, s := range steps {
		if wanted.MatchString(s.name) {
			fmt.Fprintf(os.Stderr, "check-service: %s\n", s.name)
			all = append(all, b.try(s))
		}
	}
	return all, nil
}

// try runs a step in a folder of its own.
func (b *bench) try(s step) *result {
	r := &result{Step: s.name, Began: time.Now()}
	limit := s.limit
	if s.name == "soak" {
		limit += b.soak
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := s.run(ctx, b, r)
	r.Seconds = time.Since(r.Began).Seconds()
	if err != nil {
		r.Error = err.Error()
	}
	r.OK = err == nil
	return r
}

// show prints what came out, and tells whether all was right.
func show(all []*result, asJSON bool) (right bool) {
	right = true
	for _, r := range all {
		right = right && r.OK
	}
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		_ = e.Encode(all) // nobody is left to be told
		return right
	}
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.AppendHeader(table.Row{"step", "", "seconds", "figures"})
	for _, r := range all {
		verdict := "ok"
		if r.Skipped != "" {
			verdict = "left out: " + r.Skipped
		}
		if !r.OK {
			verdict = "WRONG: " + r.Error
		}
		text := ""
		for i, f := range r.Figures {
			if i > 0 {
				text += ", "
			}
			text += fmt.Sprintf("%s %.4g", f.Name, f.Value)
		}
		t.AppendRow(table.Row{r.Step, verdict, fmt.Sprintf("%.1f", r.Seconds), text})
	}
	t.Render()
	return right
}
