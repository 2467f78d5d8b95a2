package main

import (
	"crypto/rand"
	"errors"
	"os"
	"strings"

	"aead.dev/minisign"
	"github.com/spf13/cobra"

	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/internal/safefile"
	"secc.example/secc/server"
)

// signFlags are the flags of secc sign.
type signFlags struct {
	key, newKey, passwordFile string
}

func newSignCmd() *cobra.Command {
	f := new(signFlags)
	c := &cobra.Command{
		Use:   "sign MODEL.plan...",
		Short: "Sign plans, so that clients know whose they are",
		Long: `Sign plans with Ed25519: MODEL.plan.minisig beside each, which minisign can check as
well. --new-key makes NAME.key, which its owner keeps, and NAME.pub, which clients get
by a way that they trust and name with --signed-by.`,
		Example: `  secc sign --new-key owner
  secc sign --key owner.key model.plan
  secc ask https://company.example/v2/models/cxr --signed-by owner.pub --input scan.dcm`,
		RunE: func(_ *cobra.Command, args []string) error { return f.run(args) },
	}
	c.Flags().StringVar(&f.key, "key", "", "the key to sign with")
	c.Flags().StringVar(&f.newKey, "new-key", "", "make NAME.key and NAME.pub first, and sign with that")
	c.Flags().StringVar(&f.passwordFile, "password-file", "", "file with the password that the key is encrypted with")
	return c
}

func (f *signFlags) run(plans []string) error {
	if (f.key == "") == (f.newKey == "") || f.newKey == "" && len(plans) == 0 {
		return hint(usage("either --key and plans or --new-key is needed"), "see secc sign --help")
	}
	password := ""
	if f.passwordFile != "" {
		b, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return usage("--password-file: %w", err)
		}
		if password = strings.TrimRight(string(b), "\r\n"); password == "" {
			return usage("--password-file: %s holds none", f.passwordFile)
		}
	}
	if f.newKey != "" {
		if err := makeKey(f.newKey, password); err != nil {
			return err
		}
		f.key = f.newKey + ".key"
	}
	key, err := readKey(f.key, password)
	if err != nil {
		return err
	}
	for _, path := range plans {
		if err := signPlan(path, key); err != nil {
			return err
		}
	}
	return nil
}

// makeKey writes a pair of keys, and never in the place of others.
func makeKey(name, password string) error {
	for _, path := range []string{name + ".key", name + ".pub"} {
		if _, err := os.Lstat(path); err == nil {
			return usage("%s is there already", path)
		}
	}
	public, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	var secret []byte
	if password == "" {
		secret, err = private.MarshalText()
	} else {
		secret, err = minisign.EncryptKey(password, private)
	}
	if err != nil {
		return err
	}
	text, err := public.MarshalText()
	if err != nil {
		return err
	}
	return errors.Join(safefile.Write(name+".key", append(secret, '\n'), safefile.Private), safefile.Write(name+".pub", append(text, '\n'), safefile.Public))
}

func readKey(path, password string) (key minisign.PrivateKey, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return key, usage("--key: %w", err)
	}
	switch {
	case !minisign.IsEncrypted(b):
		err = key.UnmarshalText(b)
	case password == "":
		return key, usage("%s is encrypted: --password-file is needed", path)
	default:
		key, err = minisign.DecryptKey(password, b)
	}
	if err != nil {
		return key, usage("%s: %w", path, err)
	}
	return key, nil
}

func signPlan(path string, key minisign.PrivateKey) error {
	b, err := input.ReadFile(path)
	if err != nil {
		return usage("%w", err)
	}
	p, err := plan.Decode(b)
	if err != nil {
		return usage("%s: %w", path, err)
	}
	d, err := p.Digest()
	if err != nil {
		return err
	}
	s := minisign.SignWithComments(key, b, "secc plan "+d.String(), "signature of a secc plan")
	return safefile.Write(path+server.SignatureSuffix, s, safefile.Public)
}
