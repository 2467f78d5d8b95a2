//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// Environment of a child process: what it does, and with which arguments.
const (
	childTask = "SECC_TEST_TASK"
	childArgs = "SECC_TEST_ARGS"
)

var children = map[string]func() error{"burn": burn}

func openD(t *testing.T, url string) *database {
	t.Helper()
	d, err := openDatabase(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// Two servers that start at once make the tables once; those that are newer are left alone.
func TestDatabaseMigrations(t *testing.T) {
	_, url := databaseT(t)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { openD(t, url) })
	}
	both.Wait()
	d := openD(t, url)
	if _, err := d.pool.Exec(t.Context(), "insert into secc_migrations (name) values ('9999_later.sql')"); err != nil {
		t.Fatal(err)
	}
	if _, err := openDatabase(t.Context(), url, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "newer secc (9999_later.sql)") {
		t.Errorf("a newer database: %v", err)
	}
	if _, err := openDatabase(t.Context(), "postgres://u:geheim@127.0.0.1:1/x?port=no", slog.New(slog.DiscardHandler)); err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("an address that is none: %v", err)
	}
}

// Budgets and the number of sessions at once hold across servers, whoever comes when.
func TestDatabaseQuotas(t *testing.T) {
	_, url := databaseT(t)
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	file := write(t, filepath.Join(t.TempDir(), "clients.json"), `{"clients": [
		{"name": "clinic", "tokens_sha256": ["`+hashOf("one")+`"], "sessions": 7},
		{"name": "lab", "tokens_sha256": ["`+hashOf("two")+`"], "bytes": 12},
		{"name": "few", "tokens_sha256": ["`+hashOf("three")+`"], "at_once": 3}]}`)
	servers := [2]*running{}
	for i := range servers {
		servers[i] = start(t, Config{Models: root, Clients: file, Database: url})
	}
	as := func(i int, token string) *remote.Model {
		m := servers[i%2].model(t, "a")
		m.Token = token
		return m
	}
	// 20 at once, of which 7 may.
	var mu sync.Mutex
	var done, refused int
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			_, err := ask(t.Context(), as(i, "one"))
			var status *remote.StatusError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				done++
			case errors.As(err, &status) && status.Status == http.StatusTooManyRequests && status.After != "":
				refused++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if done != 7 || refused != 13 {
		t.Errorf("%d done, %d refused; 7 of 20 may", done, refused)
	}
	// 12 bytes are two sessions of 5.
	for i, want := range []bool{true, true, false, false} {
		if _, err := ask(t.Context(), as(i, "two")); (err == nil) != want {
			t.Errorf("session %d of a budget of bytes: %v", i, err)
		}
	}
	// Three at once, on either server; one that ends makes room, one that says nothing gives its
	// budget back.
	d := servers[0].models.Find("a", "").Program.Digest()
	for i := range 3 {
		c, _, err := as(i, "three").Session(t.Context(), d, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i == 2 {
			for j := range 2 {
				var status *remote.StatusError
				if _, err := ask(t.Context(), as(j, "three")); !errors.As(err, &status) || status.Status != 429 || !strings.Contains(err.Error(), "3 of 3") {
					t.Errorf("a fourth at once: %v", err)
				}
			}
			c.Close()
			within(t, "room", func() bool { _, err := ask(t.Context(), as(1, "three")); return err == nil })
		}
	}
	r, err := ReadAudit(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if a, err := VerifyAudit(r, AuditCheck{}); err != nil || a.Records < 2*9+13 {
		t.Errorf("the audit of both: %+v, %v", a, err)
	}
}

// The receipt of a session is had, and signed by the client, at whichever server, once.
func TestDatabaseReceipts(t *testing.T) {
	_, url := databaseT(t)
	root, key := t.TempDir(), filepath.Join(t.TempDir(), "key")
	put(t, root, "a", "1", 3)
	cfg := Config{Models: root, Database: url, Receipts: key}
	one, two := start(t, cfg), start(t, cfg)
	m, ours := one.model(t, "a"), signer(t, 1)
	m.Signer = ours.Public()
	name, signed, err := session(t.Context(), t, one, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*running{two, one} {
		if err := s.model(t, "a").Countersign(t.Context(), name, ours.Countersign(signed)); err != nil {
			t.Error(err)
		}
	}
	if both, err := two.model(t, "a").Receipt(t.Context(), name); err != nil || both.Countersigned() != nil {
		t.Errorf("the receipt has not both signatures: %v", err)
	}
	r, err := ReadAudit(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if a, err := VerifyAudit(r, AuditCheck{Signatures: true, Key: one.receipts.Public()}); err != nil || a.Signed != 1 || a.Unsigned != 0 {
		t.Errorf("the audit of both: %+v, %v", a, err)
	}
}

// A server without its database refuses, says so to whoever balances, and serves again when it
// is back.
func TestDatabaseLost(t *testing.T) {
	p, url := databaseT(t)
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	s := start(t, Config{Models: root, Database: url})
	if _, err := ask(t.Context(), s.model(t, "a")); err != nil {
		t.Fatal(err)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if v, err := ask(t.Context(), s.model(t, "a")); !errors.Is(err, transport.ErrBusy) {
		t.Errorf("without a database: %v, %v", v, err)
	}
	d := s.state.(*database)
	d.self.mu.Lock()
	d.self.until = time.Now() // what takes a lease's time otherwise
	d.self.mu.Unlock()
	if code, _, _ := s.get(t, "/health/ready"); code != 503 {
		t.Errorf("readiness: %d", code)
	}
	if code, _, _ := s.get(t, "/health/live"); code != 200 {
		t.Errorf("liveness: %d", code)
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	within(t, "the database's return", func() bool { _, err := ask(t.Context(), s.model(t, "a")); return err == nil })
	if code, _, _ := s.get(t, "/health/ready"); code != 200 {
		t.Errorf("readiness: %d", code)
	}
}

// A database that does not answer keeps nobody waiting: not a client, and not the server's end.
func TestDatabaseStandsStill(t *testing.T) {
	_, url := databaseT(t)
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	s := start(t, Config{Models: root, Database: url})
	d := s.state.(*database)
	tx, err := d.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "lock table secc_audit in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	go func() { _, err := ask(t.Context(), s.model(t, "a")); told <- err }()
	select {
	case err := <-told:
		if !errors.Is(err, transport.ErrBusy) {
			t.Errorf("a session that cannot be recorded: %v", err)
		}
	case <-time.After(2 * queryTime):
		t.Error("a client was kept waiting")
		_ = tx.Rollback(context.Background())
		<-told
	}
}

// A lease is one server's; who comes after it has run out fences the one before off.
func TestDatabaseLease(t *testing.T) {
	_, url := databaseT(t)
	one, two := openD(t, url), openD(t, url)
	w, err := one.Witness(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Witness(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "is another server's") {
		t.Errorf("a lease that is held: %v", err)
	}
	name := func(n uint64) store.Name { return store.Name{Session: [32]byte{1}, Number: n} }
	if err := w.Reserve(t.Context(), name(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := one.pool.Exec(t.Context(), "update secc_leases set until = clock_timestamp() where resource = 'store/x'"); err != nil {
		t.Fatal(err)
	}
	later, err := two.Witness(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Reserve(t.Context(), name(2)); !errors.Is(err, errFenced) {
		t.Errorf("a server that was taken for dead: %v", err)
	}
	if err := later.Reserve(t.Context(), name(1)); !errors.Is(err, store.ErrNone) {
		t.Errorf("a run that was taken: %v", err)
	}
	if err := later.Reserve(t.Context(), name(2)); err != nil {
		t.Error(err)
	}
	if a, b := w.(*witness).l.fence, later.(*witness).l.fence; a >= b {
		t.Errorf("fences %d, %d", a, b)
	}
}

// burn is a server with a store, a copy of which others have: it reserves what it can, and writes
// down each run that it got.
func burn() error {
	args := strings.Fields(os.Getenv(childArgs))
	url, dir, out := args[0], args[1], args[2]
	d, err := openDatabase(context.Background(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	s, err := store.Open(dir, store.Key{1}, 0)
	if err != nil {
		return err
	}
	w, err := d.Witness(context.Background(), filepath.Base(dir))
	if err != nil {
		return err
	}
	s.Watched(w)
	got, err := os.OpenFile(out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for _, n := range s.Ready(store.For{}) {
		r, err := s.Reserve(context.Background(), store.Binding{Name: n})
		if errors.Is(err, store.ErrNone) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(got, n.Number); err != nil {
			return err
		}
		if err := r.Spend(); err != nil {
			return err
		}
	}
	return nil
}

// Three servers with copies of one store, one of which is killed in the middle and started again
// on an old copy: no run is taken twice.
func TestDatabaseBurnsOnce(t *testing.T) {
	_, url := databaseT(t)
	openD(t, url)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	s, err := store.Open(at("a"), store.Key{1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	const runs = 120
	for i := range uint64(runs) {
		d, err := s.Put(store.Binding{Name: store.Name{Session: [32]byte{7}, Number: i}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if err := d.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b", "c", "d"} {
		if err := os.CopyFS(at(name), os.DirFS(at("a"))); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string) *exec.Cmd {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), childTask+"=burn", childArgs+"="+strings.Join([]string{strings.ReplaceAll(url, " ", "%20"), at(name), at("out")}, " "))
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	victim, other := run("a"), run("b")
	within(t, "the middle", func() bool { return len(lines(t, at("out"))) > runs/10 })
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // it was killed
	again := run("c")
	if err := errors.Join(other.Wait(), again.Wait(), run("d").Wait()); err != nil {
		t.Fatal(err)
	}
	got := lines(t, at("out"))
	slices.Sort(got)
	if n := len(slices.Compact(slices.Clone(got))); n != len(got) || n < runs-1 {
		t.Errorf("%d of %d runs were taken, %d times", n, runs, len(got))
	}
}
