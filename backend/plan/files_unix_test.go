//go:build unix

package plan

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A pipe, a directory or a device is no weights file, and does not hold up whoever asks.
func TestOpenWeightsFileIsNotHeldUp(t *testing.T) {
	p, w := pair(t)
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, _, err := OpenWeightsFile(path, p)
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still waiting for the pipe")
	}
	if err := Save(filepath.Join(t.TempDir(), "m.plan"), path, p, w); err == nil {
		t.Error("a pipe was replaced")
	}
}
