package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/process"
	"secc.example/secc/runtime/transport"
	"secc.example/secc/server"
)

// serviceFlags are the flags of secc serve.
type serviceFlags struct {
	server.Config
	listen    string
	ready     string
	insecure  bool
	tls       transport.TLSFiles
	noCanary  bool
	logFormat string
	memory    byteSize
	admin     string
	metrics   string
	verbose   bool
	proxies   []string
	acme      server.ACME
	runs      runFolder
	config    string
}

func newServeCmd() *cobra.Command {
	f := new(serviceFlags)
	c := &cobra.Command{
		Use:   "serve [MODELS]",
		Short: "Serve the models of a folder",
		Long: `Serve the models of a folder to many clients over one port: HTTP/1.1 and, for the
sessions, WebSocket. A version of a model is a folder MODEL/VERSION/ with
model.plan, model.weights and, if you like, card.json. The newest version answers
(names are ordered as people count); all that lie there have addresses of their
own. The folder is watched: what is new or changed is loaded and checked before it
takes its place, and sessions end with the version that they began with. SIGHUP
reads models and certificates anew at once; SIGTERM lets sessions end.

Every flag can be given in the environment too: --queue-wait as SECC_QUEUE_WAIT, and in
a TOML file (--config): queue-wait = "1m". The command line goes before the
environment, the environment before the file. models = "..." stands in the file for
MODELS.`,
		Example: `  secc serve models/ --listen :443 --tls-cert cert.pem --tls-key key.pem
  secc ask https://company.example/v2/models/cxr --input scan.dcm`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			more, err := settings(c, "models")
			if err != nil {
				return err
			}
			if f.Models = more["models"]; len(args) > 0 {
				f.Models = args[0]
			}
			if f.Models == "" {
				return usage("the folder of models is needed: secc serve MODELS, or models in --config")
			}
			return f.run(c)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.config, "config", "", "file of settings (TOML)")
	fl.StringVar(&f.listen, "listen", "127.0.0.1:7766", "address to listen on")
	fl.StringVar(&f.ready, "ready-file", "", "write the address to this file once clients can connect")
	fl.BoolVar(&f.insecure, "insecure", false, "listen in the clear beyond this machine: behind a proxy that ends TLS")
	fl.StringVar(&f.tls.Cert, "tls-cert", "", "certificate (PEM)")
	fl.StringVar(&f.tls.Key, "tls-key", "", "key of the certificate (PEM)")
	fl.StringSliceVar(&f.acme.Hosts, "acme", nil, "public names of this server, for which certificates are had from an ACME authority and kept in --data")
	fl.StringVar(&f.acme.Email, "acme-email", "", "address that the authority writes to")
	fl.StringVar(&f.acme.Directory, "acme-directory", "", "address of the authority's directory (default: Let's Encrypt)")
	fl.StringVar(&f.tls.CA, "tls-ca", "", "accept only clients with a certificate signed by this authority (PEM)")
	fl.StringSliceVar(&f.proxies, "proxy-protocol", nil, "proxies that say whose connections they pass on, by the PROXY protocol: addresses or networks such as 10.0.0.0/8")
	fl.StringVar(&f.Clients, "clients", "", "file of the clients that may ask, what, and how much (JSON; default: everybody may)")
	fl.StringSliceVar(&f.Origins, "allow-origin", nil, "origins (https://HOST) of pages that other servers serve and that may ask this one")
	fl.StringVar(&f.Signed, "signed-by", "", "file of the public key that must have signed all plans (secc sign)")
	fl.StringVar(&f.Data, "data", "", "folder for what must outlast the server: budgets and the audit")
	fl.BoolVar(&f.Demand, "demand-signatures", false, "with --receipt-key: refuse clients that do not sign the receipts of their sessions too")
	fl.StringVar(&f.Receipts, "receipt-key", "", "file of the key that signs a receipt of every session (made at the first use; several servers: the same)")
	fl.StringVar(&f.Database, "database", "", "address of a PostgreSQL database (postgres://...) for budgets and the audit of several servers; its password rather in PGPASSWORD or PGPASSFILE")
	fl.StringVar(&f.admin, "admin", "", "address on this machine for metrics, health and profiles")
	fl.StringVar(&f.metrics, "metrics", "", "address for metrics and health alone, on any interface: neither names clients")
	fl.IntVar(&f.Prepare, "prepare", 0, "inferences of one client that may be prepared before their inputs are there, and kept for its later sessions")
	f.runs.register(fl)
	fl.BoolVar(&f.noCanary, "no-canary", false, "serve versions without running their canary")
	fl.Var(&f.memory, "memory", "for all sessions, as their plans predict it: 2GiB, 500M (default: four fifths of what is free)")
	fl.IntVar(&f.MaxSessions, "max-sessions", 0, "sessions at once (default: four a core, if the memory holds so many)")
	fl.IntVar(&f.AtOnce, "client-sessions", 0, "sessions of one client that may run or wait at once (default: any number)")
	fl.IntVar(&f.Queue, "queue", 256, "sessions that may wait for room")
	fl.DurationVar(&f.Wait, "queue-wait", 30*time.Second, "how long a session may wait for room")
	fl.DurationVar(&f.Grace, "grace", time.Minute, "how long sessions may go on after SIGTERM")
	fl.DurationVar(&f.Poll, "poll", 5*time.Second, "how often the folder is looked at")
	fl.IntVar(&f.Session.Threads, "threads", 0, "cores to use (default: all)")
	fl.DurationVar(&f.Session.Transport.Idle, "timeout", time.Minute, "give a client up when nothing was heard from it for so long")
	fl.DurationVar(&f.Session.Stall, "stall", 0, "give a client up when nothing has moved for so long (default: by the plan)")
	fl.StringVar(&f.logFormat, "log-format", "text", "text or json")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "log also what usually is nobody's concern")
	return c
}

