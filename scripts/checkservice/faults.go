package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/transport"
)

// beside is a service under the load of a few clients whose answers must stay right whatever
// else happens to it.
func (b *bench) beside(ctx context.Context, env []string, f func(s *service, of []*subject, l *load) error, flags ...string) error {
	subjects, err := b.small()
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, env, subjects, flags...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := ofService(s)
	var over atomic.Bool
	l := &load{clients: 3, ask: func(ctx context.Context, _, turn int) error {
		if over.Load() {
			cancel()
			return nil
		}
		return a.ask(context.WithoutCancel(ctx), subjects[0], turn)
	}}
	ended := make(chan struct{})
	go func() { defer close(ended); l.run(ctx) }()
	err = f(s, subjects, l)
	over.Store(true)
	<-ended
	if err == nil && l.done() == 0 {
		err = errors.New("nobody else was served")
	}
	return errors.Join(err, l.err(), s.stop())
}

// idleConnections is 200 connections in the middle of a request and 100 that say nothing.
func idleConnections(ctx context.Context, b *bench, r *result) error {
	return b.beside(ctx, nil, func(s *service, of []*subject, _ *load) error {
		before, err := s.metrics()
		if err != nil {
			return err
		}
		var conns []net.Conn
		defer func() {
			for _, c := range conns {
				c.Close()
			}
		}()
		for i := range 300 {
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				return err
			}
			conns = append(conns, c)
			if i < 200 {
				if _, err := c.Write([]byte("GET /v2/models HTTP/1.1\r\nHost: x\r\nX-Half")); err != nil {
					return err
				}
			}
		}
		begun := time.Now()
		if err := ofService(s).ask(ctx, of[0], 0); err != nil {
			return fmt.Errorf("beside 300 idle connections: %w", err)
		}
		r.note("answer beside them s", time.Since(begun).Seconds())
		for _, c := range conns { // the server hangs up
			if err := c.SetReadDeadline(begun.Add(20 * time.Second)); err != nil {
				return err
			}
			b := make([]byte, 4096)
			for {
				if _, err := c.Read(b); errors.Is(err, os.ErrDeadlineExceeded) {
					return errors.New("an idle connection is still open after 20 s")
				} else if err != nil {
					break
				}
			}
		}
		r.note("all hung up after s", time.Since(begun).Seconds())
		after, err := s.metrics()
		if err != nil {
			return err
		}
		r.note("descriptors before", before["process_open_fds"])
		r.note("after", after["process_open_fds"])
		if after["process_open_fds"] > before["process_open_fds"]+20 {
			return errors.New("descriptors were not given back")
		}
		return nil
	})
}

// command asks as a user does.
func (b *bench) command(s *service, of *subject) *exec.Cmd {
	c := exec.Command(b.secc, "ask", "http://"+s.addr+"/v2/models/"+of.name, "--input", of.files[0], "--quiet", "--state", filepath.Join(b.dir, "state"))
	return c
}

// killedClient is clients that are killed at moments of their sessions.
func killedClient(ctx context.Context, b *bench, r *result) error {
	return b.beside(ctx, nil, func(s *service, of []*subject, _ *load) error {
		begun := time.Now()
		if out, err := b.command(s, of[1]).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		whole := time.Since(begun)
		killed := 0
		for i := range 8 {
			c := b.command(s, of[1])
			if err := c.Start(); err != nil {
				return err
			}
			time.Sleep(whole * time.Duration(i+1) / 10)
			_ = c.Process.Kill() // it may have ended
			if c.Wait() != nil {
				killed++
			}
		}
		r.note("killed", float64(killed))
		return quiet(ctx, s, 3)
	})
}

