package store

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"secc.example/secc/internal/safefile"
)

// Key encrypts a store. It does not lie in the store's folder.
type Key [32]byte

// NewKey makes a key.
func NewKey() (k Key) {
	_, _ = rand.Read(k[:]) // never fails
	return k
}

// ParseKey reads a key of 64 hexadecimal digits.
func ParseKey(text []byte) (k Key, err error) {
	text = bytes.TrimSpace(text)
	if len(text) != hex.EncodedLen(len(k)) {
		return k, fmt.Errorf("a key has %d hexadecimal digits, not %d characters", hex.EncodedLen(len(k)), len(text))
	}
	if _, err := hex.Decode(k[:], text); err != nil {
		return Key{}, errors.New("a key has hexadecimal digits only")
	}
	return k, nil
}

// KeyVariable is the variable of the environment that may hold a store's key.
const KeyVariable = "SECC_STORE_SECRET"

// OpenFolder is Open with the key of the environment or else of a file; by default that stands
// beside the folder.
func OpenFolder(dir, keyFile string, maxBytes int64) (*Store, error) {
	var key Key
	var err error
	if text := os.Getenv(KeyVariable); text != "" {
		if key, err = ParseKey([]byte(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", KeyVariable, err)
		}
		return Open(dir, key, maxBytes)
	}
	if keyFile == "" {
		keyFile = filepath.Clean(dir) + ".key"
	}
	if key, err = KeyFile(keyFile); err != nil {
		return nil, err
	}
	return Open(dir, key, maxBytes)
}

// KeyFile reads the key in a file that only its owner may read, and makes it when there is none.
func KeyFile(path string) (Key, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k := NewKey()
		return k, safefile.Write(path, append(hex.AppendEncode(nil, k[:]), '\n'), safefile.Private)
	case err != nil:
		return Key{}, err
	case info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows":
		return Key{}, fmt.Errorf("%s: others may read this key (mode %v): chmod 600", path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Key{}, err
	}
	k, err := ParseKey(b)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// derive gives a key for one use of the store with this salt.
func (k Key) derive(salt []byte, use string) []byte {
	d, err := hkdf.Key(sha256.New, k[:], salt, "secc prepared runs: "+use, 32)
	if err != nil {
		panic("BUG: " + err.Error()) // the length is a constant
	}
	return d
}