func (f *serviceFlags) check() error {
	switch {
	case f.logFormat != "text" && f.logFormat != "json":
		return usage("--log-format must be text or json, not %q", f.logFormat)
	case min(f.MaxSessions, f.AtOnce, f.Session.Threads) < 0 || f.Queue < 1:
		return usage("--max-sessions, --client-sessions and --threads must not be negative, --queue positive")
	case f.Prepare < 0 || f.Prepare == 0 && f.runs.dir != "":
		return usage("--prepare must not be negative, and --store needs it: how many inferences of one client are kept")
	case len(f.acme.Hosts) > 0 && (f.Data == "" || f.tls.Cert != "" || f.tls.Key != ""):
		return usage("--acme needs --data, where certificates are kept, and no --tls-cert or --tls-key")
	case min(f.Wait, f.Grace, f.Poll, f.Session.Transport.Idle) <= 0 || f.Session.Stall < 0:
		return usage("--queue-wait, --grace, --poll and --timeout must be positive, --stall not negative")
	}
	return nil
}

func (f *serviceFlags) readProxies() error {
	for _, text := range f.proxies {
		p, err := prefix(text)
		if err != nil {
			return usage("--proxy-protocol: %w", err)
		}
		f.Proxies = append(f.Proxies, p)
	}
	return nil
}