// quiet waits until no more sessions run than the load's.
func quiet(ctx context.Context, s *service, most float64) error {
	for range 200 {
		m, err := s.metrics()
		if err != nil {
			return err
		}
		if m["secc_sessions"] <= most {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.New("sessions of clients that are gone still run")
}

// hangup is a server that is told to read everything anew while it answers.
func hangup(ctx context.Context, b *bench, r *result) error {
	return b.beside(ctx, nil, func(s *service, _ []*subject, l *load) error {
		for range 20 {
			if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				return err
			}
			time.Sleep(100 * time.Millisecond)
		}
		for range 100 {
			if strings.Contains(s.log.String(), "msg=reloaded") {
				r.note("reloads", float64(strings.Count(s.log.String(), "msg=reloaded")))
				r.note("answers", float64(l.done()))
				return nil
			}
			time.Sleep(50 * time.Millisecond)
		}
		return errors.New("nothing was reloaded")
	})
}

// terminate is a server that is told to end while it answers: what runs ends well, what comes is
// sent away.
func terminate(ctx context.Context, b *bench, r *result) error {
	subjects, err := b.small()
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, nil, subjects, "--queue-wait", "1m")
	if err != nil {
		return err
	}
	var ended atomic.Bool
	var refused, cut atomic.Int64
	a := ofService(s)
	l := &load{clients: 6, ask: func(ctx context.Context, _, turn int) error {
		if ended.Load() {
			return errStop
		}
		err := a.ask(ctx, subjects[1], turn)
		var connect *net.OpError
		switch {
		case errors.Is(err, transport.ErrBusy), errors.As(err, &connect):
			refused.Add(1)
			ended.Store(true)
			return nil
		case err != nil:
			cut.Add(1)
		}
		return err
	}}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	l.ask = until(l.ask, cancel)
	done := make(chan struct{})
	go func() { defer close(done); l.run(inner) }()
	for l.done() < 6 && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	begun := time.Now()
	err = s.stop()
	r.note("drained in s", time.Since(begun).Seconds())
	ended.Store(true)
	<-done
	r.note("answers", float64(l.done()))
	r.note("sent away", float64(refused.Load()))
	if cut.Load() > 0 {
		err = errors.Join(err, l.err())
	}
	return err
}

var errStop = errors.New("over")

// until ends a load whose client says so.
func until(ask func(context.Context, int, int) error, cancel func()) func(context.Context, int, int) error {
	return func(ctx context.Context, c, turn int) error {
		err := ask(context.WithoutCancel(ctx), c, turn)
		if errors.Is(err, errStop) {
			cancel()
			return nil
		}
		return err
	}
}

// killedServer is a server that is killed while it answers: clients hear of it at once, and the
// next server goes on with its records.
func killedServer(ctx context.Context, b *bench, r *result) error {
	subjects, err := b.small()
	if err != nil {
		return err
	}
	data := filepath.Join(b.dir, "killed-data")
	s, err := b.serve(ctx, nil, subjects, "--data", data)
	if err != nil {
		return err
	}
	a := ofService(s)
	var all sync.WaitGroup
	var heard atomic.Int64
	slowest := atomic.Int64{}
	var killed atomic.Int64
	for range 6 {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := a.ask(ctx, subjects[1], 0); err != nil {
					heard.Add(1)
					if at := killed.Load(); at > 0 {
						slowest.Store(max(slowest.Load(), time.Now().UnixNano()-at))
					}
					return
				}
			}
		})
	}
	time.Sleep(3 * time.Second)
	killed.Store(time.Now().UnixNano())
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	all.Wait()
	<-s.ended
	r.note("clients that heard", float64(heard.Load()))
	r.note("slowest s", time.Duration(slowest.Load()).Seconds())
	if heard.Load() != 6 || time.Duration(slowest.Load()) > 10*time.Second {
		err = errors.New("not all clients heard of it within 10 s")
	}
	next, started := b.serve(ctx, nil, subjects, "--data", data)
	if started != nil {
		return errors.Join(err, started)
	}
	err = errors.Join(err, ofService(next).ask(ctx, subjects[0], 0), next.stop())
	if out, bad := exec.Command(b.secc, "audit", "verify", filepath.Join(data, "audit.jsonl")).CombinedOutput(); bad != nil {
		err = errors.Join(err, fmt.Errorf("the audit: %w: %s", bad, out))
	}
	return err
}

// slowly is a connection over which little passes at once.
type slowly struct {
	net.Conn
	rate float64 // bytes a second
}

func (s slowly) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p[:min(len(p), 16<<10)])
	time.Sleep(time.Duration(float64(n) / s.rate * 1e9))
	return n, err
}

// slowClient is a client with a bad line: it is served to its end, and delays nobody.
func slowClient(ctx context.Context, b *bench, r *result) error {
	return b.beside(ctx, nil, func(s *service, of []*subject, l *load) error {
		a := ofService(s)
		a.wrap = func(c net.Conn) net.Conn { return slowly{c, 300e3} }
		begun, before := time.Now(), l.done()
		err := a.ask(ctx, of[0], 0)
		r.note("slow answer s", time.Since(begun).Seconds())
		r.note("others meanwhile", float64(l.done()-before))
		return err
	})
}

