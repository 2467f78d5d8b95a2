package server

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"secc.example/secc/runtime/receipt"
)

// AuditRecord is a line of the audit. It holds no values.
type AuditRecord struct {
	Number  int64      `json:"number"`
	Time    time.Time  `json:"time"`
	Event   AuditEvent `json:"event"`
	Session string     `json:"session"`
	Client  string     `json:"client"`
	Peer    string     `json:"peer"`
	Model   string     `json:"model"`
	Version string     `json:"version"`
	Plan    string     `json:"plan_digest"`
	Weights string     `json:"weights_digest"`
	Status  int        `json:"status,omitempty"` // of a refusal
	// Omitted is how many refusals of the same client just before this one are not on record.
	Omitted int `json:"omitted,omitempty"`

	Inferences int `json:"inferences,omitempty"` // that the session was asked for

	Bytes   int64   `json:"bytes,omitempty"`   // of a session that is done
	Seconds float64 `json:"seconds,omitempty"` // likewise
	// Transcript is the digest of what was said in a session that is done and has a receipt.
	Transcript string `json:"transcript,omitempty"`

	ClientKey string          `json:"client_key,omitempty"` // by which the client has announced to sign the receipt
	Receipt   *receipt.Signed `json:"receipt,omitempty"`    // with both signatures

	Before string `json:"before"` // SHA-256 of the line before; zeros in the first
}

// AuditEvent is what a record is about.
type AuditEvent string

const (
	EventOpen    AuditEvent = "open" // a hello came
	EventDone    AuditEvent = "done"
	EventFailed  AuditEvent = "failed"
	EventRefused AuditEvent = "refused"
	EventSigned  AuditEvent = "signed" // by the client, of a session that is done
)

// maxRecord bounds a line of the audit.
const maxRecord = 64 << 10

var noRecord = hex.EncodeToString(make([]byte, sha256.Size))

// Audit is a chain of records that holds.
type Audit struct {
	Records int64
	Head    string // hash of the last record
	Torn    bool   // behind it stands the beginning of another

	Signed   int // sessions whose receipts both parties have signed
	Unsigned int // sessions whose clients announced to sign and have not

	whole int64 // bytes of the records
	check AuditCheck
	owed  map[string]AuditRecord // sessions that are to be signed
}

// AuditCheck is what an audit is held to beside its chain.
type AuditCheck struct {
	Head       string // hash of one of its records, kept elsewhere; empty: none was
	Signatures bool   // those of receipts hold, and are of the sessions on record
	Key        string // by which the server must have signed them; empty: by the one that they name
}

// VerifyAudit reads an audit and follows its chain.
func VerifyAudit(r io.Reader, check AuditCheck) (*Audit, error) {
	a := &Audit{Head: noRecord, check: check, owed: map[string]AuditRecord{}}
	head := check.Head
	found := head == "" || head == noRecord
	lines := bufio.NewReaderSize(r, maxRecord)
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			a.Torn, a.Unsigned = len(line) > 0, len(a.owed)
			if !found {
				return a, fmt.Errorf("no record has the hash %s: records are missing at the end, or this is another audit", head)
			}
			return a, nil
		case err != nil:
			return a, fmt.Errorf("record %d: %w", a.Records+1, err)
		}
		if err := a.follow(line); err != nil {
			return a, err
		}
		found = found || a.Head == head
	}
}

// follow checks the next line.
func (a *Audit) follow(line []byte) error {
	var r AuditRecord
	n := a.Records + 1
	if err := strictly("audit", line, &r); err != nil {
		return fmt.Errorf("record %d is none: %w", n, err)
	}
	if r.Number != n || r.Before != a.Head {
		return fmt.Errorf("record %d does not follow the one before it: one of them was changed, or records were taken out or put in", n)
	}
	if a.check.Signatures {
		if err := a.signatures(r); err != nil {
			return fmt.Errorf("record %d: session %s: %w", n, r.Session, err)
		}
	}
	a.Records, a.Head = n, hashOfLine(line)
	a.whole += int64(len(line))
	return nil
}

// signatures checks those of a record, and that they are of the session that was done.
func (a *Audit) signatures(r AuditRecord) error {
	if r.Event != EventSigned {
		if r.Event == EventDone && r.ClientKey != "" {
			a.owed[r.Session] = r
		}
		return nil
	}
	done, ok := a.owed[r.Session]
	if !ok || r.Receipt == nil {
		return errors.New("no such session was to be signed")
	}
	text, err := r.Receipt.Verify(a.check.Key)
	if err == nil {
		err = r.Receipt.Countersigned()
	}
	if err != nil {
		return err
	}
	said := [...]string{text.Session, text.Client, text.Model, text.Version, text.Plan, text.Transcript, r.Receipt.Client.PublicKey}
	if said != [...]string{done.Session, done.Client, done.Model, done.Version, done.Plan, done.Transcript, done.ClientKey} {
		return fmt.Errorf("%w: it is not of the session on record", receipt.ErrInvalid)
	}
	delete(a.owed, r.Session)
	a.Signed++
	return nil
}

func hashOfLine(line []byte) string {
	sum := sha256.Sum256(bytes.TrimSuffix(line, []byte("\n")))
	return hex.EncodeToString(sum[:])
}

// audit appends to a chain.
type audit struct {
	mu   sync.Mutex
	file auditFile
	at   *Audit
}

// openAudit goes on with an audit, or begins one.
func openAudit(path string, log *slog.Logger) (*audit, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	at, err := VerifyAudit(f, AuditCheck{})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	if at.Torn {
		log.Warn("the last record of the audit is incomplete, as after a crash, and was removed", "file", path, "records", at.Records)
	}
	if err := errors.Join(f.Truncate(at.whole), seekTo(f, at.whole)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &audit{file: f, at: at}, nil
}

// auditFile is the file of an audit: an *os.File.
type auditFile interface {
	io.Writer
	io.Seeker
	io.Closer
	Sync() error
	Truncate(size int64) error
}

func seekTo(f io.Seeker, at int64) error {
	_, err := f.Seek(at, io.SeekStart)
	return err
}

// follow gives the record's line as the one behind another, whose hash is before.
func (r AuditRecord) follow(number int64, before string) ([]byte, error) {
	r.Number, r.Before, r.Time = number, before, time.Now().UTC()
	line, err := json.Marshal(r)
	if err == nil && len(line) >= maxRecord {
		err = fmt.Errorf("a record of %d bytes", len(line))
	}
	return line, err
}

// write appends a record, which is on the disk when it returns. After a failure the next one
// takes the place of what was written of it.
func (a *audit) write(r AuditRecord) error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	line, err := r.follow(a.at.Records+1, a.at.Head)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if _, err = a.file.Write(line); err == nil {
		err = a.file.Sync()
	}
	if err != nil {
		return errors.Join(err, a.file.Truncate(a.at.whole), seekTo(a.file, a.at.whole))
	}
	a.at.Records, a.at.Head = a.at.Records+1, hashOfLine(line)
	a.at.whole += int64(len(line))
	return nil
}

func (a *audit) Close() error {
	if a == nil {
		return nil
	}
	return a.file.Close()
}
