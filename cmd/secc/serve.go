package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"secc.example/secc/backend"
	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/transport"
)

// openWeights opens the server's weights and checks that they were made with the plan.
func openWeights(path string, p *plan.Plan) (*plan.Weights, func(), error) {
	w, done, err := plan.OpenWeightsFile(path, p)
	switch {
	case errors.Is(err, plan.ErrOtherPlan):
		return nil, nil, fmt.Errorf("%w: %w", transport.ErrMismatch, err)
	case err != nil:
		return nil, nil, usage("weights: %w", err)
	}
	return w, func() { done() }, nil
}

// server is a listening server: one goroutine a session, weights shared.
type server struct {
	flags   *runFlags
	cmd     *cobra.Command
	plan    *plan.Plan
	weights *plan.Weights
	cfg     runtime.Config
	link    transport.Link
	tls     *tls.Config
	log     *slog.Logger
	print   sync.Mutex
}

func (f *runFlags) serve(c *cobra.Command, cfg runtime.Config, link transport.Link) error {
	p, err := loadPlan(f.planPath)
	if err != nil {
		return err
	}
	if f.weights == "" {
		f.weights = weightsPath(f.planPath)
	}
	w, closeWeights, err := openWeights(f.weights, p)
	if err != nil {
		return err
	}
	defer closeWeights()
	s := &server{flags: f, cmd: c, plan: p, weights: w, cfg: cfg, link: link, log: newLog(c.ErrOrStderr())}
	if f.tls != (transport.TLSFiles{}) {
		if s.tls, err = f.tls.Config(transport.Server, ""); err != nil {
			return usage("%w", err)
		}
	}
	if _, err := net.ResolveTCPAddr("tcp", f.listen); err != nil {
		return usage("--listen: %w", err)
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return coded(exitNetwork, fmt.Errorf("listen: %w", err))
	}
	defer l.Close()
	if err := plainAllowed(l.Addr(), s.tls, f.insecure); err != nil {
		return err
	}
	s.log.Info("listening", "addr", l.Addr().String(), "plan", p.Model, "tls", s.tls != nil)
	if err := writeReady(f.ready, l.Addr().String()); err != nil {
		return usage("--ready-file: %w", err)
	}
	return s.accept(c.Context(), l)
}

// plainAllowed refuses connections in the clear that leave the machine.
func plainAllowed(addr net.Addr, conf *tls.Config, insecure bool) error {
	if conf != nil || insecure || transport.Loopback(addr) {
		return nil
	}
	return hint(usage("%v can be reached from other machines and TLS is off", addr),
		"give --tls-cert and --tls-key (client: --tls-ca), or --insecure on a network you trust")
}

// accept serves until the context ends: then it stops accepting and the
// sessions end with it.
func (s *server) accept(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var sessions sync.WaitGroup
	defer sessions.Wait()
	for id := 1; ; id++ {
		raw, err := l.Accept()
		if ctx.Err() != nil {
			s.log.Info("stopped")
			return nil
		}
		if err != nil {
			if passing(err) { // a crowd of clients must not end the server
				s.log.Warn("accept", "err", err)
				time.Sleep(100 * time.Millisecond)
				continue
			}
			return coded(exitNetwork, fmt.Errorf("accept: %w", err))
		}
		if s.flags.once {
			return s.session(ctx, raw, id)
		}
		sessions.Go(func() { _ = s.session(ctx, raw, id) }) // logged; the server goes on
	}
}

// passing reports whether an error of Accept goes away by itself: no file
// descriptors are left, or a client hung up before its turn.
func passing(err error) bool {
	ne := net.Error(nil)
	return errors.As(err, &ne) && ne.Timeout() || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED)
}

// session serves one client.
func (s *server) session(ctx context.Context, raw net.Conn, id int) error {
	log := s.log.With("session", id, "peer", raw.RemoteAddr().String())
	conn, err := transport.Accepted(ctx, raw, s.tls, s.link)
	if err != nil {
		log.Error("refused", "err", err)
		return err
	}
	log.Info("open")
	report, err := runtime.Serve(ctx, conn, s.plan, s.weights, s.cfg)
	if err != nil {
		log.Error("failed", "err", err)
		return err
	}
	log.Info("done", "took", summary(report))
	report.PeakRSS = peakRSS()
	if s.flags.json {
		s.print.Lock()
		defer s.print.Unlock()
		return printJSON(s.cmd.OutOrStdout(), report)
	}
	return nil
}

// dial connects to the server.
func (f *runFlags) dial(ctx context.Context, link transport.Link) (net.Conn, error) {
	host, _, err := net.SplitHostPort(f.connect)
	if err != nil {
		return nil, usage("--connect: %w", err)
	}
	var conf *tls.Config
	if f.tls != (transport.TLSFiles{}) || f.tlsName != "" {
		if f.tlsName == "" {
			f.tlsName = host
		}
		if conf, err = f.tls.Config(transport.Client, f.tlsName); err != nil {
			return nil, usage("%w", err)
		}
	}
	if conf == nil && !f.insecure {
		addr, err := net.ResolveTCPAddr("tcp", f.connect)
		if err != nil {
			return nil, coded(exitNetwork, fmt.Errorf("connect: %w", err))
		}
		if err := plainAllowed(addr, conf, false); err != nil {
			return nil, err
		}
	}
	conn, err := transport.Dial(ctx, f.connect, conf, link)
	if err != nil && !errors.Is(err, transport.ErrAuth) {
		err = hint(coded(exitNetwork, err), "is the server running, and is the address right?")
	}
	return conn, err
}

// parseLink reads --shape: a profile's name, or its round trip and bandwidth.
func parseLink(s string) (transport.Link, error) {
	if s == "" {
		return transport.Link{}, nil
	}
	p, err := backend.ParseProfile(s)
	if err != nil {
		return transport.Link{}, usage("--shape: %w", err)
	}
	return transport.Link{RTT: p.RTT, Bandwidth: p.Bandwidth / 8}, nil
}

// weightsPath is where the weights of a plan lie by default.
func weightsPath(planPath string) string { return strings.TrimSuffix(planPath, ".plan") + ".weights" }
