package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"secc.example/secc/cmd/internal/exit"
)

// Wrong command lines and files are told apart by exit code and name the flag.
func TestExitCodes(t *testing.T) {
	noPlan := filepath.Join(t.TempDir(), "x.plan")
	if err := os.WriteFile(noPlan, []byte("secc.plan/9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		text string
	}{
		{"--help", exit.OK, "--tls-ca"},
		{"", exit.Usage, "--plan, --connect and --input"},
		{"--weights x", exit.Usage, "weights"},
		{"--plan a --connect b --input c extra", exit.Usage, "extra"},
		{"--plan a --connect b --input c --timeout 0", exit.Usage, "timeout"},
		{"--plan /none --connect 127.0.0.1:1 --input c", exit.Usage, "/none"},
		{"--plan " + noPlan + " --connect 127.0.0.1:1 --input c", exit.Usage, "another version"},
	} {
		var out, log bytes.Buffer
		if code := command(t.Context(), strings.Fields(c.args), &out, &log); code != c.code || !strings.Contains(log.String(), c.text) || out.Len() > 0 {
			t.Errorf("%q: exit %d, %q, %q", c.args, code, log.String(), out.String())
		}
	}
}

// A wrong command line of ask is told in JSON where that was asked for.
func TestWrongLinesInJSON(t *testing.T) {
	const address = "http://127.0.0.1:1/v2/models/x"
	for line, says := range map[string]string{"ask --nothing --json": "--nothing", "ask --json": "address", "ask " + address + " x.png --format json --top many": "many"} {
		var out, log bytes.Buffer
		code := command(t.Context(), strings.Fields(line), &out, &log)
		var told struct {
			Address string
			Error   struct {
				Message, Hint string
				Code          int
			}
		}
		if err := json.Unmarshal(out.Bytes(), &told); err != nil || code != exit.Usage || told.Error.Code != code || told.Error.Hint == "" || !strings.Contains(told.Error.Message, says) || strings.Contains(line, address) != (told.Address == address) {
			t.Errorf("%q: exit %d, %s (%v)", line, code, &out, err)
		}
	}
	var out, log bytes.Buffer
	if code := command(t.Context(), []string{"ask", "--help"}, &out, &log); code != exit.OK || out.Len() > 0 || !strings.Contains(log.String(), "--watch") {
		t.Errorf("help: exit %d, %s", code, &out)
	}
}
