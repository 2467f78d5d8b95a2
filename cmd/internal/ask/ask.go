// Package ask is the client of a service: the command that fetches a model's plan, holds it
// to what is known of it, sends inputs as shares, and keeps the answers.
package ask

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"aead.dev/minisign"
	"github.com/spf13/pflag"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/process"
	"secc.example/secc/cmd/internal/progress"
	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/client"
	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// What the command says of itself.
const (
	Use   = "ask URL [FILE|FOLDER...]"
	Short = "Ask a service's model"
	Long  = `Ask a model that a service (secc serve) has under an address. The model's plan is
fetched once; its digest is shown at the first use and remembered, and a model whose
plan has changed is not asked before you say so. Only shares of the inputs leave this
machine. Proxies are taken from HTTPS_PROXY and NO_PROXY.

Inputs are files, folders (with sub-folders, DICOM files without a suffix, too), a list
of file names on standard input (-), or what comes into a folder (--watch). With --out
every answer is kept beside its name, and what has one already is not asked again: a
run that was broken off goes on where it was.`
	Example = `  secc ask https://company.example/v2/models/cxr scan.dcm
  secc ask https://company.example/v2/models/cxr studies/ --out answers/ --write json,html,sr
  find studies -name '*.dcm' | secc ask https://company.example/v2/models/cxr - --format csv`
)

// Command is a call of it.
type Command struct {
	remote.Model
	state, digest, signedBy, tokenFile string
	tls                                transport.TLSFiles
	tlsName                            string
	session                            runtime.Config
	retry                              time.Duration

	inputs []string
	watch  string
	poll   time.Duration

	listen   string
	parallel int
	page     string
	pageTLS  transport.TLSFiles

	receipts, receiptKey string
	recordings           string

	prepare         int
	store, storeKey string

	out    string
	write  []string
	format string
	json   bool
	labels string
	most   answer.Most
	again  bool

	verbose, quiet bool
}

// Register adds the command's flags.
func (c *Command) Register(fl *pflag.FlagSet) {
	fl.StringArrayVar(&c.inputs, "input", nil, "PNG, JPEG, DICOM (scan.dcm#2: its second frame), .npy, TensorProto .pb or raw float32; for a network of several inputs one for each, in order or as NAME=FILE")
	fl.StringVar(&c.watch, "watch", "", "ask for every file that comes into this folder, until Ctrl-C")
	fl.DurationVar(&c.poll, "poll", time.Second, "how often --watch looks")
	fl.StringVar(&c.listen, "listen", "", "answer programs of this machine at this address (127.0.0.1:8001) by the Open Inference Protocol, until Ctrl-C")
	fl.StringVar(&c.page, "page", "", "serve at --listen, instead, the page of this folder (scripts/web), with which a browser asks the model")
	fl.StringVar(&c.pageTLS.Cert, "page-cert", "", "certificate (PEM) of --page, which is needed beyond this machine")
	fl.StringVar(&c.pageTLS.Key, "page-key", "", "its key (PEM)")
	fl.IntVar(&c.parallel, "parallel", 1, "inferences at once with --listen; others wait")
	fl.StringVar(&c.out, "out", "", "folder for the answers, one file for each input; inputs that have one there are left out")
	fl.StringSliceVar(&c.write, "write", []string{"json"}, "what --out gets: "+strings.Join(kinds(), ", "))
	fl.StringVar(&c.receipts, "receipts", "", "folder for what the service signs of every session, one file each (default with --out: .receipts in it)")
	fl.StringVar(&c.receiptKey, "receipt-key", "", "public key (hexadecimal) that must sign them; remembered from now on (default: the one that was seen first)")
	fl.StringVar(&c.recordings, "record", "", "folder for recordings of sessions, one file each, with which an auditor makes this client's half again (secc audit replay); they hold the inputs")
	fl.IntVar(&c.prepare, "prepare", 0, "inferences that are prepared before their inputs are there, as far as the service grants it; with --store as many are kept for later, and no input is needed")
	fl.StringVar(&c.store, "store", "", "folder, encrypted, in which prepared inferences are kept for later calls (never back it up, never copy it)")
	fl.StringVar(&c.storeKey, "store-key", "", "file of its key, made at the first use (default: the folder's name with .key; or "+store.KeyVariable+" in the environment)")
	fl.BoolVar(&c.again, "again", false, "ask again for inputs that have an answer in --out")
	fl.StringVar(&c.format, "format", "table", "what is printed: table, json (one line an input) or csv")
	fl.BoolVar(&c.json, "json", false, "the same as --format json")
	fl.StringVar(&c.labels, "labels", "", "file with one label a line (default: the plan's)")
	fl.IntVar(&c.most.Classes, "top", 5, "how many labels to give (findings: all, if not given)")
	fl.StringVar(&c.digest, "plan-digest", "", "digest that the plan must have; remembered from now on")
	fl.StringVar(&c.signedBy, "signed-by", "", "file of the public key that must have signed the plan (secc sign)")
	fl.StringVar(&c.state, "state", "", "folder for plans and what was remembered (default: the user's configuration folder)")
	fl.StringVar(&c.tokenFile, "token-file", "", "file with the bearer token that the service gave you")
	fl.BoolVar(&c.Insecure, "insecure", false, "allow http:// beyond this machine")
	fl.StringVar(&c.tls.CA, "tls-ca", "", "authority that signed the service's certificate (PEM; default: the system's)")
	fl.StringVar(&c.tls.Cert, "tls-cert", "", "this client's certificate (PEM)")
	fl.StringVar(&c.tls.Key, "tls-key", "", "its key (PEM)")
	fl.StringVar(&c.tlsName, "tls-server-name", "", "name expected in the service's certificate (default: the host of URL)")
	fl.DurationVar(&c.retry, "retry", 10*time.Second, "how long to try to connect; an inference that began is never tried again")
	fl.IntVar(&c.session.Threads, "threads", 0, "cores to use (default: all)")
	fl.DurationVar(&c.session.Transport.Idle, "timeout", time.Minute, "give up when nothing was heard from the service for so long")
	fl.DurationVar(&c.session.Stall, "stall", 0, "give up when nothing has moved for so long (default: by the plan)")
	fl.BoolVarP(&c.verbose, "verbose", "v", false, "say of an error what each layer had to say")
	fl.BoolVarP(&c.quiet, "quiet", "q", false, "no progress on standard error")
}

