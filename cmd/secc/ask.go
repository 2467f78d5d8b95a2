package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/frontend/input"
	"secc.example/secc/internal/safefile"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/client"
	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/transport"
)

// askFlags are the flags of secc ask.
type askFlags struct {
	question
	remote.Model
	state     string
	digest    string
	signedBy  string
	tokenFile string
	tls       transport.TLSFiles
	tlsName   string
	session   runtime.Config
	verbose   bool
}

func newAskCmd() *cobra.Command {
	f := new(askFlags)
	c := &cobra.Command{
		Use:   "ask URL --input FILE...",
		Short: "Ask a service's model",
		Long: `Ask a model that a service (secc serve) has under an address. The model's plan is
fetched once; its digest is shown at the first use and remembered, and a model whose
plan has changed is not asked before you say so. Only shares of the input leave this
machine. Proxies are taken from HTTPS_PROXY and NO_PROXY.`,
		Example: `  secc ask https://company.example/v2/models/cxr --input scan.dcm`,
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			return explained(f.run(c, args[0]), f.verbose)
		},
	}
	fl := c.Flags()
	fl.StringArrayVar(&f.inputs, "input", nil, "PNG, JPEG, DICOM, .npy, TensorProto .pb or raw float32; one for each input of the network, in order or as NAME=FILE")
	fl.StringVar(&f.labels, "labels", "", "file with one label a line (default: the plan's)")
	fl.IntVar(&f.top, "top", 5, "how many labels to print (findings: all, if not given)")
	fl.BoolVar(&f.json, "json", false, "print JSON ("+plan.Schema+")")
	fl.StringVar(&f.digest, "plan-digest", "", "digest that the plan must have; remembered from now on")
	fl.StringVar(&f.signedBy, "signed-by", "", "file of the public key that must have signed the plan (secc sign)")
	fl.StringVar(&f.state, "state", "", "folder for plans and what was remembered (default: the user's configuration folder)")
	fl.StringVar(&f.tokenFile, "token-file", "", "file with the bearer token that the service gave you")
	fl.BoolVar(&f.Insecure, "insecure", false, "allow http:// beyond this machine")
	fl.StringVar(&f.tls.CA, "tls-ca", "", "authority that signed the service's certificate (PEM; default: the system's)")
	fl.StringVar(&f.tls.Cert, "tls-cert", "", "this client's certificate (PEM)")
	fl.StringVar(&f.tls.Key, "tls-key", "", "its key (PEM)")
	fl.StringVar(&f.tlsName, "tls-server-name", "", "name expected in the service's certificate (default: the host of URL)")
	fl.IntVar(&f.session.Threads, "threads", 0, "cores to use (default: all)")
	fl.DurationVar(&f.session.Transport.Idle, "timeout", time.Minute, "give up when nothing was heard from the service for so long")
	fl.DurationVar(&f.session.Stall, "stall", 0, "give up when nothing has moved for so long (default: by the plan)")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "say of an error what each layer had to say")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "no progress on standard error")
	return c
}

func (f *askFlags) run(c *cobra.Command, address string) (err error) {
	if f.session.Transport.Idle <= 0 || f.session.Stall < 0 || f.session.Threads < 0 || f.top < 0 {
		return usage("--timeout must be positive, --stall, --threads and --top not negative")
	}
	if f.URL, err = remote.Parse(address); err != nil {
		return usage("%w", err)
	}
	if err := f.credentials(); err != nil {
		return err
	}
	memory, err := openMemory(f.state, f.URL.String())
	if err != nil {
		return err
	}
	p, err := f.plan(c, memory)
	if err != nil {
		return err
	}
	f.session.Threads = tune(f.session.Threads)
	name := ""
	err = f.ask(c, client.Client{Plan: p, Session: f.session, Connect: func(ctx context.Context) (conn net.Conn, err error) {
		d, err := p.Digest()
		if err != nil {
			return nil, err
		}
		conn, name, err = f.Session(ctx, d)
		return conn, unreachable(err)
	}})
	if err != nil && name != "" {
		return fmt.Errorf("session %s: %w", name, err)
	}
	if err == nil && f.verbose {
		newLog(c.ErrOrStderr()).Info("done", "session", name)
	}
	return err
}

