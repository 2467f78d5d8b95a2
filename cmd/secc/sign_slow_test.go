//go:build slow

package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// An encrypted key is read with its password and no other. It takes a gigabyte and seconds.
func TestEncryptedKey(t *testing.T) {
	name := filepath.Join(t.TempDir(), "owner")
	if err := makeKey(name, "correct horse"); err != nil {
		t.Fatal(err)
	}
	if _, err := readKey(name+".key", "correct horse"); err != nil {
		t.Error(err)
	}
	for password, want := range map[string]string{"": "--password-file is needed", "wrong": "owner.key"} {
		if _, err := readKey(name+".key", password); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("password %q: %v", password, err)
		}
	}
}
