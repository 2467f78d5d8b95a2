package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"time"

	"github.com/spf13/cobra"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/process"
	"secc.example/secc/frontend/input"
	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/client"
	"secc.example/secc/runtime/transport"
)

// runFlags are the flags of secc run.
type runFlags struct {
	question
	party    string
	planPath string
	weights  string
	listen   string
	connect  string
	once     bool

	maxSessions int
	prepare     int
	runs        runFolder

	ready    string
	insecure bool
	tls      transport.TLSFiles
	tlsName  string
	threads  int
	link     string
	timeout  time.Duration
	stall    time.Duration
	verbose  bool
	profile  string
}

func newRunCmd() *cobra.Command {
	f := new(runFlags)
	c := &cobra.Command{
		Use:   "run --party=server|client --plan FILE ...",
		Short: "Run one side of a secure inference",
		Long: `Run one side of a secure inference. The server holds the plan and the weights
and waits for clients; a client holds the plan and its input, connects, and
gets the answer. The server learns nothing of the input, the client nothing of
the weights.`,
		Example: `  secc run --party=server --plan model.plan --weights model.weights --listen 127.0.0.1:7766
  secc run --party=client --plan model.plan --connect 127.0.0.1:7766 --input scan.png --labels labels.txt`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return explained(f.run(c), f.verbose) },
	}
	fl := c.Flags()
	fl.StringVar(&f.party, "party", "", "which side this is: server or client")
	fl.StringVar(&f.planPath, "plan", "", "the plan (both sides need the same)")
	fl.StringVar(&f.weights, "weights", "", "server: the weights file (default: the plan's name with .weights)")
	fl.StringVar(&f.listen, "listen", "127.0.0.1:7766", "server: address to listen on")
	fl.StringVar(&f.connect, "connect", "", "client: address of the server")
	fl.StringArrayVar(&f.inputs, "input", nil, "client: PNG, JPEG, DICOM (scan.dcm#2: its second frame), .npy, TensorProto .pb or raw float32; one for each input of the network, in order or as NAME=FILE; more, or a folder: several inferences in one session")
	fl.StringVar(&f.labels, "labels", "", "client: file with one label a line (default: the plan's)")
	fl.IntVar(&f.top, "top", 5, "client: how many labels to print (findings: all, if not given)")
	fl.BoolVar(&f.json, "json", false, "print JSON ("+plan.Schema+")")
	fl.BoolVar(&f.once, "once", false, "server: serve one client, then exit")
	fl.IntVar(&f.prepare, "prepare", 0, "prepare so many inferences before their inputs are there (client: wanted; server: granted to every client); with --store they are kept for later sessions, and no --input is needed")
	f.runs.register(fl)
	fl.StringVar(&f.ready, "ready-file", "", "server: write the address to this file once clients can connect")
	fl.BoolVar(&f.insecure, "insecure", false, "allow connections without TLS beyond this machine")
	fl.StringVar(&f.tls.Cert, "tls-cert", "", "certificate (PEM); the server needs one, a client may show one")
	fl.StringVar(&f.tls.Key, "tls-key", "", "key of the certificate (PEM)")
	fl.StringVar(&f.tls.CA, "tls-ca", "", "client: authority that signed the server's certificate; server: accept only clients with a certificate signed by it (PEM)")
	fl.StringVar(&f.tlsName, "tls-server-name", "", "client: name expected in the server's certificate (default: the host of --connect)")
	fl.IntVar(&f.threads, "threads", 0, "cores to use (default: all)")
	fl.StringVar(&f.link, "shape", "", "imitate a network: lan, wan, or rtt=40ms,bw=400M (both sides)")
	fl.DurationVar(&f.timeout, "timeout", time.Minute, "give up when nothing was heard from the peer for so long")
	fl.DurationVar(&f.stall, "stall", 0, "give up when nothing has moved for so long although the peer shows signs of life (default: 60 s and twice what the operator is predicted to compute)")
	fl.IntVar(&f.maxSessions, "max-sessions", 0, "server: clients served at once; more are told that it is busy (default: what fits into the free memory)")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "say of an error what each layer had to say, and log connections that said nothing")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "no progress on standard error")
	fl.StringVar(&f.profile, "cpu-profile", "", "write a CPU profile (pprof) to this file")
	fl.Lookup("cpu-profile").Hidden = true
	return c
}

