//go:build !windows && (!unix || aix || solaris)

package store

import (
	"errors"
	"os"
)

// lockFile refuses: without a lock two processes could use one run.
func lockFile(string) (*os.File, error) { return nil, errors.ErrUnsupported }
