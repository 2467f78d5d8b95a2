package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/guard"
	"secc.example/secc/runtime/service"
	"secc.example/secc/runtime/transport"
)

// inferencesHeader says how many inferences the client wants of the session; default 1.
const inferencesHeader = "Secc-Inferences"

// prepareHeader says with how many prepared runs the client wants to be left; default 0.
const prepareHeader = "Secc-Prepare"

// want is what a client asks a session for.
type want struct{ inferences, keep int }

// sessionHeader tells the client what its session is called in the server's log.
const sessionHeader = "Secc-Session"

// versionHeader tells it which version of the model answers: the address may name none.
const versionHeader = "Secc-Version"

// session answers one client. Whatever goes wrong ends it alone.
func (s *Server) session(w http.ResponseWriter, r *http.Request, who *Client, v *Version) {
	id := newID()
	log := s.cfg.Log.With("session", id, "peer", r.RemoteAddr, "client", who.Name, "model", v.Model, "version", v.Name)
	if err := guard.Do(func() error { return s.serve(w, r, who, v, id, log) }); err != nil {
		log.Error("failed", "err", err)
	}
}

// deadline is until when a request's connection may take to be read and written; zero: for ever.
func deadline(w http.ResponseWriter, at time.Time) {
	c := http.NewResponseController(w)
	_, _ = c.SetReadDeadline(at), c.SetWriteDeadline(at) // a connection has both
}

func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// serve lets a session in and runs it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, who *Client, v *Version, id string, log *slog.Logger) error {
	deadline(w, time.Time{}) // it may wait for room, and what is upgraded has deadlines of its own
	w.Header().Set(sessionHeader, id)
	w.Header().Set(versionHeader, v.Name)
	entry := s.entry(r, who, v, id)
	n, err := s.wanted(r)
	if err == nil {
		entry.ClientKey, err = s.signerOf(r, who)
	}
	var turn *turn
	if err == nil {
		entry.Inferences = n.inferences
		turn, err = s.admit(r, who, v, id, n)
	}
	if err != nil {
		log.Warn("refused", "err", err)
		s.metrics.refused(err)
		deadline(w, time.Now().Add(s.hello))
		refuse(w, err)
		entry.Event, entry.Status = EventRefused, err.status
		return s.recordRefusal(who, entry)
	}
	defer turn.end()
	if s.receipts != nil {
		w.Header().Set(receiptHeader, s.receipts.Public())
		if entry.ClientKey != "" {
			w.Header().Set(clientKeyHeader, entry.ClientKey)
		}
	}
	c, failed := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{sessionProtocol}, OriginPatterns: s.cfg.Origins}) // it answers whom it refuses
	if failed != nil {
		log.Warn("refused", "err", failed)
		deadline(w, time.Now().Add(s.hello))
		return turn.refund()
	}
	if !s.run(websocket.NetConn(context.Background(), c, websocket.MessageBinary), v, s.config(who, n, log), log, entry) {
		return turn.refund()
	}
	return nil
}

// wanted reads what a request is for.
func (s *Server) wanted(r *http.Request) (n want, err *refusal) {
	if !upgrades(r) { // before it takes a place, and of a budget
		return n, &refusal{http.StatusUpgradeRequired, 0, errors.New("a session is a WebSocket: secc ask opens one; a proxy in between must pass the upgrade on")}
	}
	if n.keep, err = numberOf(r, prepareHeader, 0, 0, plan.MaxInferences); err != nil {
		return n, err
	}
	least := 1
	if n.keep = min(n.keep, s.cfg.Prepare); n.keep > 0 {
		least = 0 // runs are prepared, and used later
	}
	n.inferences, err = numberOf(r, inferencesHeader, 1, least, plan.MaxInferences)
	return n, err
}

// upgrades tells whether a request asks for a WebSocket.
func upgrades(r *http.Request) bool {
	has := func(header, token string) bool {
		return slices.ContainsFunc(r.Header.Values(header), func(line string) bool {
			return slices.ContainsFunc(strings.Split(line, ","), func(t string) bool { return strings.EqualFold(strings.TrimSpace(t), token) })
		})
	}
	return has("Connection", "upgrade") && has("Upgrade", "websocket")
}