func (f *runFlags) run(c *cobra.Command) error {
	if f.planPath == "" {
		return hint(usage("--plan is missing"), "secc compile makes one from an ONNX model")
	}
	link, err := parseLink(f.link)
	if err != nil {
		return err
	}
	if f.timeout <= 0 || f.stall < 0 || min(f.threads, f.top, f.maxSessions, f.prepare) < 0 {
		return usage("--timeout must be positive, --stall, --threads, --top, --prepare and --max-sessions not negative")
	}
	if err := f.belongs(c); err != nil {
		return err
	}
	if err := kernel.Check(); err != nil {
		return usage("%w", err)
	}
	if !f.quiet {
		sayKernels(c.ErrOrStderr(), f.verbose)
	}
	f.threads = process.Tune(f.threads)
	if f.profile != "" {
		stop, err := profileTo(f.profile)
		if err != nil {
			return usage("--cpu-profile: %w", err)
		}
		defer stop()
	}
	if err := f.runs.check(); err != nil {
		return err
	}
	cfg := runtime.Config{Threads: f.threads, Stall: f.stall, Prepare: f.prepare, Transport: transport.Config{Idle: f.timeout}}
	switch f.party {
	case "server":
		return f.serve(c, cfg, link)
	case "client":
		return f.client(c, cfg, link)
	}
	return usage("--party must be server or client, not %q", f.party)
}

// explained adds to a session's error, with --verbose, what each layer had to say.
func explained(err error, verbose bool) error {
	var ended *runtime.Ended
	if !verbose || !errors.As(err, &ended) {
		return err
	}
	return fmt.Errorf("%w\nsecc: because: %s", err, ended.Chain())
}

// profileTo samples where this process spends its time until stop.
func profileTo(path string) (stop func(), err error) {
	w, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(w); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return func() { pprof.StopCPUProfile(); w.Close() }, nil
}

func loadPlan(path string) (*plan.Plan, error) {
	b, err := input.ReadFile(path)
	if err != nil {
		return nil, usage("%w", err)
	}
	p, err := plan.Decode(b)
	if err != nil {
		return nil, usage("%s: %w", path, err)
	}
	return p, nil
}

// belongs refuses the flags of one side on the other: a client that names the
// weights, say, has a file that it must not have.
func (f *runFlags) belongs(c *cobra.Command) error {
	others := map[string][]string{
		"server": {"connect", "input", "labels", "top", "tls-server-name"},
		"client": {"weights", "listen", "once", "ready-file", "max-sessions"},
	}
	for _, name := range others[f.party] {
		if c.Flags().Changed(name) {
			return hint(usage("--%s is not for the %s", name, f.party), "see secc run --help")
		}
	}
	return nil
}

// client runs the client's side and prints the answer.
func (f *runFlags) client(c *cobra.Command, cfg runtime.Config, link transport.Link) error {
	if f.connect == "" {
		return usage("the client needs --connect HOST:PORT")
	}
	p, err := loadPlan(f.planPath)
	if err != nil {
		return err
	}
	conf, err := f.clientTLS()
	if err != nil {
		return err
	}
	if cfg.Store, err = f.runs.open(); err != nil {
		return err
	}
	if cfg.Store != nil {
		defer cfg.Store.Close()
		cfg.Keep, cfg.Prepare = cfg.Prepare, 0
		log := newLog(c.ErrOrStderr())
		cfg.Note = func(text string) { log.Info(text) }
		if !f.quiet {
			cfg.Kept = func(n, of int) { log.Info("a prepared run is kept", "run", n, "of", of) }
		}
	}
	return f.ask(c, client.Client{Plan: p, Address: f.connect, TLS: conf, Insecure: f.insecure, Link: link, Session: cfg})
}

// newLog writes to standard error: standard output holds results only.
func newLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// writeReady tells whoever started the server where it listens; the file
// appears complete or not at all.
func writeReady(path, addr string) error {
	if path == "" {
		return nil
	}
	part := path + ".part"
	return errors.Join(os.WriteFile(part, []byte(addr+"\n"), 0o644), os.Rename(part, path))
}
