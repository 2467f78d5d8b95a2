package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/cmd/internal/process"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/service"
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

func (f *runFlags) serve(c *cobra.Command, cfg runtime.Config, link transport.Link) error {
	p, err := loadPlan(f.planPath)
	if err != nil {
		return err
	}
	program, err := runtime.Prepare(p)
	if err != nil {
		return usage("%s: %w", f.planPath, err)
	}
	if f.weights == "" {
		f.weights = weightsPath(f.planPath)
	}
	w, closeWeights, err := openWeights(f.weights, p)
	if err != nil {
		return err
	}
	defer closeWeights()
	out := newOutlets(c, f.verbose)
	defer out.close()
	var inRAM int64
	if cfg.Prepare > 0 || f.runs.dir != "" {
		if cfg.Store, inRAM, err = f.runs.serverStore(); err != nil {
			return err
		}
		defer cfg.Store.Close()
		if err := program.Stale(cfg.Store, w); err != nil {
			return fmt.Errorf("--store: %w", err)
		}
		cfg.Keep = cfg.Prepare
	}
	s := service.Config{Runs: inRAM, Program: program, Weights: w, Session: cfg, Link: link, Log: out.log, MaxSessions: f.maxSessions, Once: f.once}
	s.Done = func(log *slog.Logger, r *plan.Report) { out.done(log, r, f.json) }
	s.Session.Done = func(r *plan.Report) {
		if f.json && r.Inferences > 1 {
			out.report(r)
		}
	}
	if f.tls != (transport.TLSFiles{}) {
		if s.TLS, err = f.tls.Config(transport.Server, ""); err != nil {
			return exit.OfTLS(err)
		}
	}
	return f.listenAndServe(c.Context(), service.New(s), s)
}

func (f *runFlags) listenAndServe(ctx context.Context, server *service.Server, s service.Config) error {
	if _, err := net.ResolveTCPAddr("tcp", f.listen); err != nil {
		return usage("--listen: %w", err)
	}
	l, err := transport.Listen(f.listen)
	if err != nil {
		return coded(exitNetwork, fmt.Errorf("listen: %w", err))
	}
	defer l.Close()
	if s.TLS == nil && !f.insecure {
		if err := transport.OnThisMachine(l.Addr()); err != nil {
			return exit.OfClient(err)
		}
	}
	s.Log.Info("listening", "addr", l.Addr().String(), "plan", s.Program.Plan().Model, "tls", s.TLS != nil, "sessions", server.MaxSessions())
	if err := writeReady(f.ready, l.Addr().String()); err != nil {
		return usage("--ready-file: %w", err)
	}
	return server.Serve(ctx, l)
}

// outlets are a server's log and results. Whoever reads them slowly, or not at all, must not
// hold up the sessions.
type outlets struct {
	err, out *service.Lines
	log      *slog.Logger
	level    slog.Level
}

func newOutlets(c *cobra.Command, verbose bool) *outlets {
	signal.Ignore(syscall.SIGPIPE) // a log that nobody reads any more
	o := &outlets{err: service.NewLines(c.ErrOrStderr()), out: service.NewLines(c.OutOrStdout())}
	o.level = slog.LevelInfo
	if verbose {
		o.level = slog.LevelDebug
	}
	o.log = slog.New(slog.NewTextHandler(o.err, &slog.HandlerOptions{Level: o.level}))
	return o
}

// done logs what a session took, and prints its report if that is wanted.
func (o *outlets) done(log *slog.Logger, r *plan.Report, asJSON bool) {
	log.Info("done", "took", answer.Summary(r))
	if asJSON {
		o.report(r)
	}
}

// report prints what an inference or a session took.
func (o *outlets) report(r *plan.Report) {
	r.PeakRSS = process.PeakRSS()
	if err := out.JSON(o.out, r); err != nil {
		o.log.Error("report", "err", err)
	}
	if n := o.out.Dropped(); n > 0 {
		o.log.Error("reports were dropped: nobody reads standard output", "reports", n)
	}
}

// lastLines is how long a server that ends waits for its readers.
const lastLines = time.Second

func (o *outlets) close() {
	if n := o.err.Dropped(); n > 0 {
		o.log.Error("lines of this log were dropped: its reader was too slow", "lines", n)
	}
	o.out.Close(lastLines)
	o.err.Close(lastLines)
}

// clientTLS is what the client's flags say of TLS; nil: in the clear.
func (f *runFlags) clientTLS() (*tls.Config, error) {
	if f.tls == (transport.TLSFiles{}) && f.tlsName == "" {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(f.connect)
	if err != nil {
		return nil, usage("--connect: %w", err)
	}
	conf, err := f.tls.Config(transport.Client, cmp.Or(f.tlsName, host))
	if err != nil {
		return nil, exit.OfTLS(err)
	}
	return conf, nil
}

// parseLink reads --shape: a profile's name, or its round trip and bandwidth.
func parseLink(s string) (transport.Link, error) {
	if s == "" {
		return transport.Link{}, nil
	}
	p, err := choose.ParseProfile(s)
	if err != nil {
		return transport.Link{}, usage("--shape: %w", err)
	}
	return transport.Link{RTT: p.RTT, Bandwidth: p.Bandwidth / 8}, nil
}

// weightsPath is where the weights of a plan lie by default.
func weightsPath(planPath string) string { return strings.TrimSuffix(planPath, ".plan") + ".weights" }