// numberOf reads a number in a header.
func numberOf(r *http.Request, header string, otherwise, least, most int) (int, *refusal) {
	text := r.Header.Get(header)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, &refusal{http.StatusBadRequest, 0, fmt.Errorf("%s: a number from %d to %d is wanted", header, least, most)}
	}
	return n, nil
}

// config is a session's.
func (s *Server) config(who *Client, n want, log *slog.Logger) runtime.Config {
	cfg := s.cfg.Session
	if cfg.Most = n.inferences; n.inferences == 0 { // what was taken from the budget
		cfg.Most = -1
	}
	cfg.Prepare, cfg.Keep, cfg.Store, cfg.Gate = s.cfg.Prepare, s.cfg.Prepare, s.cfg.Runs, &s.first
	if cfg.MostKept = n.keep; n.keep == 0 {
		cfg.MostKept = -1
	}
	cfg.Peer = "client " + who.Name
	cfg.Note = func(text string) { log.Info("prepared runs", "note", text) }
	if cfg.Hello <= 0 {
		cfg.Hello = upgradedHello
	}
	return cfg
}

// entry is what the audit holds of every event of a session.
func (s *Server) entry(r *http.Request, who *Client, v *Version, id string) AuditRecord {
	return AuditRecord{
		Session: id, Client: who.Name, Peer: r.RemoteAddr, Model: v.Model, Version: v.Name,
		Plan: v.Program.Digest().String(), Weights: v.Weights.Checksum(),
	}
}

// run is the session from its hello to its end. It tells whether a hello came. A session
// that cannot be recorded does not begin.
func (s *Server) run(conn net.Conn, v *Version, cfg runtime.Config, log *slog.Logger, entry AuditRecord) (begun bool) {
	cfg.Admit = func(int) (func(), error) {
		entry.Event = EventOpen
		if err := s.state.write(entry); err != nil {
			log.Error("the audit cannot be written", "err", err)
			return nil, transport.ErrBusy
		}
		begun = true
		log.Info("open")
		return func() {}, nil
	}
	cfg.Transport.Transcript = s.transcript()
	var report *plan.Report
	err := guard.Do(func() (err error) {
		report, err = v.Program.Serve(s.stop, conn, v.Weights, cfg)
		return err
	})
	if err == nil {
		t := report.Total
		log.Info("done", "bytes", t.Bytes, "rounds", t.Rounds, "seconds", t.Seconds)
	}
	s.metrics.ended(v, begun, report, err)
	if begun {
		entry.Event = EventFailed
		if err == nil {
			entry.Event, entry.Bytes, entry.Seconds = EventDone, report.Total.Bytes, report.Total.Seconds
		}
		if err == nil && s.receipts != nil {
			sum := cfg.Transport.Transcript.Sum(transport.Server)
			entry.Transcript = hex.EncodeToString(sum[:])
		}
		if err := s.state.write(entry); err != nil {
			log.Error("the audit cannot be written", "err", err)
		}
		if err == nil && s.receipts != nil { // once it is on record: what the client signs stands behind it
			if err := s.sign(entry, report); err != nil {
				log.Error("the receipt cannot be kept", "err", err)
			}
		}
	}
	service.LogEnd(log, begun, err)
	return begun
}

// upgradedHello is how long an upgraded session may take to say hello. Its client speaks first
// and has asked for the session over this very connection, so it is about to; meanwhile it holds
// a place.
const upgradedHello = 3 * time.Second

// turn is the right to one session; refund gives back what it took of the client's budget.
type turn struct {
	end    func()
	refund func() error
}

