package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"secc.example/secc/runtime"
	"secc.example/secc/runtime/client"
	"secc.example/secc/runtime/remote"
)

// asker is how clients ask.
type asker struct {
	url   string // of the service: https://host:port
	tls   *tls.Config
	token string
	wrap  func(net.Conn) net.Conn
	idle  time.Duration
}

func ofService(s *service) asker { return asker{url: "http://" + s.addr} }

// patiently asks until there is room, as secc ask does: when the server says, or a little later.
func (a asker) patiently(ctx context.Context, s *subject, i int) error {
	for {
		err := a.ask(ctx, s, i)
		var refused *remote.StatusError
		if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
			return err
		}
		after, _ := strconv.Atoi(refused.After) // none: at once
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(after) * time.Second):
		}
	}
}

// ask runs an inference and holds its answer to onnxruntime's.
func (a asker) ask(ctx context.Context, s *subject, i int) error {
	u, err := remote.Parse(a.url + "/v2/models/" + s.name)
	if err != nil {
		return err
	}
	m := &remote.Model{URL: u, TLS: a.tls, Token: a.token}
	digest, err := s.program.Digest()
	if err != nil {
		return err
	}
	c := client.Client{Plan: s.program, Session: runtime.Config{Threads: 1}, Connect: func(ctx context.Context) (net.Conn, error) {
		conn, _, err := m.Session(ctx, digest, 1)
		if err == nil && a.wrap != nil {
			conn = a.wrap(conn)
		}
		return conn, err
	}}
	c.Session.Transport.Idle = a.idle
	i %= len(s.inputs)
	report, err := c.Infer(ctx, s.inputs[i])
	if err != nil {
		return err
	}
	if got := best(report.Outputs[0].Values); got != s.classes[i] {
		return fmt.Errorf("a wrong answer: %s gives class %d, not %d", s.name, got, s.classes[i])
	}
	return nil
}

// load is many clients that ask at once until they have asked so often, or until a time.
type load struct {
	clients int
	each    int // 0: until the end
	until   time.Time
	ask     func(ctx context.Context, client, turn int) error

	mu      sync.Mutex
	seconds []float64
	errs    []error
}

