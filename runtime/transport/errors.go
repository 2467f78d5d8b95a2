package transport

import (
	"context"
	"errors"
	"fmt"
)

// The ways in which a connection ends. Every error this package returns wraps
// one of them (or the context's error), so callers decide with errors.Is.
var (
	// ErrClosed: this side closed the connection.
	ErrClosed = errors.New("connection closed")
	// ErrPeerClosed: the peer closed the connection, or the network did.
	ErrPeerClosed = errors.New("connection closed by peer")
	// ErrTimeout: a wait passed its deadline.
	ErrTimeout = errors.New("timed out")
	// ErrViolation: bytes arrived that the protocol does not allow.
	ErrViolation = errors.New("peer violated the protocol")
	// ErrMute: the connection ended before the peer had said anything, as a port scan's does.
	ErrMute = fmt.Errorf("%w before it said anything", ErrPeerClosed)
	// ErrBusy: the server carries as many sessions as it has memory for.
	ErrBusy = errors.New("the server is busy with other clients")
	// ErrPeerFailed: the peer gave up and said so.
	ErrPeerFailed = errors.New("peer reported an error")
	// ErrPeerStopped: the peer was interrupted by who runs it.
	ErrPeerStopped = fmt.Errorf("%w: it was interrupted", ErrPeerFailed)
	// ErrResources: a limit on memory was reached.
	ErrResources = errors.New("out of resources")
	// ErrMismatch: the parties do not run the same plan or version.
	ErrMismatch = errors.New("the parties do not agree")
	// ErrStale: what a party keeps from one session to the next is older than what the other has
	// seen of it.
	ErrStale = errors.New("the store of prepared runs is a restored copy: a later state of it has been seen")
	// ErrVersion: they are of releases that speak different protocols.
	ErrVersion = fmt.Errorf("%w: they are of different releases", ErrMismatch)
	// ErrAuth: the peer could not be authenticated.
	ErrAuth = errors.New("authentication failed")
)

// Violation describes bytes from the peer that the protocol does not allow. It
// wraps ErrViolation; the protocol packages use it for everything they check.
func Violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrViolation, fmt.Sprintf(format, args...))
}

// reason is what a closing party tells the other: a code, never a text, so that
// nothing of one party's state can leave by this door.
type reason uint8

const (
	reasonDone reason = iota
	reasonFailed
	reasonViolation
	reasonTimeout
	reasonResources
	reasonCancelled
	reasonMismatch
	reasonBusy
	reasonStale
	numReasons
)

// reasonFor maps an error to the code the peer is told.
func reasonFor(err error) reason {
	for _, m := range []struct {
		is   error
		code reason
	}{
		{ErrClosed, reasonDone}, {ErrPeerClosed, reasonDone}, {ErrViolation, reasonViolation},
		{ErrTimeout, reasonTimeout}, {ErrResources, reasonResources}, {ErrMismatch, reasonMismatch}, {ErrBusy, reasonBusy}, {ErrStale, reasonStale},
		{errCancelled, reasonCancelled}, {context.Canceled, reasonCancelled},
	} {
		if errors.Is(err, m.is) {
			return m.code
		}
	}
	return reasonFailed
}

// err is what the party that hears the code reports.
func (r reason) err() error {
	switch r {
	case reasonDone:
		return ErrPeerClosed
	case reasonViolation:
		return fmt.Errorf("%w: it received bytes that the protocol does not allow", ErrPeerFailed)
	case reasonTimeout:
		return fmt.Errorf("%w: it timed out", ErrPeerFailed)
	case reasonResources:
		return fmt.Errorf("%w: it ran out of resources", ErrPeerFailed)
	case reasonCancelled:
		return ErrPeerStopped
	case reasonBusy:
		return ErrBusy
	case reasonStale:
		return ErrStale
	case reasonMismatch:
		return fmt.Errorf("%w: the peer refused", ErrMismatch)
	}
	return ErrPeerFailed
}

var errCancelled = errors.New("interrupted")
