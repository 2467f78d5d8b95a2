package ask

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"secc.example/secc"
	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/pki"
	"secc.example/secc/runtime/transport"
	"secc.example/secc/server"
)

const digits = "../../../testdata/models/mnist_cntk_8/"

// models is a folder of a service with one model.
func models(t *testing.T) string {
	t.Helper()
	model, err := os.ReadFile(digits + "model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	n, err := secc.Compile(t.Context(), model, secc.Options{Calibration: secc.Files(digits + "images.u8"), Preprocess: plan.Preprocess{Preset: "raw"}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at := filepath.Join(dir, "digits", "1")
	if err := errors.Join(os.MkdirAll(at, 0o700), n.Save(filepath.Join(at, "model.plan"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// serving is the address of a model.
func serving(t *testing.T) string { return start(t, models(t)) + "/v2/models/digits" }

// start serves a folder of models, in the clear or not, until the test ends.
func start(t *testing.T, dir string, options ...func(*server.Config)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conf := server.Config{Models: dir, Log: slog.New(slog.DiscardHandler), Memory: 1 << 32, Queue: 8, Wait: time.Second, Grace: time.Second, Poll: time.Hour}
	conf.Session.Transport.Idle = time.Minute
	for _, o := range options {
		o(&conf)
	}
	ctx, stop := context.WithCancel(context.Background())
	s, err := server.New(ctx, conf)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if conf.TLS != nil {
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// asked runs the command.
func asked(ctx context.Context, t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	return askedFrom(ctx, t, "", args...)
}

// askedFrom runs it with something on its standard input.
func askedFrom(ctx context.Context, t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	c := new(Command)
	fl := pflag.NewFlagSet("ask", pflag.ContinueOnError)
	c.Register(fl)
	if err := fl.Parse(append(args, "--state", t.TempDir(), "-q")); err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	err = c.Run(ctx, fl, fl.Args(), strings.NewReader(stdin), &out, &log)
	return out.String(), log.String(), err
}

// copied puts a file at another place, whole from one moment to the next.
func copied(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+".part~", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".part~", to); err != nil {
		t.Fatal(err)
	}
}

// What comes into a watched folder is answered once, and again when it has changed.
func TestWatch(t *testing.T) {
	url := serving(t)
	in, out := t.TempDir(), t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan string)
	go func() {
		stdout, _, err := asked(ctx, t, url, "--watch", in, "--out", out, "--poll", "20ms", "--format", "csv")
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		done <- stdout
	}()
	copied(t, digits+"seven.png", filepath.Join(in, "a.png"))
	exists(t, filepath.Join(out, "a.png.json"))
	copied(t, digits+"seven.png", filepath.Join(in, "b.png"))
	exists(t, filepath.Join(out, "b.png.json"))
	stop()
	rows, err := csv.NewReader(strings.NewReader(<-done)).ReadAll()
	if err != nil || len(rows) != 1+2*5 || rows[1][3] != "7" {
		t.Errorf("%v: %v", err, rows)
	}
}

// exists waits for a file.
func exists(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	t.Fatalf("%s does not come", path)
}

// A service that is not there yet is tried again; one that is overloaded says when.
func TestConnectingIsTriedAgain(t *testing.T) {
	target, err := url.Parse(serving(t))
	if err != nil {
		t.Fatal(err)
	}
	var refusals atomic.Int32
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/session") && refusals.Add(1) < 3 {
			w.Header().Set("Retry-After", "0")
			http.Error(w, `{"error":"no room"}`, http.StatusServiceUnavailable)
			return
		}
		(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: target.Host}) }}).ServeHTTP(w, q)
	}))
	defer front.Close()
	stdout, stderr, err := asked(t.Context(), t, front.URL+"/v2/models/digits", digits+"seven.png", "--json")
	var report plan.Report
	if err != nil || json.Unmarshal([]byte(stdout), &report) != nil || report.Labels[0].Index != 7 {
		t.Errorf("%v: %s", err, stdout)
	}
	if n := strings.Count(stderr, "trying again"); n != 2 {
		t.Errorf("tried again %d times, want 2:\n%s", n, stderr)
	}
	refusals.Store(-100)
	if _, _, err := asked(t.Context(), t, front.URL+"/v2/models/digits", digits+"seven.png", "--retry", "0s"); exit.Code(err) != exit.Network {
		t.Errorf("without trying again: %v", err)
	}
}

// proxied is the address that the proxies of TestMain take company.test for.
var proxied atomic.Pointer[string]

var connects, socksConnects atomic.Int32

