package service

import (
	"net"
	"os"
	"syscall"
	"testing"
)

// Running out of file descriptors passes; a listener that was closed does not.
func TestAcceptErrorsThatPass(t *testing.T) {
	for err, want := range map[error]bool{
		&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}: true,
		&net.OpError{Op: "accept", Err: net.ErrClosed}:                                 false,
	} {
		if got := passing(err); got != want {
			t.Errorf("%v: passes %v, want %v", err, got, want)
		}
	}
}