// Run asks the model at the first argument for the others and those of the flags.
func (c *Command) Run(ctx context.Context, fl *pflag.FlagSet, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	c.most.AllFindings = !fl.Changed("top")
	if c.json {
		c.format = "json"
	}
	r := &run{Command: c, stdin: stdin, stdout: stdout, stderr: stderr, log: slog.New(slog.NewTextHandler(stderr, nil))}
	err := r.all(ctx, args)
	var ended *runtime.Ended
	if err != nil && c.verbose && errors.As(err, &ended) {
		err = fmt.Errorf("%w\nsecc: because: %s", err, ended.Chain())
	}
	if err != nil && c.format == "json" && !r.told {
		return errors.Join(err, r.line(&Record{Schema: Schema, Address: args[0], Failure: failureOf(err)}))
	}
	return err
}

// Unread is the error of a command line that could not be read; where that line asks for JSON, it
// is told so, too.
func Unread(line []string, stdout io.Writer, err error) error {
	for i, a := range line {
		if a == "--json" || a == "--format=json" || a == "--format" && i+1 < len(line) && line[i+1] == "json" {
			address := ""
			if at := slices.IndexFunc(line, func(a string) bool { return strings.Contains(a, "/v2/models/") }); at >= 0 {
				address = line[at]
			}
			return errors.Join(err, printJSON(stdout, &Record{Schema: Schema, Address: address, Failure: failureOf(err)}))
		}
	}
	return err
}

