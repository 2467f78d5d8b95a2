package server

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"aead.dev/minisign"
)

// Where a key is asked for, a plan is served only if that key signed that plan.
func TestSignatures(t *testing.T) {
	ours, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plan := []byte("a plan")
	for what, c := range map[string]struct {
		signature []byte // nil: none
		key       *minisign.PublicKey
		ok        bool
	}{
		"ours":               {minisign.Sign(private, plan), &ours, true},
		"none":               {nil, &ours, false},
		"a stranger's":       {minisign.Sign(stranger, plan), &ours, false},
		"of another plan":    {minisign.Sign(private, []byte("another plan")), &ours, false},
		"no signature":       {[]byte("text"), &ours, false},
		"no key, none":       {nil, nil, true},
		"no key, a stranger": {minisign.Sign(stranger, plan), nil, true},
	} {
		path := filepath.Join(t.TempDir(), planFile)
		if c.signature != nil {
			if err := os.WriteFile(path+SignatureSuffix, c.signature, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := signatureOf(path, plan, c.key); (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
	}
}