func (l *load) run(ctx context.Context) {
	var all sync.WaitGroup
	for c := range l.clients {
		all.Go(func() {
			for turn := 0; ctx.Err() == nil && (l.each == 0 || turn < l.each) && (l.until.IsZero() || time.Now().Before(l.until)); turn++ {
				begun := time.Now()
				err := l.ask(ctx, c, turn)
				l.mu.Lock()
				if err != nil {
					l.errs = append(l.errs, err)
				} else {
					l.seconds = append(l.seconds, time.Since(begun).Seconds())
				}
				l.mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(l.seconds)
}

// done counts the answers so far.
func (l *load) done() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seconds)
}

// quantile is a share of the answers' seconds.
func (l *load) quantile(q float64) float64 {
	if len(l.seconds) == 0 {
		return 0
	}
	return l.seconds[min(len(l.seconds)-1, int(q*float64(len(l.seconds))))]
}

// err is the first of the errors, and how many there are.
func (l *load) err() error {
	if len(l.errs) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d: %w", len(l.errs), len(l.errs)+len(l.seconds), l.errs[0])
}

// report notes how fast it was.
func (l *load) report(r *result, took time.Duration) {
	r.note("answers", float64(len(l.seconds)))
	r.note("p50 s", l.quantile(0.5))
	r.note("p95 s", l.quantile(0.95))
	r.note("answers/s", float64(len(l.seconds))/took.Seconds())
}

// small are the networks of a crowd.
func (b *bench) small() ([]*subject, error) {
	var all []*subject
	for _, name := range []string{"mnist_cntk_8", "resnet20_cifar10"} {
		s, err := b.subject(name)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// crowd is a hundred clients at once, three in four of which ask a tiny network.
func crowd(ctx context.Context, b *bench, r *result) error {
	subjects, err := b.small()
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, nil, subjects)
	if err != nil {
		return err
	}
	a := ofService(s)
	l := &load{clients: b.clients, each: 2, ask: func(ctx context.Context, c, turn int) error {
		of := subjects[0]
		if c%4 == 0 {
			of = subjects[1]
		}
		return a.patiently(ctx, of, c+turn)
	}}
	begun := time.Now()
	l.run(ctx)
	l.report(r, time.Since(begun))
	r.note("server MiB", s.peak()/(1<<20))
	return errors.Join(l.err(), s.stop())
}

// limit is the memory that SqueezeNet's clients have to live with, all together.
const limit = 2 << 30

// squeezenet is eight clients at once of a network that takes memory.
func squeezenet(ctx context.Context, b *bench, r *result) error {
	of, err := b.subject("squeezenet1_1")
	if err != nil {
		r.Skipped = err.Error()
		return nil
	}
	// The sessions' share is what is left beside the program and what the collector lags behind.
	s, err := b.serve(ctx, []string{"GOMEMLIMIT=1900MiB"}, []*subject{of}, "--memory", "1500MiB")
	if err != nil {
		return err
	}
	a := ofService(s)
	l := &load{clients: 8, each: 1, ask: func(ctx context.Context, c, _ int) error { return a.patiently(ctx, of, c) }}
	begun := time.Now()
	l.run(ctx)
	l.report(r, time.Since(begun))
	peak := s.peak()
	r.note("server MiB", peak/(1<<20))
	if peak > limit {
		err = fmt.Errorf("the server has held %.0f MiB, %d MiB are its limit", peak/(1<<20), limit>>20)
	}
	return errors.Join(err, l.err(), s.stop())
}

// soak is steady use, after whose first fifth nothing may grow any more.
func soak(ctx context.Context, b *bench, r *result) error {
	subjects, err := b.small()
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, nil, subjects, "--data", b.dir+"/soak-data")
	if err != nil {
		return err
	}
	a := ofService(s)
	l := &load{clients: 4, until: time.Now().Add(b.soak), ask: func(ctx context.Context, c, turn int) error {
		return a.ask(ctx, subjects[min(c%4, 1)], turn)
	}}
	begun := time.Now()
	ended := make(chan struct{})
	go func() { defer close(ended); l.run(ctx) }()
	at := func() (map[string]float64, error) { return s.metrics() }
	select {
	case <-time.After(b.soak / 5):
	case <-ctx.Done():
	}
	early, err := at()
	if err != nil {
		return err
	}
	high := early["process_resident_memory_bytes"]
	for ticking := true; ticking; {
		select {
		case <-ended:
			ticking = false
		case <-time.After(b.soak / 20):
			if m, err := at(); err == nil {
				high = max(high, m["process_resident_memory_bytes"])
			}
		}
	}
	l.report(r, time.Since(begun))
	time.Sleep(2 * time.Second) // the last sessions end
	late, err := at()
	if err != nil {
		return err
	}
	return errors.Join(l.err(), flat(r, early, late, high), s.stop())
}

// flat holds the end to the beginning. Goroutines and descriptors belong to sessions and idle
// connections: none of them may be left. Memory may be that of sessions which happened to fall
// together, no more than a third above the first fifth's.
func flat(r *result, early, late map[string]float64, high float64) (err error) {
	for _, m := range []struct {
		name, metric string
		most         float64
	}{
		{"MiB", "process_resident_memory_bytes", max(early["process_resident_memory_bytes"], 64<<20) * 4 / 3},
		{"goroutines", "go_goroutines", 40},
		{"descriptors", "process_open_fds", 40},
	} {
		scale := 1.0
		if m.name == "MiB" {
			scale = 1 << 20
		}
		r.note(m.name+" early", early[m.metric]/scale)
		r.note(m.name+" end", late[m.metric]/scale)
		if late[m.metric] > m.most {
			err = errors.Join(err, fmt.Errorf("%.0f %s at the end, at most %.0f", late[m.metric]/scale, m.name, m.most/scale))
		}
	}
	r.note("MiB highest", high/(1<<20))
	return err
}