// check looks at the flags.
func (c *Command) check(args []string) (err error) {
	if min(c.session.Transport.Idle, c.poll) <= 0 || c.parallel < 1 || min(c.session.Stall, c.retry) < 0 || min(c.session.Threads, c.most.Classes) < 0 {
		return exit.Usagef("--timeout, --poll and --parallel must be positive, --stall, --threads, --top and --retry not negative")
	}
	if !slices.Contains([]string{"table", "json", "csv"}, c.format) {
		return exit.Usagef("--format must be table, json or csv, not %q", c.format)
	}
	for _, w := range c.write {
		if !slices.Contains(kinds(), w) {
			return exit.Usagef("--write knows %s, not %q", strings.Join(kinds(), ", "), w)
		}
	}
	for flag, digits := range map[string]string{"--plan-digest": c.digest, "--receipt-key": c.receiptKey} {
		if b, err := hex.DecodeString(digits); digits != "" && (err != nil || len(b) != 32) {
			return exit.Usagef("%s: %q is not 64 hexadecimal digits", flag, digits)
		}
	}
	c.inputs = append(c.inputs, args[1:]...)
	if err := c.checkWay(); err != nil {
		return err
	}
	if c.URL, err = remote.Parse(args[0]); err != nil {
		return exit.Usagef("%w", err)
	}
	return c.checkInputs()
}

// checkInputs makes sure that the inputs are there before anybody is asked for anything. Their names
// are known once the plan is: what stands behind a = may be a file's.
func (c *Command) checkInputs() error {
	for _, source := range c.inputs {
		if source == "-" {
			continue
		}
		_, err := os.Stat(input.Plain(source))
		if _, file, named := strings.Cut(source, "="); err != nil && named {
			_, err = os.Stat(input.Plain(file))
		}
		if err != nil {
			return exit.Usagef("--input: %w", err)
		}
	}
	return nil
}

// checkWay looks at where the questions come from.
func (c *Command) checkWay() error {
	ways := 0
	for _, given := range []bool{len(c.inputs) > 0, c.watch != "", c.listen != ""} {
		if given {
			ways++
		}
	}
	if err := c.checkStore(); err != nil {
		return err
	}
	switch {
	case ways != 1 && (ways > 1 || c.prepare == 0 || c.store == ""):
		return exit.Hinted(exit.Usagef("either inputs, --watch or --listen is needed"), "name a file or a folder behind the address")
	case c.watch != "" && c.out == "":
		return exit.Usagef("--watch needs --out: it is where it sees what was answered")
	case c.page != "" && c.listen == "" || c.page == "" && c.pageTLS != (transport.TLSFiles{}):
		return exit.Usagef("--page needs --listen, and --page-cert and --page-key need --page")
	}
	return nil
}

// checkStore looks at what is asked to be prepared and kept.
func (c *Command) checkStore() error {
	switch {
	case c.prepare < 0 || c.storeKey != "" && c.store == "":
		return exit.Usagef("--prepare must not be negative, and --store-key needs --store")
	case c.store != "" && c.recordings != "":
		return exit.Usagef("--record cannot be had with --store: a session is not made again whose inferences were prepared in another")
	}
	return nil
}

// all is everything that Run does but for how errors are told.
func (r *run) all(ctx context.Context, args []string) error {
	if err := r.check(args); err != nil {
		return err
	}
	if err := r.credentials(); err != nil {
		return err
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := r.openRuns(); err != nil {
		return err
	}
	defer r.closeRuns()
	switch {
	case r.watch != "":
		return r.watching(ctx)
	case r.page != "":
		return r.paging(ctx)
	case r.listen != "":
		return r.listening(ctx)
	case len(r.inputs) == 0:
		return r.preparing(ctx)
	}
	return r.asking(ctx)
}

// begin fetches the plan and gets ready for sessions.
func (r *run) begin(ctx context.Context) error {
	known, err := openMemory(r.state, r.URL.String())
	if err != nil {
		return err
	}
	if r.plan, err = r.fetch(ctx, known); err != nil {
		return err
	}
	r.known = known
	var first bool
	if r.key, first, err = known.key(); err != nil {
		return err
	}
	if r.Signer = r.key.Public(); first {
		r.log.Info("this client signs receipts, too, by a key of its own from now on", "key", r.Signer)
	}
	r.named = r.plan.Labels
	if r.labels != "" {
		if r.named, err = answer.ReadLabels(r.labels); err != nil {
			return exit.Usagef("labels: %w", err)
		}
	}
	if err := r.plan.CheckLabels(r.named); err != nil {
		return exit.Hinted(exit.Usagef("%w", err), "one line for each class, in the order of the network's outputs; none is left out and none added")
	}
	if err := r.folders(); err != nil {
		return err
	}
	r.session.Threads = process.Tune(r.session.Threads)
	r.show = progress.New(r.stderr, r.quiet, r.plan)
	return nil
}

// folders makes those for what is kept, before anything is asked.
func (r *run) folders() error {
	if r.out != "" {
		if err := os.MkdirAll(r.out, 0o700); err != nil {
			return exit.Usagef("--out: %w", err)
		}
		probe, err := os.CreateTemp(r.out, ".probe")
		if err != nil {
			return exit.Usagef("--out: %w", err)
		}
		probe.Close()
		if err := os.Remove(probe.Name()); err != nil {
			return exit.Usagef("--out: %w", err)
		}
	}
	if r.receipts == "" && r.out != "" {
		r.receipts = filepath.Join(r.out, ".receipts")
	}
	for flag, folder := range map[string]string{"receipts": r.receipts, "record": r.recordings} {
		if folder != "" {
			if err := os.MkdirAll(folder, 0o700); err != nil {
				return exit.Usagef("--%s: %w", flag, err)
			}
		}
	}
	return nil
}

// credentials reads the files that say who this is, and who the service is.
func (c *Command) credentials() (err error) {
	if c.tokenFile != "" {
		b, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return exit.Usagef("--token-file: %w", err)
		}
		if c.Token = strings.TrimSpace(string(b)); c.Token == "" || strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return exit.Usagef("--token-file: %s does not hold one token and nothing else", c.tokenFile)
		}
	}
	if c.TLS, err = c.tls.Config(transport.Client, cmp.Or(c.tlsName, c.URL.Hostname())); err != nil {
		return exit.OfTLS(err)
	}
	return nil
}

