package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"secc.example/secc/runtime"
	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/transport"
)

// hurried is a server whose deadlines are short.
func hurried(t *testing.T, cfg Config, limit time.Duration) (addr string) {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.hello, s.send = limit, limit
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// Whoever announces more than it sends, or does not take what it has asked for, is hung up on: it
// would hold one of the connections that there are.
func TestConnectionsEnd(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	addr := hurried(t, Config{Models: root}, 300*time.Millisecond)
	for name, text := range map[string]string{
		"a body that does not come":        "GET /v2/models HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"a signature that does not come":   "POST /v2/sessions/x/receipt HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"the body of a session's request":  "GET /v2/models/a/session HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"the body of a session, upgrading": "GET /v2/models/a/session HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
	} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An answer that nobody takes ends with its connection, and one that is taken slowly goes on.
func TestSlowReaders(t *testing.T) {
	s := &Server{send: 200 * time.Millisecond}
	v := version(t)
	v.encoded = make([]byte, 32<<20)
	ended := make(chan struct{})
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.plan(w, r, nil, v)
		if r.URL.Path == "/never" {
			close(ended)
		}
	}))
	defer h.Close()
	ask := func(path string) net.Conn {
		c, err := net.Dial("tcp", h.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		return c
	}
	defer ask("/never").Close()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("an answer that nobody takes is still being written after 5 s")
	}
	c := ask("/slow")
	defer c.Close()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, part := 0, make([]byte, 1<<20)
	for n < len(v.encoded) {
		m, err := io.ReadFull(resp.Body, part)
		if n += m; err != nil {
			t.Fatalf("%d bytes came: %v", n, err)
		}
		time.Sleep(20 * time.Millisecond) // 32 times: longer than the limit of one part
	}
}

// version is one that was loaded.
func version(t *testing.T) *Version {
	t.Helper()
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	v, err := load(filepath.Join(root, "a", "1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.retire)
	return v
}

// What is no WebSocket takes neither a place nor of a budget.
func TestSessionsAreUpgraded(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	s := start(t, Config{Models: root, MaxSessions: 1, Wait: time.Hour})
	held := s.open(t, "a")
	defer held.Close()
	for _, header := range [][]string{nil, {"Upgrade", "websocket"}, {"Connection", "Upgrade", "Upgrade", "h2c"}} {
		if code, body, _ := s.get(t, "/models/a/session", header...); code != http.StatusUpgradeRequired || !strings.Contains(fmt.Sprint(body), "secc ask") {
			t.Errorf("%v: %d %v", header, code, body)
		}
	}
	if _, running, waiting := s.gate.state(); running != 1 || waiting != 0 {
		t.Errorf("%d run, %d wait", running, waiting)
	}
}

// A client that is refused again and again leaves some records and a count, whatever addresses it
// has.
func TestRefusalsAreCounted(t *testing.T) {
	root, data := t.TempDir(), t.TempDir()
	put(t, root, "a", "1", 3)
	s := start(t, Config{Models: root, Data: data})
	for i := range 3 * maxRefusals {
		who := &Client{Name: fmt.Sprint("2001:db8::", i), stranger: true}
		if err := s.recordRefusal(who, AuditRecord{Event: EventRefused, Client: who.Name, Status: 412}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.recordRefusal(&Client{Name: "clinic"}, AuditRecord{Event: EventRefused, Client: "clinic"}); err != nil {
		t.Fatal(err)
	}
	s.sumUp("")
	if err := s.recordRefusal(&Client{stranger: true}, AuditRecord{Event: EventRefused, Status: 429}); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if err := <-s.done; err != nil {
		t.Fatal(err)
	}
	var omitted []int
	for line := range strings.Lines(string(read(t, filepath.Join(data, "audit.jsonl")))) {
		var r AuditRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		omitted = append(omitted, r.Omitted)
	}
	if n := len(omitted); n != maxRefusals+3 || omitted[maxRefusals+1] != 2*maxRefusals-1 {
		t.Errorf("%d records that omit %v; %d refusals", n, omitted, 3*maxRefusals+2)
	}
}

// One address does not take all connections, and those that it has closed are had again.
func TestConnectionsOfOneAddress(t *testing.T) {
	l := newLimited(nil, 8, slog.New(slog.DiscardHandler))
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range 7 {
		if got := l.take(a); got != (i < 6) {
			t.Errorf("connection %d of one address: %v", i+1, got)
		}
	}
	for i := range 3 {
		if got := l.take(b); got != (i < 2) {
			t.Errorf("connection %d of another: %v", i+1, got)
		}
	}
	for range 6 {
		l.give(a)
	}
	if !l.take(b) || len(l.of) != 1 || l.open != 3 {
		t.Errorf("after one has gone: %d open, %v", l.open, l.of)
	}
}

// Who shows nothing is called by its address, of IPv6 by the network of a household.
func TestAddresses(t *testing.T) {
	for peer, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1", "[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::",
		"[fe80::1%eth0]:80": "fe80::", "somewhere": "somewhere",
	} {
		if got := addressOf(&http.Request{RemoteAddr: peer}); got != want {
			t.Errorf("%s: %s, want %s", peer, got, want)
		}
	}
}

// The gate forgets a client whose session has ended while another of its own waited, in vain.
func TestGateForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(20, 10, 10)
		a, _ := entered(t, g, "a", 10, time.Hour)
		b, _ := entered(t, g, "b", 10, time.Hour)
		_, failed := entered(t, g, "a", 20, time.Minute)
		(<-a)()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(failed) != 1 || g.last["a"] != 0 {
			t.Errorf("%d have given up, turns of %v are remembered", len(failed), g.last)
		}
		(<-b)()
	})
}

// What a client may never have it is not told to ask for again.
func TestNeverIsNotLater(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	file := write(t, filepath.Join(t.TempDir(), "clients.json"), `{"clients": [{"name": "clinic", "tokens_sha256": ["`+hashOf("one")+`"], "sessions": 3}]}`)
	s := start(t, Config{Models: root, Clients: file, Data: t.TempDir()})
	m := s.model(t, "a")
	m.Token = "one"
	d := s.models.Find("a", "").Program.Digest()
	var refused *remote.StatusError
	if _, _, err := m.Session(t.Context(), d, 4); !errors.As(err, &refused) || refused.Status != 429 || refused.After != "" || !strings.Contains(refused.Message, "the whole budget are 3 in 24h") {
		t.Errorf("4 of 3: %v", err)
	}
	c, _, err := m.Session(t.Context(), d, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := m.Session(t.Context(), d, 1); !errors.As(err, &refused) || refused.Status != 429 || refused.After == "" || !strings.Contains(refused.Message, "3 of 3 inferences") {
		t.Errorf("a fourth: %v", err)
	}
}

// The provider of tokens is not asked for its keys by everybody who sends a token, nor are they
// believed for ever.
func TestProviderIsSpared(t *testing.T) {
	p := newProvider(t)
	asked := 0
	inner := p.Config.Handler
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			asked++
		}
		inner.ServeHTTP(w, r)
	})
	o := &Issuer{URL: p.URL, Audience: "secc", Claim: "sub"}
	good := p.token(t, p.key, nil)
	bad := good[:strings.LastIndexByte(good, '.')+1] + strings.Repeat("A", 86)
	if _, err := o.subject(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := o.subject(t.Context(), bad); err == nil || errors.Is(err, errIssuer) {
			t.Fatalf("a token that nobody has signed: %v", err)
		}
	}
	if asked != 1 {
		t.Errorf("keys were fetched %d times for 20 tokens that nobody has signed", asked)
	}
	later := func(d time.Duration) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.since = o.since.Add(-d)
		for at, s := range o.said.all {
			s.at = s.at.Add(-d)
			o.said.all[at] = s
		}
	}
	p.key = newKey(t) // withdrawn, and another published
	if _, err := o.subject(t.Context(), good); err != nil {
		t.Errorf("soon after: %v", err)
	}
	later(keysTime)
	if _, err := o.subject(t.Context(), good); err == nil || errors.Is(err, errIssuer) {
		t.Errorf("a key that was withdrawn long ago: %v", err)
	}
	later(askedTime)
	if _, err := o.subject(t.Context(), p.token(t, p.key, nil)); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