// unreachable sorts what went wrong before a session was there.
func unreachable(err error) error {
	var refused *remote.StatusError
	switch {
	case err == nil || errors.Is(err, transport.ErrAuth) || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &refused):
		if refused.Status == 404 {
			return hint(coded(exitUsage, err), "the service lists what it has at /v2/models")
		}
		return err
	case errors.Is(err, transport.ErrClear), errors.Is(err, transport.ErrViolation):
		return err
	}
	return &client.ConnectError{Err: err}
}

// credentials reads the files that say who this is, and who the service is.
func (f *askFlags) credentials() (err error) {
	if f.tokenFile != "" {
		b, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return usage("--token-file: %w", err)
		}
		f.Token = strings.TrimSpace(string(b))
	}
	if f.TLS, err = f.tls.Config(transport.Client, cmp.Or(f.tlsName, f.URL.Hostname())); err != nil {
		return usage("%w", err)
	}
	return nil
}

// plan fetches the model's plan and holds it to what is known of it.
func (f *askFlags) plan(c *cobra.Command, m *memory) (*plan.Plan, error) {
	want := strings.ToLower(f.digest)
	if want == "" {
		want = m.pinned()
	}
	p, encoded, err := f.Plan(c.Context(), m.plan(want))
	if err != nil {
		return nil, exit.OfClient(unreachable(err))
	}
	if err := f.signed(c, encoded); err != nil {
		return nil, err
	}
	d, err := p.Digest()
	if err != nil {
		return nil, err
	}
	switch {
	case want != "" && want != d.String():
		return nil, hint(fmt.Errorf("%w: %w: it was %s, now it is %s", transport.ErrMismatch, remote.ErrChanged, want, d),
			"ask the service's owner what has changed; --plan-digest "+d.String()+" accepts the new plan")
	case m.pinned() == "":
		newLog(c.ErrOrStderr()).Info("first use of this model: its plan is remembered", "digest", d.String(), "model", p.Model, "reveals", string(p.Reveal))
	}
	return p, m.pin(d.String(), encoded)
}

// signed holds the plan to its signature, if it must have one.
func (f *askFlags) signed(c *cobra.Command, encoded []byte) error {
	if f.signedBy == "" {
		return nil
	}
	s, err := f.Signature(c.Context())
	if err != nil {
		return exit.OfClient(unreachable(err))
	}
	return verifyPlan(f.signedBy, encoded, s)
}

// memory is what is known of a model from earlier uses.
type memory struct{ dir, url string }

func openMemory(dir, url string) (*memory, error) {
	if dir == "" {
		base, err := os.UserConfigDir()
		if err != nil {
			return nil, hint(usage("there is no folder to remember plans in: %w", err), "give one with --state")
		}
		dir = filepath.Join(base, "secc")
	}
	for _, d := range []string{"pins", "plans"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, usage("--state: %w", err)
		}
	}
	return &memory{dir, url}, nil
}

// pinOf is what is remembered of an address.
type pinOf struct {
	URL    string `json:"url"`
	Digest string `json:"plan_digest"`
}

func (m *memory) pinFile() string {
	sum := sha256.Sum256([]byte(m.url))
	return filepath.Join(m.dir, "pins", hex.EncodeToString(sum[:])+".json")
}

// pinned is the digest of the model's plan, if it was seen before.
func (m *memory) pinned() string {
	b, err := os.ReadFile(m.pinFile())
	var p pinOf
	if err != nil || json.Unmarshal(b, &p) != nil || p.URL != m.url {
		return ""
	}
	return p.Digest
}

func (m *memory) planFile(digest string) string { return filepath.Join(m.dir, "plans", digest+".plan") }

// plan is the plan of a digest, if it is at hand.
func (m *memory) plan(digest string) []byte {
	if _, err := hex.DecodeString(digest); err != nil || digest == "" {
		return nil
	}
	b, err := input.ReadFile(m.planFile(digest))
	if err != nil {
		return nil
	}
	return b
}

// pin remembers a plan.
func (m *memory) pin(digest string, encoded []byte) error {
	if !bytes.Equal(m.plan(digest), encoded) {
		if err := safefile.Write(m.planFile(digest), encoded, safefile.Private); err != nil {
			return usage("--state: %w", err)
		}
	}
	if m.pinned() == digest {
		return nil
	}
	b, err := json.Marshal(pinOf{m.url, digest})
	if err != nil {
		return err
	}
	if err := safefile.Write(m.pinFile(), append(b, '\n'), safefile.Private); err != nil {
		return usage("--state: %w", err)
	}
	return nil
}
