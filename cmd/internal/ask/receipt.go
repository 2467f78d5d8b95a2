package ask

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/internal/safefile"
	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/transport"
)

// Receipt is what an answer's record says of the receipt of its session.
type Receipt struct {
	Verified bool   `json:"verified"`          // the signature holds, and for this session, this plan and what both sides said
	Reason   string `json:"reason,omitempty"`  // why not
	Digest   string `json:"sha256,omitempty"`  // of the text that was signed
	Key      string `json:"key,omitempty"`     // that signed it (Ed25519)
	File     string `json:"file,omitempty"`    // in which it is kept; seen from the folder of the answers, if it is below that
	Time     string `json:"time,omitempty"`    // RFC 3339, of the service's clock
	Weights  string `json:"weights,omitempty"` // commitment to the weights that answered
	Build    string `json:"build,omitempty"`   // of the service's program
	Answers  int    `json:"answers,omitempty"` // how many the session gave
}

// unsealed is what a record says until its session has ended; if it never does, that stands.
func unsealed(o *remote.Opened) *Receipt {
	if o == nil || o.ReceiptKey == "" {
		return nil
	}
	return &Receipt{Key: o.ReceiptKey, Reason: "the session had not come to its end"}
}

// receipt fetches what the service has signed of a session, holds it to what this client saw, and
// keeps it. Without one, or with one that does not hold, the answers stand, and say so; nil: the
// service signs none.
func (r *run) receipt(ctx context.Context, o *remote.Opened, d plan.Digest, said *transport.Transcript) *Receipt {
	if o.ReceiptKey == "" {
		return nil
	}
	s, err := r.verified(ctx, o, d, said)
	if err != nil {
		r.log.Warn("there is no receipt that holds", "session", o.Name, "error", err)
		s.Reason = err.Error()
	}
	return s
}

// verified is receipt's work; with an error it says as much as is known.
func (r *run) verified(ctx context.Context, o *remote.Opened, d plan.Digest, said *transport.Transcript) (*Receipt, error) {
	s := &Receipt{Key: o.ReceiptKey}
	signed, err := r.Receipt(ctx, o.Name)
	if err != nil {
		return s, fmt.Errorf("the service's receipt: %w", err)
	}
	text, err := signed.Verify(o.ReceiptKey)
	if err != nil {
		return s, err
	}
	sum := said.Sum(transport.Client)
	if err := text.Of(o.Name, d.String(), hex.EncodeToString(sum[:])); err != nil {
		return s, err
	}
	if signed.Client = nil; o.Countersigned {
		signed.Client = r.key.Countersign(signed)
		if err := r.Countersign(ctx, o.Name, signed.Client); err != nil {
			r.log.Warn("the service did not take this client's signature of the receipt", "session", o.Name, "error", err)
		}
	}
	s.Digest, s.Verified = sha(signed.Text), true
	s.Time, s.Weights, s.Build, s.Answers = text.Time.Format(time.RFC3339), text.Weights, text.Build, text.Inferences
	if r.receipts == "" {
		return s, nil
	}
	b, err := json.MarshalIndent(signed, "", "  ")
	if err != nil {
		return s, err
	}
	path := filepath.Join(r.receipts, fileOf(o.Name)+".json")
	if s.File = path; r.out != "" {
		if below, err := filepath.Rel(r.out, path); err == nil && filepath.IsLocal(below) {
			s.File = filepath.ToSlash(below)
		}
	}
	return s, safefile.Write(path, append(b, '\n'), safefile.Private)
}

// fileOf is the name of a session's files.
func fileOf(session string) string {
	if plain.MatchString(session) {
		return session
	}
	return sha(session) // the service chose it: it may be anything
}

// plain are names of sessions that files can have as well.
var plain = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// sealed adds the receipt, which comes with the end of a session, to the answers that the session
// gave. They were written when they came: a run that is broken off has kept them.
func (r *run) sealed(list []inference, records []*Record, s *Receipt) error {
	if r.out == "" || s == nil {
		return nil
	}
	for i, rec := range records {
		rec.Receipt = s
		if slices.Contains(r.write, "html") {
			if err := writePage(r, list[i], rec); err != nil {
				return err
			}
		}
		if err := r.keepRecord(list[i].name, rec); err != nil {
			return err
		}
	}
	return nil
}
