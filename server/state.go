package server

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// state is what outlasts a server, or is shared by several: what clients have used, which of
// their sessions run, and the audit.
type state interface {
	// take counts a session's inferences and bytes, or says (errBudget) in what time there may be
	// room for it. refund undoes it.
	take(c *Client, window time.Duration, more amount) (refund func() error, wait time.Duration, err error)
	// enter counts a session among those that a client has at once, of which there may be most
	// (errAtOnce).
	enter(client string, most int, session string) (leave func(), err error)
	// write appends a record to the audit, which is on the disk when it returns.
	write(r AuditRecord) error
	// keepReceipt keeps a receipt for a while; receipt gives that of a client's session, empty if
	// there is none.
	keepReceipt(session, client, body string) error
	receipt(session, client string) (string, error)
	// signReceipt puts another in the place of a receipt; false: it was not this one any more.
	signReceipt(session, client, before, after string) (bool, error)
	// ready tells why nothing can be counted or recorded, if that is so.
	ready() error
	Close() error
}

// errAtOnce is why a client may not ask while its other sessions run.
var errAtOnce = errors.New("so many sessions of yours run already")

// embedded is the state of one server, in a folder; without one nothing outlasts it.
type embedded struct {
	ledger *ledger
	audit  *audit

	mu       sync.Mutex
	running  map[string]int
	receipts map[[2]string]string // of a session and its client
	order    [][2]string          // the oldest first
}

// openEmbedded opens the state in a folder; empty: none.
func openEmbedded(dir string, log *slog.Logger) (_ *embedded, err error) {
	e := &embedded{running: map[string]int{}, receipts: map[[2]string]string{}}
	if dir == "" {
		return e, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if e.ledger, err = openLedger(filepath.Join(dir, "budgets.db")); err != nil {
		return nil, err
	}
	if e.audit, err = openAudit(filepath.Join(dir, "audit.jsonl"), log); err != nil {
		return nil, errors.Join(err, e.ledger.Close())
	}
	return e, nil
}

func (e *embedded) take(c *Client, window time.Duration, more amount) (refund func() error, wait time.Duration, err error) {
	if e.ledger == nil {
		return nil, 0, errNoData
	}
	return e.ledger.take(c, window, more, time.Now())
}

func (e *embedded) enter(client string, most int, _ string) (leave func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running[client] >= most {
		return nil, fmt.Errorf("%w: %d of %d", errAtOnce, e.running[client], most)
	}
	e.running[client]++
	return sync.OnceFunc(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.running[client]--; e.running[client] == 0 {
			delete(e.running, client)
		}
	}), nil
}

func (e *embedded) keepReceipt(session, client, body string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.order) >= maxReceipts {
		delete(e.receipts, e.order[0])
		e.order = e.order[1:]
	}
	at := [2]string{session, client}
	e.receipts[at], e.order = body, append(e.order, at)
	return nil
}

func (e *embedded) receipt(session, client string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.receipts[[2]string{session, client}], nil
}

func (e *embedded) signReceipt(session, client, before, after string) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := [2]string{session, client}
	if e.receipts[at] != before {
		return false, nil
	}
	e.receipts[at] = after
	return true, nil
}

func (e *embedded) write(r AuditRecord) error { return e.audit.write(r) }
func (e *embedded) ready() error              { return nil }
func (e *embedded) Close() error              { return errors.Join(e.audit.Close(), e.ledger.Close()) }
