package server

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/client"
	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/transport"
)

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Who a certificate or token belongs to; a certificate that nobody verified is none.
func TestIdentify(t *testing.T) {
	id, err := url.Parse("spiffe://hospital.example/radiology")
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{Raw: []byte("a certificate"), Subject: pkix.Name{CommonName: "clinic"}, URIs: []*url.URL{id}}
	known, err := readClients(write(t, filepath.Join(t.TempDir(), "c.json"), `{"clients": [
		{"name": "by token", "tokens_sha256": ["`+strings.ToUpper(hashOf("abc"))+`"]},
		{"name": "by subject", "certificates": ["CN=other"]},
		{"name": "by id", "certificates": ["spiffe://hospital.example/radiology"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		token    string
		cert     *x509.Certificate
		verified bool
		want     string
	}{
		{"Bearer abc", nil, false, "by token"},
		{"bearer  abc", nil, false, "by token"},
		{"Bearer abd", cert, true, ""},
		{"Basic abc", nil, false, ""},
		{"", nil, false, ""},
		{"", cert, true, "by id"},
		{"", cert, false, ""},
		{"", &x509.Certificate{Subject: pkix.Name{CommonName: "other"}}, true, "by subject"},
		{"", &x509.Certificate{Subject: pkix.Name{CommonName: "stranger"}}, true, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/v2/models", nil)
		r.Header.Set("Authorization", c.token)
		if c.cert != nil {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c.cert}}
			if c.verified {
				r.TLS.VerifiedChains = [][]*x509.Certificate{{c.cert}}
			}
		}
		who, refused := known.identify(r)
		if c.want == "" && (refused == nil || refused.status != http.StatusUnauthorized) || c.want != "" && (refused != nil || who.Name != c.want) {
			t.Errorf("%q, %v: %v, %v", c.token, c.verified, who, refused)
		}
		if c.verified && c.want == "" && c.token == "" && !strings.Contains(refused.Error(), `not the certificate of "CN=stranger"`) {
			t.Errorf("what was shown is not named: %v", refused)
		}
	}
}

// What cannot be meant is refused, and the client named.
func TestClientFiles(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		`{"clients": [{"name": "a"}]}`:                                                                    `client "a": it has neither`,
		`{"clients": [{"name": "a", "tokens_sha256": ["secret"]}]}`:                                       "64 hexadecimal digits",
		`{"clients": [{"name": "a", "certificates": ["CN=x"]}, {"name": "b", "certificates": ["CN=x"]}]}`: `belongs to "a" too`,
		`{"clients": [{"name": "a", "certificates": ["CN=x"]}, {"name": "a", "certificates": ["CN=y"]}]}`: "a name of its own",
		`{"clients": [{"name": "a", "certificates": ["CN=x"], "sessions": -1}]}`:                          "not negative",
		`{"clients": [{"name": "a", "certificates": [""]}]}`:                                              "is empty",
		`{"clients": [{"name": "a", "certificates": ["sha256:AB"]}]}`:                                     "secc cert show",
		`{"clients": [{"name": "a", "certificates": ["clinic"]}]}`:                                        "secc cert show",
		`{"clients": []} {"clients": []}`:                                                                 "behind the JSON",
		`{"window": "1s", "clients": []}`:                                                                 `window "1s"`,
		`{"clients": [{"name": "a", "certificate": ["x"]}]}`:                                              "unknown field",
	} {
		if _, err := readClients(write(t, filepath.Join(dir, "c.json"), text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// No window of time holds more than the budget; it is kept when the server starts anew, and
// what is given back can be used again.
func TestLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	l, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	const window = 24 * time.Hour
	c := &Client{Name: "a", Sessions: 3, Bytes: 1000}
	start := time.Date(2026, 11, 28, 12, 59, 0, 0, time.UTC)
	take := func(c *Client, bytes int64, after time.Duration) (func() error, time.Duration, error) {
		return l.take(c, window, amount{1, bytes}, start.Add(after))
	}
	for i := range 3 {
		if _, _, err := take(c, 100, time.Duration(i)*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = openLedger(path); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, wait, err := take(c, 100, 3*time.Hour)
	if !errors.Is(err, errBudget) {
		t.Errorf("a fourth session: %v", err)
	}
	if at := 3*time.Hour + wait; at < window || at > window+2*time.Hour {
		t.Errorf("a session may be had after %v", at)
	}
	if _, _, err := take(c, 100, 3*time.Hour+wait-time.Second); !errors.Is(err, errBudget) {
		t.Errorf("a second too early: %v", err)
	}
	refund, _, err := take(c, 100, 3*time.Hour+wait)
	if err != nil {
		t.Fatalf("when it is due: %v", err)
	}
	if err := refund(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := take(c, 100, 3*time.Hour+wait); err != nil {
		t.Errorf("after it was given back: %v", err)
	}
	// Names that begin alike are two clients; bytes have a budget of their own.
	long := &Client{Name: "ab", Bytes: 1000}
	if _, _, err := take(long, 600, 0); err != nil {
		t.Error(err)
	}
	if _, _, err := take(long, 600, 0); !errors.Is(err, errBudget) {
		t.Errorf("1200 of 1000 bytes: %v", err)
	}
	if _, err := openLedger(path); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Errorf("a second server: %v", err)
	}
}

// Clients ask what they may, as often as they may, and hear why not; only those sessions count
// that said hello.
func TestBudgets(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	put(t, root, "b", "1", 3)
	file := write(t, filepath.Join(t.TempDir(), "clients.json"), `{"clients": [
		{"name": "clinic", "tokens_sha256": ["`+hashOf("one")+`"], "models": ["a"], "sessions": 2},
		{"name": "owner", "tokens_sha256": ["`+hashOf("two")+`"]}]}`)
	if _, err := New(t.Context(), Config{Models: root, Clients: file}); !errors.Is(err, errNoData) {
		t.Errorf("without a folder for budgets: %v", err)
	}
	s := start(t, Config{Models: root, Clients: file, Data: t.TempDir()})
	as := func(token, model string) *remote.Model {
		m := s.model(t, model)
		m.Token = token
		return m
	}
	if _, err := ask(t.Context(), as("", "a")); !errors.Is(err, transport.ErrAuth) {
		t.Errorf("a stranger: %v", err)
	}
	if code, _, _ := s.get(t, "/health/ready"); code != 200 {
		t.Errorf("health: %d", code)
	}
	var refused *remote.StatusError
	if _, err := ask(t.Context(), as("one", "b")); !errors.As(err, &refused) || refused.Status != 404 {
		t.Errorf("another's model: %v", err)
	}
	if _, body, _ := s.get(t, "/models", "Authorization", "Bearer one"); len(body["models"].([]any)) != 1 {
		t.Errorf("models: %v", body)
	}
	mute, _, err := as("one", "a").Session(t.Context(), s.models.Find("a", "").Program.Digest(), 1)
	if err != nil {
		t.Fatal(err)
	}
	mute.Close()
	within(t, "the mute session's end", func() bool { _, n, _ := s.gate.state(); return n == 0 })
	for range 2 {
		if _, err := ask(t.Context(), as("one", "a")); err != nil {
			t.Errorf("within the budget: %v", err)
		}
	}
	if _, err := ask(t.Context(), as("one", "a")); !errors.As(err, &refused) || refused.Status != http.StatusTooManyRequests || refused.After == "" {
		t.Errorf("beyond the budget: %v", err)
	}
	if _, err := ask(t.Context(), as("two", "b")); err != nil {
		t.Errorf("somebody else: %v", err)
	}

	within(t, "the last session's end", func() bool { _, n, _ := s.gate.state(); return n == 0 })

	// What was counted is what Prometheus is told; profiles show no arguments.
	admin := httptest.NewServer(s.Admin())
	defer admin.Close()
	body := func(path string) (int, string) {
		resp, err := http.Get(admin.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b strings.Builder
		if err := resp.Write(&b); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, b.String()
	}
	_, text := body("/metrics")
	alertsOf(t, text)
	for _, want := range []string{
		`secc_sessions_total{model="a",outcome="done",version="1"} 2`, `secc_sessions_total{model="a",outcome="mute",version="1"} 1`,
		`secc_refusals_total{status="429"} 1`, `secc_refusals_total{status="401"} 1`,
		`secc_session_bytes_total{model="b",version="1"} 5`, `secc_session_predicted_bytes_total{model="b",version="1"} 5`,
		`secc_session_seconds_count{model="b",version="1"} 1`, "secc_sessions 0\n", "secc_ready 1\n", "secc_models 2\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	for path, want := range map[string]int{"/debug/pprof/goroutine": 200, "/debug/pprof/goroutine?debug=1": 200, "/debug/pprof/goroutine?debug=2": 403, "/debug/pprof/cmdline": 404, "/v2/models": 404} {
		if code, _ := body(path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	watched := httptest.NewServer(s.MetricsServer().Handler)
	defer watched.Close()
	for path, want := range map[string]int{"/metrics": 200, "/v2/health/ready": 200, "/debug/pprof/goroutine": 404, "/v2/models": 404} {
		resp, err := http.Get(watched.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != want {
			t.Errorf("metrics: %s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// A budget is of inferences: a session of several takes as many from it as it asks for, and
// makes no more.
func TestBudgetsCountInferences(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	file := write(t, filepath.Join(t.TempDir(), "clients.json"), `{"clients": [{"name": "clinic", "tokens_sha256": ["`+hashOf("one")+`"], "sessions": 3}]}`)
	s := start(t, Config{Models: root, Clients: file, Data: t.TempDir()})
	m := s.model(t, "a")
	m.Token = "one"
	p := s.models.Find("a", "").Program.Plan()
	many := func(asked, made int) (answers int, err error) {
		c := client.Client{Plan: p, Connect: func(ctx context.Context) (net.Conn, error) {
			conn, _, err := m.Session(ctx, s.models.Find("a", "").Program.Digest(), asked)
			return conn, err
		}}
		_, err = c.InferMany(t.Context(), slices.Repeat([][][]float32{{{1, 2, 3}}}, made), func(int, *plan.Report) error { answers++; return nil })
		within(t, "the session's end", func() bool { _, n, _ := s.gate.state(); return n == 0 })
		return answers, err
	}
	var refused *remote.StatusError
	if _, err := many(4, 4); !errors.As(err, &refused) || refused.Status != http.StatusTooManyRequests {
		t.Errorf("4 of 3: %v", err)
	}
	for _, odd := range []int{0, -1, plan.MaxInferences + 1} {
		if _, err := many(odd, 1); !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
			t.Errorf("%d inferences: %v", odd, err)
		}
	}
	if n, err := many(1, 2); n != 0 || err == nil { // counts one: it said hello
		t.Errorf("2 answers where 1 was asked for: %d, %v", n, err)
	}
	if n, err := many(2, 2); n != 2 || err != nil {
		t.Errorf("2 of 3: %d, %v", n, err)
	}
	if _, err := many(2, 2); !errors.As(err, &refused) || refused.Status != http.StatusTooManyRequests {
		t.Errorf("beyond the budget: %v", err)
	}
}