// TestMain puts proxies into the environment, which net/http reads once: one for https, that
// knows CONNECT, and one for http, that speaks SOCKS5.
func TestMain(m *testing.M) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := s.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _ = socks(c) }() // whoever asks sees it end
		}
	}()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { //nolint // ends with the process
		if q.Method != http.MethodConnect || q.Host != "company.test:443" {
			http.Error(w, "not for you", http.StatusForbidden)
			return
		}
		connects.Add(1)
		to, err := net.Dial("tcp", *proxied.Load())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		from, read, err := w.(http.Hijacker).Hijack()
		if err != nil {
			to.Close()
			return
		}
		defer from.Close()
		if _, err := io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
			to.Close()
			return
		}
		go func() { defer to.Close(); _, _ = io.Copy(to, read) }() // what was read ahead comes first
		_, _ = io.Copy(from, to)
	}))
	os.Setenv("HTTPS_PROXY", "http://"+l.Addr().String())
	os.Setenv("HTTP_PROXY", "socks5://"+s.Addr().String())
	os.Exit(m.Run())
}

// socks answers one connection by SOCKS5 (RFC 1928), without authentication, to a name alone.
func socks(c net.Conn) error {
	b := make([]byte, 2)
	read := func(n int) error {
		b = make([]byte, n)
		_, err := io.ReadFull(c, b)
		return err
	}
	if err := read(2); err != nil || b[0] != 5 {
		return fmt.Errorf("no greeting: %x, %w", b, err)
	}
	if err := read(int(b[1])); err != nil || !bytes.Contains(b, []byte{0}) {
		return fmt.Errorf("wants to authenticate: %x, %w", b, err)
	}
	if _, err := c.Write([]byte{5, 0}); err != nil {
		return err
	}
	if err := read(5); err != nil || !bytes.Equal(b[:4], []byte{5, 1, 0, 3}) {
		return fmt.Errorf("no connection to a name: %x, %w", b, err)
	}
	if err := read(int(b[4]) + 2); err != nil || string(b) != "company.test\x00\x50" {
		_, no := c.Write([]byte{5, 2, 0, 1, 0, 0, 0, 0, 0, 0})
		return errors.Join(fmt.Errorf("%q is not for you", b), err, no)
	}
	socksConnects.Add(1)
	to, err := net.Dial("tcp", *proxied.Load())
	if err != nil {
		return err
	}
	if _, err := c.Write([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 80}); err != nil {
		return errors.Join(err, to.Close())
	}
	go func() { defer to.Close(); _, _ = io.Copy(to, c) }()
	_, err = io.Copy(c, to)
	return err
}

// A name that only a SOCKS5 proxy knows is reached through it; in the clear not before it is
// said that this may be, although the proxy is on this machine.
func TestThroughSOCKS(t *testing.T) {
	address := strings.TrimPrefix(start(t, models(t)), "http://")
	proxied.Store(&address)
	const model = "http://company.test/v2/models/digits"
	_, _, err := asked(t.Context(), t, model, digits+"seven.png", "--retry", "0s")
	if exit.Code(err) == exit.OK || socksConnects.Load() != 0 {
		t.Errorf("in the clear: %v, %d connections", err, socksConnects.Load())
	}
	stdout, _, err := asked(t.Context(), t, model, digits+"seven.png", "--insecure", "--json")
	var report plan.Report
	if err != nil || json.Unmarshal([]byte(stdout), &report) != nil || report.Labels[0].Index != 7 {
		t.Errorf("%v: %s", err, stdout)
	}
	if socksConnects.Load() < 2 { // the plan and the session
		t.Errorf("%d connections went through the proxy", socksConnects.Load())
	}
	if _, _, err := asked(t.Context(), t, "http://elsewhere.test/v2/models/digits", digits+"seven.png", "--insecure", "--retry", "0s"); exit.Code(err) != exit.Network {
		t.Errorf("through a proxy that refuses: %v", err)
	}
}

// A name that only the proxy knows is reached through it, with TLS from end to end.
func TestThroughAProxy(t *testing.T) {
	dir := t.TempDir()
	ca, err := pki.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority, err := pki.OpenAuthority(file("ca.pem", ca.Cert), file("ca-key.pem", ca.Key))
	if err != nil {
		t.Fatal(err)
	}
	p, err := authority.Issue(pki.Request{Name: "company.test", Hosts: []string{"company.test"}, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	files := transport.TLSFiles{Cert: file("cert.pem", p.Cert), Key: file("key.pem", p.Key)}
	address := strings.TrimPrefix(start(t, models(t), func(c *server.Config) {
		c.TLS = func() (*tls.Config, error) { return files.Config(transport.Server, "") }
	}), "https://")
	proxied.Store(&address)
	stdout, _, err := asked(t.Context(), t, "https://company.test/v2/models/digits", digits+"seven.png", "--tls-ca", filepath.Join(dir, "ca.pem"), "--json")
	var report plan.Report
	if err != nil || json.Unmarshal([]byte(stdout), &report) != nil || report.Labels[0].Index != 7 {
		t.Errorf("%v: %s", err, stdout)
	}
	if connects.Load() < 2 { // the plan and the session
		t.Errorf("%d connections went through the proxy", connects.Load())
	}
	if _, _, err := asked(t.Context(), t, "https://elsewhere.test/v2/models/digits", digits+"seven.png", "--retry", "0s"); exit.Code(err) != exit.Network {
		t.Errorf("through a proxy that refuses: %v", err)
	}
}
