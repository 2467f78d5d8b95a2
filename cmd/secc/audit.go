package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/runtime/receipt"
	"secc.example/secc/server"
)

func newAuditCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Check a service's records",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newAuditVerifyCmd(), newAuditReceiptCmd(), newAuditReplayCmd())
	return c
}

func newAuditVerifyCmd() *cobra.Command {
	var check server.AuditCheck
	var database string
	c := &cobra.Command{
		Use:   "verify FILE | verify --database ADDRESS",
		Short: "Follow the chain of an audit",
		Long: `Follow the chain of an audit (secc serve --data): every record holds the hash of the
one before it, so that one that was changed, taken out or put in is found. What was
cut off at the end is found by a hash that was kept elsewhere (--head). Receipts that
clients have signed too are there with both signatures: these must hold, and the receipts
be those of the sessions on record.`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			f, name, err := openAudit(c.Context(), database, args)
			if err != nil {
				return err
			}
			defer f.Close()
			check.Head, check.Key, check.Signatures = strings.ToLower(check.Head), strings.ToLower(check.Key), true
			a, err := server.VerifyAudit(f, check)
			if errors.Is(err, receipt.ErrInvalid) {
				err = coded(exitAuth, err)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if a.Torn {
				newLog(c.ErrOrStderr()).Warn("behind the last record stands the beginning of another, as after a crash")
			}
			if a.Unsigned > 0 {
				newLog(c.ErrOrStderr()).Warn("clients announced to sign the receipts of sessions and have not", "sessions", a.Unsigned)
			}
			signed := ""
			if a.Signed > 0 {
				signed = fmt.Sprintf(", %d sessions signed by both parties", a.Signed)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%d records, head %s%s\n", a.Records, a.Head, signed)
			return err
		},
	}
	c.Flags().StringVar(&database, "database", "", "address of the PostgreSQL database that holds the audit (secc serve --database)")
	c.Flags().StringVar(&check.Key, "key", "", "public key (hexadecimal) by which the server must have signed receipts")
	c.Flags().StringVar(&check.Head, "head", "", "hash of one of the records, kept elsewhere")
	return c
}

// openAudit opens the audit in a file or in a database.
func openAudit(ctx context.Context, database string, args []string) (io.ReadCloser, string, error) {
	if (database == "") == (len(args) == 0) {
		return nil, "", usage("one audit is needed: a file, or --database")
	}
	if database != "" {
		r, err := server.ReadAudit(ctx, database)
		if err != nil {
			return nil, "", coded(exitNetwork, err)
		}
		return r, "the database's audit", nil
	}
	f, err := os.Open(args[0])
	if err != nil {
		return nil, "", usage("%w", err)
	}
	return f, args[0], nil
}

func newAuditReceiptCmd() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use:   "receipt FILE",
		Short: "Check a receipt and show it",
		Long: `Check the receipt of a session (secc ask --receipts) and show what the service has
signed: which model, plan and weights answered, and the digest
of all that the parties said, which the client held to its own when it kept it. The
weights stand there by a commitment: equal for equal weights.`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			r, s, err := readReceipt(args[0], key)
			if err != nil {
				return err
			}
			client := ""
			if s.Client != nil {
				client = s.Client.PublicKey
			}
			return out.JSON(c.OutOrStdout(), struct {
				*receipt.Receipt
				SignedBy        string `json:"signed_by"`
				CountersignedBy string `json:"countersigned_by,omitempty"`
			}{r, s.PublicKey, client})
		},
	}
	c.Flags().StringVar(&key, "key", "", "public key (hexadecimal) that must have signed it")
	return c
}

// readReceipt reads a receipt, and holds it to a key and to the client's signature, if it has one.
func readReceipt(path, key string) (*receipt.Receipt, *receipt.Signed, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, usage("%w", err)
	}
	var s receipt.Signed
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, nil, usage("%s: %w", path, err)
	}
	r, err := s.Verify(strings.ToLower(key))
	if err == nil && s.Client != nil {
		err = s.Countersigned()
	}
	if err != nil {
		return nil, nil, coded(exitAuth, fmt.Errorf("%s: %w", path, err))
	}
	return r, &s, nil
}
