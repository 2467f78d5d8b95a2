package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/cmd/internal/pki"
	"secc.example/secc/internal/safefile"
)

// certFlags are the flags of secc cert.
type certFlags struct {
	dir    string
	name   string
	days   int
	hosts  []string
	spiffe string
}

func newCertCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "cert",
		Short: "Make certificates for a service and its clients",
		Long: `Make certificates for a service and its clients: an authority in a folder, and what it
signs. Keys are on P-256 and readable by their owner alone. The authority's key
(ca-key.pem) signs whoever may ask: keep it where the service does not run.`,
		Example: `  secc cert init
  secc cert issue company.example --host company.example
  secc cert issue clinic
  secc serve models/ --listen :443 --tls-cert certs/company.example.pem --tls-key certs/company.example-key.pem --tls-ca certs/ca.pem
  secc ask https://company.example/v2/models/cxr --input scan.dcm --tls-ca certs/ca.pem --tls-cert certs/clinic.pem --tls-key certs/clinic-key.pem`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newCertInitCmd(), newCertIssueCmd(), newCertShowCmd())
	return c
}

func newCertInitCmd() *cobra.Command {
	f := new(certFlags)
	c := &cobra.Command{
		Use:   "init",
		Short: "Make an authority",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return f.make(c.OutOrStdout(), "ca", func() (pki.Pair, error) { return pki.NewAuthority(f.name, days(f.days)) })
		},
	}
	f.register(c, 3650)
	c.Flags().StringVar(&f.name, "name", "secc authority", "what the authority is called")
	return c
}

func newCertIssueCmd() *cobra.Command {
	f := new(certFlags)
	c := &cobra.Command{
		Use:   "issue NAME",
		Short: "Make a certificate, for a client or with --host for a server",
		Args:  usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if !plainName.MatchString(args[0]) || args[0] == "ca" {
				return usage("%q cannot be the name of a file: letters, digits, dots, dashes and underscores, and not ca", args[0])
			}
			a, err := pki.OpenAuthority(f.path("ca"), f.keyPath("ca"))
			if err != nil {
				return hint(usage("%w", err), "secc cert init makes an authority")
			}
			return f.make(c.OutOrStdout(), args[0], func() (pki.Pair, error) {
				return a.Issue(pki.Request{Name: args[0], Hosts: f.hosts, SPIFFE: f.spiffe, Life: days(f.days)})
			})
		},
	}
	f.register(c, 397)
	c.Flags().StringSliceVar(&f.hosts, "host", nil, "name or address of the server; several with commas")
	c.Flags().StringVar(&f.spiffe, "spiffe", "", "SPIFFE id: spiffe://domain/path")
	return c
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (f *certFlags) register(c *cobra.Command, days int) {
	c.Flags().StringVar(&f.dir, "dir", "certs", "folder of the authority")
	c.Flags().IntVar(&f.days, "days", days, "how long it holds")
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

func (f *certFlags) path(name string) string    { return filepath.Join(f.dir, name+".pem") }
func (f *certFlags) keyPath(name string) string { return filepath.Join(f.dir, name+"-key.pem") }

// make writes a certificate and its key, and never in the place of others.
func (f *certFlags) make(w io.Writer, name string, issue func() (pki.Pair, error)) error {
	if f.days < 1 || f.days > 36500 {
		return usage("--days must be from 1 to 36500")
	}
	for _, path := range []string{f.path(name), f.keyPath(name)} {
		if _, err := os.Lstat(path); err == nil {
			return hint(usage("%s is there already", path), "remove it if nobody needs it, or give another --dir")
		}
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return usage("--dir: %w", err)
	}
	made, err := issue()
	if err != nil {
		return usage("%w", err)
	}
	for _, file := range []struct {
		path string
		b    []byte
		mode fs.FileMode
	}{{f.keyPath(name), made.Key, safefile.Private}, {f.path(name), made.Cert, safefile.Public}} {
		if err := safefile.Write(file.path, file.b, file.mode); err != nil {
			return err
		}
	}
	return showCertificates(w, f.path(name))
}

func newCertShowCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE...",
		Short: "Show what certificates say",
		Args:  usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			for _, path := range args {
				if err := showCertificates(c.OutOrStdout(), path); err != nil {
					return usage("%w", err)
				}
			}
			return nil
		},
	}
}

// showCertificates prints what clients' files and people need to know of certificates.
func showCertificates(w io.Writer, path string) error {
	all, err := pki.Read(path)
	if err != nil {
		return err
	}
	for _, c := range all {
		names := append([]string(nil), c.DNSNames...)
		for _, ip := range c.IPAddresses {
			names = append(names, ip.String())
		}
		for _, u := range c.URIs {
			names = append(names, u.String())
		}
		sum := sha256.Sum256(c.Raw)
		fmt.Fprintf(w, "%s\n  subject  %s\n  issuer   %s\n", out.Line(path), out.Line(c.Subject.String()), out.Line(c.Issuer.String()))
		if len(names) > 0 {
			fmt.Fprintf(w, "  names    %s\n", out.Line(strings.Join(names, ", ")))
		}
		left := int(time.Until(c.NotAfter).Hours() / 24)
		if _, err := fmt.Fprintf(w, "  holds    from %s to %s, %d days more\n  sha256   %s\n",
			c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly), left, hex.EncodeToString(sum[:])); err != nil {
			return err
		}
	}
	return nil
}