func (f *serviceFlags) run(c *cobra.Command) error {
	if err := errors.Join(f.check(), f.runs.check()); err != nil {
		return err
	}
	if err := f.readProxies(); err != nil {
		return err
	}
	f.Session.Threads = process.Tune(f.Session.Threads)
	out := newOutlets(c, f.verbose)
	defer out.close()
	if f.logFormat == "json" {
		out.log = slog.New(slog.NewJSONHandler(out.err, &slog.HandlerOptions{Level: out.level}))
	}
	f.Log, f.Canary, f.Memory, f.Version = out.log, !f.noCanary, int64(f.memory), versionInfo().Version
	if f.tls != (transport.TLSFiles{}) || len(f.acme.Hosts) > 0 {
		f.TLS = f.credentials
	}
	ctx := c.Context()
	l, err := listen(f.listen, f.TLS != nil || f.insecure)
	if err != nil {
		return err
	}
	defer l.Close()
	if f.Prepare > 0 {
		if f.Runs, f.RunsMemory, err = f.runs.serverStore(); err != nil {
			return err
		}
		defer f.Runs.Close()
	}
	s, err := server.New(ctx, f.Config)
	if err != nil {
		return usage("%w", err)
	}
	for _, a := range []struct {
		what, addr string
		anywhere   bool
		server     *http.Server
	}{{"admin", f.admin, false, s.AdminServer()}, {"metrics", f.metrics, true, s.MetricsServer()}} {
		if a.addr == "" {
			continue
		}
		l, err := listen(a.addr, a.anywhere)
		if err != nil {
			return err
		}
		defer a.server.Close()
		go func() { _ = a.server.Serve(l) }() // until Close
		out.log.Info(a.what, "addr", l.Addr().String())
	}
	defer f.onHangup(ctx, s)()
	out.log.Info("listening", "addr", l.Addr().String(), "models", f.Models, "tls", f.TLS != nil)
	if err := writeReady(f.ready, l.Addr().String()); err != nil {
		return usage("--ready-file: %w", err)
	}
	f.tellManager("READY=1")
	defer context.AfterFunc(ctx, func() { f.tellManager("STOPPING=1") })()
	return s.Serve(ctx, l)
}

// credentials reads what TLS needs.
func (f *serviceFlags) credentials() (*tls.Config, error) {
	if len(f.acme.Hosts) == 0 {
		return f.tls.Config(transport.Server, "")
	}
	conf, err := transport.TLSFiles{CA: f.tls.CA}.Authority()
	if err != nil {
		return nil, err
	}
	f.acme.Cache = filepath.Join(f.Data, "acme")
	f.acme.Certify(conf)
	return conf, nil
}

// prefix reads a network, or an address alone.
func prefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Prefix(a.BitLen())
	}
	return netip.ParsePrefix(text)
}

// tellManager tells systemd, which may not listen.
func (f *serviceFlags) tellManager(state string) {
	if err := notify(state); err != nil {
		f.Log.Warn("the service manager cannot be told", "state", state, "err", err)
	}
}

// listen opens an address, which must be this machine's unless it may be anywhere.
func listen(addr string, anywhere bool) (net.Listener, error) {
	l, err := transport.Listen(addr)
	if err != nil {
		return nil, coded(exitNetwork, fmt.Errorf("listen: %w", err))
	}
	if !anywhere {
		if err := transport.OnThisMachine(l.Addr()); err != nil {
			return nil, errors.Join(exit.OfClient(err), l.Close())
		}
	}
	return l, nil
}

// onHangup reads everything anew whenever SIGHUP comes, until stop.
func (f *serviceFlags) onHangup(ctx context.Context, s *server.Server) (stop func()) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				if err := s.Reload(ctx); err != nil {
					f.Log.Error("reload: what cannot be read stays as it was", "err", err)
					continue
				}
				f.Log.Info("reloaded")
			}
		}
	}()
	return func() { signal.Stop(hup); cancel() }
}

// fromEnvironment gives flags that are not on the command line what the environment says.
func fromEnvironment(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := "SECC_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if !ok || f.Changed || err != nil {
			return
		}
		if bad := flags.Set(f.Name, value); bad != nil {
			err = usage("%s: %w", name, bad)
		}
	})
	return err
}

// byteSize is a flag for a number of bytes, with a unit.
type byteSize int64

var byteUnits = []struct {
	name string
	n    float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"", 1}}

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*b), 10)
}

func (*byteSize) Type() string { return "bytes" }

func (b *byteSize) Set(s string) error {
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(number, 64)
		if err != nil || x*u.n < 1 || x*u.n > 1<<60 {
			break
		}
		*b = byteSize(x * u.n)
		return nil
	}
	return fmt.Errorf("%q is no number of bytes: 2GiB, 500M", s)
}
