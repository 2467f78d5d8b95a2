package ask

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/frontend/input"
	"secc.example/secc/internal/safefile"
	"secc.example/secc/runtime/receipt"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// memory is what is known of a model from earlier uses.
type memory struct{ dir, url string }

func openMemory(dir, url string) (*memory, error) {
	if dir == "" {
		base, err := os.UserConfigDir()
		if err != nil {
			return nil, exit.Hinted(exit.Usagef("there is no folder to remember plans in: %w", err), "give one with --state")
		}
		dir = filepath.Join(base, "secc")
	}
	for _, d := range []string{"pins", "plans"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, exit.Usagef("--state: %w", err)
		}
	}
	return &memory{dir, url}, nil
}

// pinOf is what is remembered of an address.
type pinOf struct {
	URL    string `json:"url"`
	Digest string `json:"plan_digest"`
	// Receipts is the key that signs the service's receipts; empty: none was ever announced.
	Receipts string `json:"receipt_key,omitempty"`
}

func (m *memory) pinFile() string {
	sum := sha256.Sum256([]byte(m.url))
	return filepath.Join(m.dir, "pins", hex.EncodeToString(sum[:])+".json")
}

// recall is what is remembered; of an address that was never seen, nothing.
func (m *memory) recall() pinOf {
	b, err := os.ReadFile(m.pinFile())
	var p pinOf
	if err != nil || json.Unmarshal(b, &p) != nil || p.URL != m.url {
		return pinOf{URL: m.url}
	}
	return p
}

// remember takes the place of what was remembered.
func (m *memory) remember(p pinOf) error {
	if m.recall() == p {
		return nil
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := safefile.Write(m.pinFile(), append(b, '\n'), safefile.Private); err != nil {
		return exit.Usagef("--state: %w", err)
	}
	return nil
}

// pinned is the digest of the model's plan, if it was seen before.
func (m *memory) pinned() string { return m.recall().Digest }

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
			return exit.Usagef("--state: %w", err)
		}
	}
	p := m.recall()
	p.Digest = digest
	return m.remember(p)
}

// signer holds the key that a service announces for a session's receipt (empty: there will be
// none) to the one that was given, else to the one that was seen first, and remembers it.
func (m *memory) signer(given, announced string) (first bool, err error) {
	p := m.recall()
	want := strings.ToLower(cmp.Or(given, p.Receipts))
	switch {
	case want == "" && announced == "":
		return false, nil
	case want == "":
		first = true
	case announced == "":
		return false, exit.Hinted(fmt.Errorf("%w: the service signs no receipts; they were signed by %.16s", transport.ErrMismatch, want),
			"ask the service's owner (secc serve --receipt-key); another --state forgets the key")
	case announced != want:
		return false, exit.Hinted(fmt.Errorf("%w: another key signs the service's receipts: it was %.16s, now it is %.16s", transport.ErrMismatch, want, announced),
			"ask the service's owner what has changed; --receipt-key "+announced+" accepts the new key")
	}
	p.Receipts = announced
	return first, m.remember(p)
}

// key is by what this client signs receipts; first: it was made just now.
func (m *memory) key() (k *receipt.Key, first bool, err error) {
	path := filepath.Join(m.dir, "client.key")
	_, err = os.Stat(path)
	first = errors.Is(err, fs.ErrNotExist)
	secret, err := store.KeyFile(path)
	if err != nil {
		return nil, false, exit.Usagef("--state: %w", err)
	}
	k, err = receipt.NewKey(secret)
	return k, first, err
}
