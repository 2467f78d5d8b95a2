package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/transport"
)

// scaling is a network whose answer is the client's three numbers times a public factor, plus
// numbers of the server's.
func scaling(factor int64) *plan.Plan {
	x := plan.SlotType{Shape: []int{1, 3}, Bits: 12, Frac: 3}
	return &plan.Plan{
		Version: plan.Version, Model: "scaling", Slots: []plan.SlotType{x, x, x}, Reveal: plan.RevealValues,
		Inputs: []plan.Input{{Name: "x", Shape: x.Shape, Slot: 0}},
		Rounds: [][]plan.Step{{
			{Proto: plan.ProtoInput, Op: "input", Name: "x", Out: []plan.Slot{0}},
			{
				Proto: plan.ProtoAffine, Op: "affine", Name: "y", In: []plan.Slot{0}, Out: []plan.Slot{1}, W: "y",
				Attrs: &plan.Affine{Coef: []int64{factor}, Server: true, Spread: plan.Spread{Channels: 3, Inner: 1}},
			},
			{Proto: plan.ProtoReveal, Op: "output", Name: "y", In: []plan.Slot{1}, Out: []plan.Slot{2}},
		}},
		Outputs: []plan.Output{{Name: "y", Shape: x.Shape, Slot: 2}},
	}
}

// put writes a version whose answer to zeros is best at the third class.
func put(t *testing.T, root, model, version string, factor int64) {
	t.Helper()
	dir := filepath.Join(root, model, version)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p := scaling(factor)
	d, err := p.Digest()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := plan.WriteWeights(&b, d, []plan.WeightTensor{{Name: "y/b", Shape: []int{3}, Data: []int64{0, 8, 16}}}); err != nil {
		t.Fatal(err)
	}
	w, err := plan.OpenWeights(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Save(filepath.Join(dir, planFile), filepath.Join(dir, weightsFile), p, w); err != nil {
		t.Fatal(err)
	}
}

// journal is a log that tests read.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// running is a server of a test.
type running struct {
	*Server
	url  string
	log  *journal
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T, cfg Config) *running {
	t.Helper()
	r := &running{log: new(journal), done: make(chan error, 1)}
	cfg.Log = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Poll = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	r.stop = cancel
	var err error
	if r.Server, err = New(ctx, cfg); err != nil {
		t.Fatalf("%v\n%s", err, r.log.text())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.url = "http://" + l.Addr().String() + "/v2"
	go func() { r.done <- r.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			t.Logf("log:\n%s", r.log.text())
		}
	})
	return r
}

// get reads an address of the server.
func (r *running) get(t *testing.T, path string, header ...string) (code int, body map[string]any, h http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_ = json.NewDecoder(resp.Body).Decode(&body) // a plan is none
	return resp.StatusCode, body, resp.Header
}

func (r *running) model(t *testing.T, path string) *remote.Model {
	t.Helper()
	u, err := remote.Parse(r.url + "/models/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return &remote.Model{URL: u}
}

// ask runs an inference on 1, 2, 3 and gives the first number of the answer.
func ask(ctx context.Context, m *remote.Model) (float32, error) {
	p, _, err := m.Plan(ctx, nil)
	if err != nil {
		return 0, err
	}
	g, err := runtime.Prepare(p)
	if err != nil {
		return 0, err
	}
	conn, _, err := m.Session(ctx, g.Digest(), 1)
	if err != nil {
		return 0, err
	}
	in, err := runtime.Encode(p, [][]float32{{1, 2, 3}})
	if err != nil {
		return 0, err
	}
	values, _, err := g.Run(ctx, conn, in, runtime.Config{})
	if err != nil {
		return 0, err
	}
	out, err := runtime.Decode(p, values)
	if err != nil {
		return 0, err
	}
	return out[0].Values[0], nil
}

// within waits for something that another goroutine brings about.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s: not within 10 s", what)
}

