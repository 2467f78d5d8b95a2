package ask

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"

	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/frontend/input"
	"secc.example/secc/internal/safefile"
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
			return exit.Usagef("--state: %w", err)
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
		return exit.Usagef("--state: %w", err)
	}
	return nil
}
