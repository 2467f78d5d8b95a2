package main

import (
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata/script")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"secc": main})
}

// TestScripts runs the command line as a user does: every line of
// testdata/script is a real process.
func TestScripts(t *testing.T) {
	models, err := filepath.Abs("../../testdata/models")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("MODELS", models)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "ready": ready, "truncate": truncate, "certs": certs, "poison": poison, "npy": writeNPY, "retype": retype,
			"hangup": hangup, "onlyfile": onlyFile, "reaches": reaches, "interrupt": interrupt, "copied": copied, "taken": taken,
		},
	})
}

// code runs secc and checks its exit code: code 5 run --party=client ...
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N ARGS...")
	}
	err := ts.Exec("secc", args[1:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// ready waits for a server's ready file and puts its content into a variable:
// ready FILE VARIABLE
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ready FILE VARIABLE")
	}
	for range 400 {
		if b, err := os.ReadFile(ts.MkAbs(args[0])); err == nil {
			ts.Setenv(args[1], strings.TrimSpace(string(b)))
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear", args[0])
}

// hangup sends SIGHUP to all that runs in the background.
func hangup(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGHUP))
	}
}

// onlyFile moves the only file of a folder: onlyfile FOLDER TO
func onlyFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: onlyfile FOLDER TO")
	}
	files, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) != 1 {
		ts.Fatalf("%d files in %s", len(files), args[0])
	}
	ts.Check(os.Rename(filepath.Join(ts.MkAbs(args[0]), files[0].Name()), ts.MkAbs(args[1])))
}

// reaches waits until what stands under an address holds a text: reaches URL TEXT
func reaches(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: reaches URL TEXT")
	}
	var body []byte
	for range 400 {
		if resp, err := http.Get(args[0]); err == nil {
			body, _ = io.ReadAll(resp.Body)
			resp.Body.Close()
			if strings.Contains(string(body), args[1]) {
				return
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("%s: %s", args[0], body)
}

// taken waits until a prepared run in a folder is in use, of which only its process has the key:
// taken FOLDER
func taken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: taken FOLDER")
	}
	for range 2000 {
		runs, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*.run"))
		ts.Check(err)
		for _, path := range runs {
			if b, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(b), strings.Repeat("\x00", 64)) {
				return
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	ts.Fatalf("no run of %s is in use", args[0])
}

// copied copies a folder: copied FROM TO
func copied(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: copied FROM TO")
	}
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]))))
}

// truncate cuts a file to its first half: truncate FILE
func truncate(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Truncate(path, info.Size()/2))
}

// retype copies a model with other operator names of the same lengths, wherever
// they stand: retype FROM TO OLD=NEW...
func retype(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: retype FROM TO OLD=NEW...")
	}
	text := ts.ReadFile(args[0])
	for _, pair := range args[2:] {
		from, to, ok := strings.Cut(pair, "=")
		if !ok || len(from) != len(to) || !strings.Contains(text, from) {
			ts.Fatalf("retype: %s: no such name, or of another length", pair)
		}
		text = strings.ReplaceAll(text, from, to)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}