// The newest version answers, each under its own address; the metadata say what it is.
func TestVersions(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "v9", 3)
	put(t, root, "a", "v10", 5)
	put(t, root, "b", "1", 7)
	s := start(t, Config{Models: root})
	for path, want := range map[string]float32{"a": 5, "a/versions/v9": 3, "a/versions/v10": 5, "b": 7} {
		if got, err := ask(t.Context(), s.model(t, path)); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", path, got, err, want)
		}
	}
	if code, body, _ := s.get(t, "/models/a"); code != 200 || body["name"] != "a" || body["parameters"].(map[string]any)["version"] != "v10" {
		t.Errorf("metadata: %d %v", code, body)
	}
	_, _, h := s.get(t, "/models/a/plan")
	if code, _, _ := s.get(t, "/models/a/plan", "If-None-Match", h.Get("ETag")); code != http.StatusNotModified {
		t.Errorf("an unchanged plan: %d", code)
	}
	resp, err := http.Post(s.url+"/models/a/infer", "application/json", strings.NewReader(`{"inputs":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotImplemented || !bytes.Contains(said, []byte("--listen")) {
		t.Errorf("tensors to the service itself: %d %s", resp.StatusCode, said)
	}
	for path, want := range map[string]int{
		"": 200, "/": 200, "/health/live": 200, "/health/ready": 200, "/models": 200, "/models/a/versions/v9": 200, "/models/a/ready": 200,
		"/models/c": 404, "/models/a/versions/v1": 404, "/nothing": 404, "/models/a/session": http.StatusUpgradeRequired,
	} {
		if code, _, _ := s.get(t, path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
}

// A version that was changed, added or removed is seen without a restart; one that is damaged
// leaves what was there, and one that is damaged while it is served is not served any more.
func TestHotReload(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	s := start(t, Config{Models: root})
	put(t, root, "a", "2", 5)
	within(t, "the new version", func() bool { v, err := ask(t.Context(), s.model(t, "a")); return err == nil && v == 5 })
	put(t, root, "a", "2", 7)
	within(t, "the changed version", func() bool { v, err := ask(t.Context(), s.model(t, "a")); return err == nil && v == 7 })

	damaged := filepath.Join(root, "a", "3")
	put(t, root, "a", "3", 9)
	within(t, "the newest version", func() bool { v, err := ask(t.Context(), s.model(t, "a")); return err == nil && v == 9 })
	if err := os.Truncate(filepath.Join(damaged, weightsFile), 100); err != nil {
		t.Fatal(err)
	}
	within(t, "the failure", func() bool { return s.models.Find("a", "").Name == "2" })
	if v, err := ask(t.Context(), s.model(t, "a")); err != nil || v != 7 {
		t.Errorf("beside a damaged version: %v, %v", v, err)
	}
	if err := os.RemoveAll(filepath.Join(root, "a", "2")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(damaged); err != nil {
		t.Fatal(err)
	}
	within(t, "the old version", func() bool { v, err := ask(t.Context(), s.model(t, "a")); return err == nil && v == 3 })
}

// A client that pinned another plan is told before anything is spent.
func TestChangedPlan(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	s := start(t, Config{Models: root})
	other, err := scaling(5).Digest()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.model(t, "a").Session(t.Context(), other, 1); !errors.Is(err, transport.ErrMismatch) || !strings.Contains(err.Error(), "compiled anew") {
		t.Errorf("another plan: %v", err)
	}
}

// open holds a session at its hello until the test is done with it.
func (r *running) open(t *testing.T, model string) net.Conn {
	t.Helper()
	d := r.models.Find(model, "").Program.Digest()
	c, id, err := r.model(t, model).Session(t.Context(), d, 1)
	if err != nil || len(id) != 16 {
		t.Fatalf("session %q: %v", id, err)
	}
	return c
}

// A session keeps the version that it began with, whose weights close behind it.
func TestRemovedVersionServesOn(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	put(t, root, "b", "1", 3)
	s := start(t, Config{Models: root})
	v := s.models.Find("a", "")
	conn := s.open(t, "a")
	if err := os.RemoveAll(filepath.Join(root, "a")); err != nil {
		t.Fatal(err)
	}
	within(t, "the model's end", func() bool { code, _, _ := s.get(t, "/models/a"); return code == 404 })
	in, err := runtime.Encode(v.Program.Plan(), [][]float32{{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.Program.Run(t.Context(), conn, in, runtime.Config{}); err != nil {
		t.Errorf("the session: %v", err)
	}
	within(t, "the weights' end", func() bool { v.mu.Lock(); defer v.mu.Unlock(); return v.close == nil })
}

// When it is to stop, the server takes no more sessions, says so, and lets those that run end;
// after the grace period they are ended.
func TestDrain(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	for _, grace := range []time.Duration{time.Minute, 50 * time.Millisecond} {
		s := start(t, Config{Models: root, Grace: grace})
		v := s.models.Find("a", "")
		conn := s.open(t, "a")
		s.stop()
		if grace < time.Second {
			within(t, "the end", func() bool { return len(s.done) == 1 })
			if !strings.Contains(s.log.text(), "the grace period is over") {
				t.Error("the log does not tell")
			}
			continue
		}
		within(t, "the draining", func() bool { return !s.ready() })
		if code, _, _ := s.get(t, "/health/ready"); code != 503 {
			t.Errorf("readiness: %d", code)
		}
		if _, err := ask(t.Context(), s.model(t, "a")); !errors.Is(err, transport.ErrBusy) {
			t.Errorf("a new session: %v", err)
		}
		in, err := runtime.Encode(v.Program.Plan(), [][]float32{{1, 2, 3}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := v.Program.Run(t.Context(), conn, in, runtime.Config{}); err != nil {
			t.Errorf("the session: %v", err)
		}
		if err := <-s.done; err != nil {
			t.Error(err)
		}
	}
}

// Who finds no room hears when to try again.
func TestNoRoom(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	s := start(t, Config{Models: root, MaxSessions: 1, Wait: 30 * time.Millisecond})
	conn := s.open(t, "a")
	_, err := ask(t.Context(), s.model(t, "a"))
	var refused *remote.StatusError
	if !errors.As(err, &refused) || refused.Status != 503 || refused.After == "" || !errors.Is(err, transport.ErrBusy) {
		t.Errorf("a second session: %v", err)
	}
	conn.Close()
	within(t, "room", func() bool { _, err := ask(t.Context(), s.model(t, "a")); return err == nil })
}

// A canary that answers wrongly keeps its version out.
func TestCanary(t *testing.T) {
	root := t.TempDir()
	card := func(version, answer string) {
		put(t, root, "a", version, 3)
		dir := filepath.Join(root, "a", version)
		zeros := make([]byte, 12)
		text := `{"title": "A", "canary": {"inputs": ["zeros.f32"], "answer": "` + answer + `"}}`
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "zeros.f32"), zeros, 0o600), os.WriteFile(filepath.Join(dir, cardFile), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	card("1", "2")
	card("2", "1")
	s := start(t, Config{Models: root, Canary: true})
	if v := s.models.Find("a", ""); v.Name != "1" {
		t.Errorf("version %s is served", v.Name)
	}
	if text := s.log.text(); !strings.Contains(text, `canary: the answer is 2, \"1\" was expected`) || s.models.Failures() != 1 {
		t.Errorf("log:\n%s", text)
	}
}

// A bug ends the session that meets it, and nothing else.
func TestPanicEndsItsSession(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	s := start(t, Config{Models: root, Session: runtime.Config{Progress: func(runtime.Progress) { panic("BUG: met by a test") }}})
	for range 2 {
		if _, err := ask(t.Context(), s.model(t, "a")); !errors.Is(err, transport.ErrPeerFailed) {
			t.Errorf("client: %v", err)
		}
	}
	within(t, "both in the log", func() bool { return strings.Count(s.log.text(), "msg=failed") == 2 })
	if _, running, _ := s.gate.state(); running != 0 {
		t.Errorf("%d sessions are left", running)
	}
}