// fetch gets the model's plan and holds it to what is known of it.
func (r *run) fetch(ctx context.Context, m *memory) (p *plan.Plan, err error) {
	want := strings.ToLower(r.digest)
	if want == "" {
		want = m.pinned()
	}
	var encoded []byte
	err = r.trying(ctx, func() (err error) {
		p, encoded, err = r.Plan(ctx, m.plan(want))
		return unreachable(err)
	})
	if err != nil {
		return nil, exit.OfClient(err)
	}
	if err := r.signed(ctx, encoded); err != nil {
		return nil, err
	}
	d, err := p.Digest()
	if err != nil {
		return nil, err
	}
	switch {
	case r.digest != "" && want != d.String():
		return nil, exit.Hinted(fmt.Errorf("%w: %w: --plan-digest says %s, it is %s", transport.ErrMismatch, remote.ErrChanged, want, d), "ask the service's owner which is right")
	case want != "" && want != d.String():
		return nil, exit.Hinted(fmt.Errorf("%w: %w: it was %s, now it is %s", transport.ErrMismatch, remote.ErrChanged, want, d),
			"ask the service's owner what has changed; --plan-digest "+d.String()+" accepts the new plan")
	case m.pinned() == "":
		r.log.Info("first use of this model: its plan is remembered", "digest", d.String(), "model", nameIn(r.URL), "reveals", string(p.Reveal))
	}
	return p, m.pin(d.String(), encoded)
}

// nameIn is what an address calls its model.
func nameIn(u *url.URL) string {
	_, name, _ := strings.Cut(u.Path, "/v2/models/")
	name, _, _ = strings.Cut(name, "/")
	return name
}

// signed holds the plan to its signature, if it must have one.
func (r *run) signed(ctx context.Context, encoded []byte) error {
	if r.signedBy == "" {
		return nil
	}
	if _, err := signer(r.signedBy); err != nil {
		return err
	}
	s, err := r.Signature(ctx)
	var refused *remote.StatusError
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		return exit.Hinted(fmt.Errorf("%w: %w", transport.ErrAuth, err), "the service's owner signs plans with secc sign; without --signed-by the digest alone counts")
	case err != nil:
		return exit.OfClient(unreachable(err))
	}
	return Verify(r.signedBy, encoded, s)
}

func signer(path string) (minisign.PublicKey, error) {
	key, err := minisign.PublicKeyFromFile(path)
	if err != nil {
		return key, exit.Hinted(exit.Usagef("--signed-by: %s: %w", path, err), "the public key is the file that ends in .pub (secc sign --new-key)")
	}
	return key, nil
}

