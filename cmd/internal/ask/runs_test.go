package ask

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"secc.example/secc/runtime/store"
	"secc.example/secc/server"
)

// What was prepared by one call is used by another, once; other models and services do not get it.
func TestPrepareAhead(t *testing.T) {
	runs := store.Memory(0)
	url := start(t, models(t), func(c *server.Config) { c.Prepare, c.Runs = 3, runs }) + "/v2/models/digits"
	dir := filepath.Join(t.TempDir(), "runs")
	said := func(want, note string, args ...string) {
		t.Helper()
		stdout, stderr, err := asked(t.Context(), t, append([]string{url, "--store", dir}, args...)...)
		if err != nil || !strings.Contains(stdout, want) || !strings.Contains(stderr, note) {
			t.Errorf("%q: %v\n%s%s", args, err, stdout, stderr)
		}
	}
	said("0 used, 2 made, 2 of them kept", "", "--prepare", "2")
	said("1 used, 0 made", "", digits+"seven.png")
	in := t.TempDir()
	for _, name := range []string{"a.png", "b.png", "c.png"} {
		copied(t, digits+"seven.png", filepath.Join(in, name))
	}
	said("c.png", "2 of 3 inferences are prepared in this session", "--prepare", "3", in)
	if st := runs.Stats(); st.Ready != 3 || st.Reserved != 0 || st.Spent != 2 {
		t.Errorf("the service: %+v", st)
	}
	said("1 used, 0 made", "", digits+"seven.png")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	said("7 ", "no prepared run is left for this plan and this server", digits+"seven.png")
	said("0 used, 1 made, 1 of them kept", "", "--prepare", "1")
	if st := runs.Stats(); st.Ready != 3 { // those that the client lost make room
		t.Errorf("the service: %+v", st)
	}

	without := start(t, models(t)) + "/v2/models/digits"
	stdout, stderr, err := asked(t.Context(), t, without, "--store", dir, digits+"seven.png")
	if err != nil || !strings.Contains(stderr, "no prepared run is left") || strings.Contains(stdout, "used") {
		t.Errorf("another service: %v\n%s%s", err, stdout, stderr)
	}
	for _, args := range [][]string{{"--prepare", "-1", "x.png"}, {"--prepare", "1"}, {"--store", dir}, {"--store-key", "k", "x.png"}, {"--store", dir, "--record", in, "x.png"}} {
		if _, _, err := asked(t.Context(), t, append([]string{url}, args...)...); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