// admit decides whether a session may begin now, and waits for room.
func (s *Server) admit(r *http.Request, who *Client, v *Version, id string, n want) (*turn, *refusal) {
	if want := r.Header.Get("If-Match"); want != "" && want != tag(v) {
		return nil, &refusal{http.StatusPreconditionFailed, 0, fmt.Errorf("the model was compiled anew: its plan is %s now", tag(v))}
	}
	if !s.begin() {
		return nil, &refusal{http.StatusServiceUnavailable, s.cfg.Grace, errors.New("the server is being stopped")}
	}
	if !v.hold() {
		s.sessions.Done()
		return nil, &refusal{http.StatusServiceUnavailable, time.Second, errors.New("the version was removed")}
	}
	leave := func() { v.release(); s.idle(); s.sessions.Done() }
	refund, away, err := s.charge(who, v, id, n)
	if err != nil {
		leave()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Wait)
	defer cancel()
	defer context.AfterFunc(s.stop, cancel)()
	out, full := s.gate.enter(ctx, who.Name, v.Program.MemoryAhead(s.cfg.Prepare).Server)
	if full != nil {
		away()
		leave()
		return nil, &refusal{http.StatusServiceUnavailable, max(time.Second, v.Program.Compute()), errors.Join(full, refund())}
	}
	return &turn{func() { out(); away(); leave() }, refund}, nil
}

// charge counts a session among those that a client has at once, and takes its inferences from
// the budget.
func (s *Server) charge(who *Client, v *Version, id string, n want) (refund func() error, leave func(), r *refusal) {
	refund, leave = func() error { return nil }, func() {}
	if err := s.state.ready(); err != nil { // nothing could be recorded
		s.cfg.Log.Error("the state cannot be written", "err", err)
		return nil, nil, errState
	}
	if most := cmp.Or(who.AtOnce, s.cfg.AtOnce); most > 0 {
		var err error
		if leave, err = s.state.enter(who.Name, most, id); err != nil {
			return nil, nil, s.uncounted(err, errAtOnce, max(time.Second, v.Program.Compute()))
		}
	}
	if who.limited() {
		bytes, err := v.bytes(n, s.cfg.Prepare > 0)
		if err != nil {
			leave()
			return nil, nil, errState
		}
		var wait time.Duration
		if refund, wait, err = s.state.take(who, s.clients.Load().window, amount{int64(n.inferences), bytes}); err != nil {
			leave()
			return nil, nil, s.uncounted(err, errBudget, wait)
		}
	}
	return refund, leave, nil
}

// bytes is what a session sends and receives: exactly or, where inferences may be prepared, at
// most. One that uses runs sends less, and they were counted when they were made.
func (v *Version) bytes(n want, prepared bool) (int64, error) {
	if n == (want{inferences: 1}) && !prepared {
		return v.Program.Cost().Total.Bytes, nil
	}
	cost, err := v.Program.Plan().SessionCost(n.inferences)
	if err != nil || !prepared {
		return cost.Total.Bytes, err
	}
	ahead, err := v.Program.Plan().CostOfRuns(n.inferences, n.inferences+n.keep)
	if err != nil {
		return 0, err
	}
	return max(cost.Total.Bytes, ahead.Total.Bytes), nil
}

// errState refuses whom the server cannot count or record.
var errState = &refusal{http.StatusServiceUnavailable, 5 * time.Second, errors.New("budgets and records cannot be written at the moment")}

// uncounted is the refusal of a client that has too much, or that cannot be counted.
func (s *Server) uncounted(err, tooMuch error, after time.Duration) *refusal {
	if errors.Is(err, tooMuch) || errors.Is(err, errNever) {
		return &refusal{http.StatusTooManyRequests, after, err}
	}
	s.cfg.Log.Error("the state cannot be written", "err", err)
	return errState
}

// idle gives memory back when nobody is left: the collector would keep it for minutes.
func (s *Server) idle() {
	if _, running, _ := s.gate.state(); running == 0 {
		debug.FreeOSMemory()
	}
}

// addressOf is whom a session is counted for who shows nothing.
func addressOf(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return household(at.Addr()).String()
}

// household is all addresses that one has who has this one: of IPv6 nobody has fewer than 2^64.
func household(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, _ := a.Prefix(64) // it has as many bits
	return p.Addr()
}