// Verify holds a plan to a signature by the key of a file.
func Verify(keyPath string, encoded, signature []byte) error {
	key, err := signer(keyPath)
	if err != nil {
		return err
	}
	if !minisign.Verify(key, encoded, signature) {
		return exit.Hinted(fmt.Errorf("%w: the plan is not signed by the key of %s", transport.ErrAuth, keyPath), "ask the model's owner, and do not use the plan")
	}
	return nil
}

// unreachable sorts what went wrong before a session was there.
func unreachable(err error) error {
	var refused *remote.StatusError
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &refused):
		return refusedWith(refused.Status, err)
	case errors.Is(err, transport.ErrAuth), errors.Is(err, transport.ErrClear), errors.Is(err, transport.ErrViolation):
		return err
	}
	var proxy *remote.ProxyError
	text := err.Error()
	switch {
	case strings.Contains(text, "server gave HTTP response to HTTPS client"):
		err = exit.Hinted(err, "the service does not speak TLS there: http:// in the address, on this machine or with --insecure")
	case errors.As(err, &proxy) && proxy.Status == http.StatusProxyAuthRequired:
		err = exit.Hinted(err, "the proxy wants a name and a password: HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT")
	case proxy != nil, strings.Contains(text, "proxyconnect "), strings.Contains(text, "socks connect "):
		err = exit.Hinted(err, "the proxy is that of HTTPS_PROXY (in the clear: HTTP_PROXY); NO_PROXY lists hosts that are asked without one")
	}
	return &client.ConnectError{Err: err}
}

// refusedWith says what to do about what the service refuses.
func refusedWith(status int, err error) error {
	switch status {
	case http.StatusNotFound:
		return exit.Hinted(exit.Coded(exit.Usage, err), "the service lists what it has at /v2/models")
	case http.StatusServiceUnavailable:
		return exit.Hinted(err, "try again later; --retry says how long this client tries by itself")
	case http.StatusTooManyRequests:
		return exit.Hinted(err, "the service's owner says how much each client may ask")
	case http.StatusUnauthorized, http.StatusForbidden:
		return exit.Hinted(err, "show who you are: --token-file with the token that the service's owner gave you, or --tls-cert and --tls-key")
	case http.StatusPreconditionFailed:
		return exit.Hinted(err, "ask again: the new plan is told, and not used before you say so")
	case http.StatusUpgradeRequired:
		return exit.Hinted(err, "a proxy in between does not pass WebSocket on: docs/SERVICE.md says how nginx and haproxy do")
	case http.StatusBadRequest:
		return exit.Hinted(err, "if the service speaks TLS, its address begins with https://")
	}
	return err
}

// longestPause is between two attempts to connect.
const longestPause = 8 * time.Second

// trying connects, again and again while that fails for a reason that may pass.
func (r *run) trying(ctx context.Context, connect func() error) error {
	end, pause := time.Now().Add(r.retry), 500*time.Millisecond
	for {
		slow := r.unlessQuick("waiting for the service")
		err := connect()
		slow()
		wait, passes := passing(err, pause)
		if !passes || time.Until(end) < wait {
			return err
		}
		r.log.Info("not connected, trying again", "in", wait, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		pause = min(2*pause, longestPause)
	}
}

// silence is how long nothing need be said.
const silence = 2 * time.Second

// unlessQuick says what takes so long, if it is not done before.
func (r *run) unlessQuick(what string) (done func()) {
	if r.quiet {
		return func() {}
	}
	t := time.AfterFunc(silence, func() { r.log.Info(what) })
	return func() { t.Stop() }
}

// passing says whether an error of connecting may pass, and when to try again.
func passing(err error, pause time.Duration) (time.Duration, bool) {
	var refused *remote.StatusError
	if errors.As(err, &refused) {
		after, bad := time.ParseDuration(cmp.Or(refused.After, "0") + "s")
		never := refused.After == "" && refused.Session != "" // a proxy would not name the session
		return max(after, pause), bad == nil && (refused.Status == 429 && !never || refused.Status >= 502)
	}
	var failed *client.ConnectError
	return pause, errors.As(err, &failed)
}

// failureOf is an error as JSON has it.
func failureOf(err error) *Failure {
	return &Failure{Message: err.Error(), Hint: exit.Hint(err), Code: exit.Code(err)}
}

// printJSON prints a value as one line.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
