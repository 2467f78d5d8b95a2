package server

import (
	"context"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"secc.example/secc/runtime"
)

// crowd is how many connections a hostile client opens.
const crowd = 40

// Sessions that never say hello have their places for the time that a hello may take, and
// a client of another name is next in turn, however many of them wait. Connections that do not
// even ask are in nobody's way.
func TestCrowdWithoutHello(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	known := write(t, filepath.Join(t.TempDir(), "clients.json"), `{"clients": [
		{"name": "crowd", "tokens_sha256": ["`+hashOf("many")+`"]}, {"name": "clinic", "tokens_sha256": ["`+hashOf("one")+`"]}]}`)
	const hello = 300 * time.Millisecond
	s := start(t, Config{Models: root, Clients: known, MaxSessions: 2, Wait: time.Minute, Session: runtime.Config{Hello: hello}})
	m := s.model(t, "a")
	m.Token = "one"
	if _, err := ask(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	silent, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	for range crowd {
		c, err := net.Dial("tcp", silent.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	digest := s.models.Find("a", "").Program.Digest()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ended atomic.Int32
	var sessions sync.WaitGroup
	for range crowd {
		sessions.Go(func() {
			many := *m
			many.Token = "many"
			c, _, err := many.Session(ctx, digest, 1)
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.Copy(io.Discard, c) // until it is thrown out
			ended.Add(1)
		})
	}
	within(t, "both places taken and the others waiting", func() bool {
		_, running, waiting := s.gate.state()
		return running == 2 && waiting >= crowd/2
	})
	begun := ended.Load()
	if got, err := ask(t.Context(), m); err != nil || got != 3 {
		t.Errorf("a client beside them: %v, %v", got, err)
	}
	if more := ended.Load() - begun; more > 6 {
		t.Errorf("%d of the crowd had their turn before it", more)
	}
	cancel()
	sessions.Wait()
}

// Who has asked for a session and then says nothing loses the place within seconds, long before
// a raw connection would.
func TestSilentUpgradeLosesItsPlace(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	s := start(t, Config{Models: root, MaxSessions: 1})
	m := s.model(t, "a")
	begun := time.Now()
	c, _, err := m.Session(t.Context(), s.models.Find("a", "").Program.Digest(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := ask(t.Context(), m); err != nil || got != 3 {
		t.Fatalf("the next one: %v, %v", got, err)
	}
	if took := time.Since(begun); took < upgradedHello || took > 6*time.Second {
		t.Errorf("it had its place for %v", took)
	}
}