// frozen is a connection that stands still once so much was read.
type frozen struct {
	net.Conn
	left  *atomic.Int64
	until <-chan struct{}
}

func (f frozen) Read(p []byte) (int, error) {
	if f.left.Load() < 0 {
		<-f.until
	}
	n, err := f.Conn.Read(p)
	f.left.Add(-int64(n))
	return n, err
}

// Write says nothing any more either: signs of life would keep the session.
func (f frozen) Write(p []byte) (int, error) {
	if f.left.Load() < 0 {
		<-f.until
	}
	return f.Conn.Write(p)
}

// frozenClient is a client that stops in the middle; the server gives it up in its time.
func frozenClient(ctx context.Context, b *bench, r *result) error {
	return b.beside(ctx, nil, func(s *service, of []*subject, _ *load) error {
		thaw := make(chan struct{})
		a := ofService(s)
		left := new(atomic.Int64)
		left.Store(100 << 10)
		a.wrap = func(c net.Conn) net.Conn { return frozen{c, left, thaw} }
		begun := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- a.ask(ctx, of[1], 0) }()
		for !strings.Contains(s.log.String(), "nothing was heard") && !strings.Contains(s.log.String(), "msg=failed") {
			if time.Since(begun) > 30*time.Second {
				close(thaw)
				<-ended
				return errors.New("the server did not give it up in 30 s")
			}
			time.Sleep(50 * time.Millisecond)
		}
		r.note("given up after s", time.Since(begun).Seconds())
		close(thaw)
		if err := <-ended; err == nil {
			return errors.New("the frozen client got an answer")
		}
		return quiet(ctx, s, 3)
	}, "--timeout", "3s")
}

// flipped is a connection on which a bit changes.
type flipped struct {
	net.Conn
	sent *atomic.Int64
	at   int64
}

func (f flipped) Write(p []byte) (int, error) {
	if n := f.sent.Add(int64(len(p))); n > f.at && n-int64(len(p)) <= f.at {
		p = append([]byte(nil), p...)
		p[len(p)/2] ^= 0x10
	}
	return f.Conn.Write(p)
}

// corruptedFrame is clients whose bytes change on the way: their sessions end, nobody else's.
func corruptedFrame(ctx context.Context, b *bench, r *result) error {
	return b.beside(ctx, nil, func(s *service, of []*subject, _ *load) error {
		for _, at := range []int64{0, 100, 5000, 30000, 60000} {
			a := ofService(s)
			a.wrap = func(c net.Conn) net.Conn { return flipped{c, new(atomic.Int64), at} }
			if err := a.ask(ctx, of[0], 0); err == nil {
				return fmt.Errorf("a bit that changed near byte %d was not seen", at)
			}
		}
		r.note("sessions ended", 5)
		return quiet(ctx, s, 3)
	})
}

// quotas is a client with a budget of five sessions, twice over a restart.
func quotas(ctx context.Context, b *bench, r *result) error {
	subjects, err := b.small()
	if err != nil {
		return err
	}
	file, data := filepath.Join(b.dir, "clients.json"), filepath.Join(b.dir, "quota-data")
	// the SHA-256 of "token"
	if err := os.WriteFile(file, []byte(`{"clients": [{"name": "clinic", "tokens_sha256": ["3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0"], "sessions": 5}]}`), 0o600); err != nil {
		return err
	}
	served, refused := 0, 0
	for range 2 {
		s, err := b.serve(ctx, nil, subjects, "--clients", file, "--data", data)
		if err != nil {
			return err
		}
		a := ofService(s)
		if err := a.ask(ctx, subjects[0], 0); !errors.Is(err, transport.ErrAuth) {
			return errors.Join(fmt.Errorf("a stranger: %w", err), s.stop())
		}
		a.token = "token"
		for range 4 {
			err := a.ask(ctx, subjects[0], 0)
			var status *remote.StatusError
			switch {
			case err == nil:
				served++
			case errors.As(err, &status) && status.Status == 429 && status.After != "":
				refused++
			default:
				return errors.Join(err, s.stop())
			}
		}
		if err := s.stop(); err != nil {
			return err
		}
	}
	r.note("served", float64(served))
	r.note("refused", float64(refused))
	if served != 5 || refused != 3 {
		return fmt.Errorf("%d of 8 sessions were served, 5 may be", served)
	}
	return nil
}