// Only so many wait for a receipt that is not there; others hear at once that there is none.
func TestWaitingForReceipts(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	s := start(t, Config{Models: root, Receipts: filepath.Join(t.TempDir(), "key")})
	for range maxAwaited {
		s.awaiting <- struct{}{}
	}
	begun := time.Now()
	if code, _, _ := s.get(t, "/sessions/none/receipt"); code != http.StatusNotFound || time.Since(begun) > receiptWait/2 {
		t.Errorf("%d after %v", code, time.Since(begun))
	}
}

// What is wrong with a certificate stands in the log, and what net/http says else only if it is
// wanted.
func TestHandshakesAreLogged(t *testing.T) {
	var j journal
	h := handshakes{slog.New(slog.NewTextHandler(&j, nil))}
	for _, text := range []string{"http: TLS handshake error from 192.0.2.1:9: tls: client didn't provide a certificate\n", "http: TLS handshake error from 192.0.2.2:9: EOF\n"} {
		if n, err := h.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if got := j.text(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "192.0.2.1:9") || strings.Contains(got, "192.0.2.2") {
		t.Error(got)
	}
}

// A plan that is known is not sent again, also where a proxy has made a weak tag of its own.
func TestKnownPlans(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  bool
	}{
		{nil, false}, {[]string{`"a"`}, true}, {[]string{`W/"a"`}, true}, {[]string{`"b", W/"a"`}, true}, {[]string{`"b"`, `"a"`}, true},
		{[]string{"*"}, true}, {[]string{`"b"`}, false}, {[]string{"a"}, false},
	} {
		if got := matches(c.lines, `"a"`); got != c.want {
			t.Errorf("%q: %v", c.lines, got)
		}
	}
}

// A session at a model's address is that model's, whatever plan the client holds and whether or not
// it says so in its request.
func TestSessionsAreOfTheirModel(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	put(t, root, "b", "1", 5)
	s := start(t, Config{Models: root})
	c, _, err := websocket.Dial(t.Context(), s.model(t, "b").URL.JoinPath("session").String(), nil) // no If-Match
	if err != nil {
		t.Fatal(err)
	}
	g := s.models.Find("a", "").Program
	in, err := runtime.Encode(g.Plan(), [][]float32{{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	conn := websocket.NetConn(context.WithoutCancel(t.Context()), c, websocket.MessageBinary)
	if _, _, err := g.Run(t.Context(), conn, in, runtime.Config{}); !errors.Is(err, transport.ErrMismatch) {
		t.Errorf("a's plan in b's session: %v", err)
	}
	within(t, "the session's end", func() bool { _, n, _ := s.gate.state(); return n == 0 })
	if _, err := ask(t.Context(), s.model(t, "b")); err != nil {
		t.Errorf("b afterwards: %v", err)
	}
}
