package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"secc.example/secc/runtime/guard"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// stage is how far a session has come.
type stage int

const (
	stageHello stage = iota
	stageSetup
	stageWalk
	stageEnd
)

// Ended is the error of a session. Error says in a sentence what happened and how far the
// session had come; Chain is what each layer had to say to it.
type Ended struct {
	What  string // "the server was stopped"
	Where string // "at 12 of 76 operators"; empty before and after
	Err   error
}

func (e *Ended) Error() string { return strings.TrimSuffix(e.What+" "+e.Where, " ") }

// Unwrap gives the cause, for errors.Is.
func (e *Ended) Unwrap() error { return e.Err }

// Chain is the whole chain of causes.
func (e *Ended) Chain() string { return e.Err.Error() }

// ended describes err; broken is why the connection ended, if it has.
func (s *session) ended(err, broken error) error {
	e := &Ended{What: s.what(err, broken), Err: err}
	switch {
	case errors.Is(err, transport.ErrBusy): // nothing was begun
	case s.stage == stageSetup:
		e.Where = "during set-up"
	case s.stage == stageWalk:
		e.Where = fmt.Sprintf("at %d of %d operators", s.at, s.calls)
	}
	return e
}

// what says what happened, with the peer called by its role.
func (s *session) what(err, broken error) string {
	peer := "the " + s.party.Role.Peer().String()
	root := err
	if broken != nil && errors.Is(err, broken) {
		root = broken // what the layers above add is where they waited
	}
	name := func(text string) string { return strings.ReplaceAll(text, "the peer", peer) }
	var bug *guard.Error
	switch {
	case errors.As(err, &bug):
		return bug.Error()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "interrupted"
	case errors.Is(err, transport.ErrBusy):
		return transport.ErrBusy.Error()
	case errors.Is(err, transport.ErrPeerStopped):
		return peer + " was stopped"
	case errors.Is(err, transport.ErrPeerFailed):
		_, why, _ := strings.Cut(root.Error(), ": ")
		return strings.TrimSuffix(peer+" gave up: "+why, ": ")
	case errors.Is(err, store.ErrRestored):
		return peer + " came with an older state of its prepared runs than was seen: a restored copy"
	case errors.Is(err, transport.ErrStale):
		return peer + " has seen a later state of this party's prepared runs: this store is a restored copy"
	case errors.Is(err, transport.ErrMute):
		return peer + " closed the connection before it said anything (does it expect TLS, or none?)"
	case errors.Is(err, transport.ErrAuth):
		return peer + " refused: " + root.Error()
	case errors.Is(err, transport.ErrPeerClosed):
		return "the connection to " + peer + " broke"
	case errors.Is(err, transport.ErrViolation):
		return peer + " sent what the protocol does not allow: " + strings.TrimPrefix(root.Error(), transport.ErrViolation.Error()+": ")
	case errors.Is(err, transport.ErrTimeout):
		return name(strings.TrimPrefix(root.Error(), transport.ErrTimeout.Error()+": "))
	}
	return name(err.Error())
}
