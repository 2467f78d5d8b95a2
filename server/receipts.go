package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/receipt"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// receiptHeader tells the client by which key its session's receipt is going to be signed.
const receiptHeader = "Secc-Receipt-Key"

// clientKeyHeader announces by which key the client is going to sign the receipt too; the server
// answers with the same if it takes that.
const clientKeyHeader = "Secc-Client-Key"

// Receipts are kept for a while, so many of one server, and a client whose session has ended is
// given its own a moment to appear: the server's side of the session ends at about the same time.
const (
	receiptTime = time.Hour
	maxReceipts = 4096
	receiptWait = 5 * time.Second
)

// Whoever waits for a receipt has the state asked again and again, which may be a database: after
// receiptPause at first, and at most maxAwaited at a time.
const (
	receiptPause = 50 * time.Millisecond
	maxAwaited   = 64
)

// readReceiptKey reads the key that signs receipts, and makes it when there is none.
func readReceiptKey(path string) (*receipt.Key, error) {
	if path == "" {
		return nil, nil
	}
	seed, err := store.KeyFile(path)
	if err != nil {
		return nil, err
	}
	return receipt.NewKey(seed)
}

// sign keeps a receipt for the client of a session that is done.
func (s *Server) sign(entry AuditRecord, report *plan.Report) error {
	if s.receipts == nil {
		return nil
	}
	signed, err := s.receipts.Sign(receipt.Receipt{
		Session: entry.Session, Time: time.Now().UTC(), Client: entry.Client, Model: entry.Model, Version: entry.Version, Plan: entry.Plan,
		Weights: s.receipts.Commitment(entry.Weights), Build: s.cfg.Version, Transcript: entry.Transcript,
		Inferences: inferencesIn(report), Bytes: report.Total.Bytes, Rounds: report.Total.Rounds,
	})
	if err != nil {
		return err
	}
	if entry.ClientKey != "" {
		signed.Client = &receipt.Countersignature{PublicKey: entry.ClientKey}
	}
	body, err := json.Marshal(signed)
	if err != nil {
		return err
	}
	return s.state.keepReceipt(entry.Session, entry.Client, string(body))
}

// transcript takes in a session's data where there are receipts.
func (s *Server) transcript() *transport.Transcript {
	if s.receipts == nil {
		return nil
	}
	return new(transport.Transcript)
}

// receipt hands a client the receipt of a session of its own.
func (s *Server) receipt(w http.ResponseWriter, r *http.Request, who *Client) {
	pause, end := receiptPause, time.Now()
	select {
	case s.awaiting <- struct{}{}:
		defer func() { <-s.awaiting }()
		end = end.Add(receiptWait)
	default: // so many wait that nobody else may
	}
	for {
		body, err := s.state.receipt(r.PathValue("session"), who.Name)
		switch {
		case err != nil:
			s.cfg.Log.Error("the state cannot be read", "err", err)
			refuse(w, errState)
			return
		case body != "":
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(body)) // whoever asked has gone
			return
		case s.receipts == nil || time.Now().After(end):
			refuse(w, &refusal{http.StatusNotFound, 0, errors.New("there is no receipt of such a session of yours")})
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		}
	}
}

// signerOf is the key by which a client announces to sign; empty: it does not.
func (s *Server) signerOf(r *http.Request, who *Client) (string, *refusal) {
	key := r.Header.Get(clientKeyHeader)
	switch {
	case s.receipts == nil:
		return "", nil
	case key == "" && (s.cfg.Demand || len(who.Keys) > 0):
		return "", &refusal{http.StatusPreconditionRequired, 0, errors.New("this service takes clients only that sign the receipts of their sessions: secc ask does")}
	case key != "" && !receipt.PublicKey(key):
		return "", &refusal{http.StatusBadRequest, 0, errors.New(clientKeyHeader + ": a public key in hexadecimal is wanted")}
	case len(who.Keys) > 0 && !slices.Contains(who.Keys, key):
		return "", &refusal{http.StatusForbidden, 0, fmt.Errorf("%.16s is none of the keys by which you sign receipts", key)}
	}
	return key, nil
}

// countersign takes a client's signature of the receipt of a session of its own, and puts the
// receipt on record with both.
func (s *Server) countersign(w http.ResponseWriter, r *http.Request, who *Client) {
	var c receipt.Countersignature
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&c); err != nil {
		refuse(w, &refusal{http.StatusBadRequest, 0, errors.New("a public key and a signature are wanted")})
		return
	}
	if err := s.countersigned(r.PathValue("session"), who, c); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) countersigned(session string, who *Client, c receipt.Countersignature) *refusal {
	unwritten := func(err error) *refusal {
		s.cfg.Log.Error("the state cannot be written", "err", err)
		return errState
	}
	body, err := s.state.receipt(session, who.Name)
	if err != nil {
		return unwritten(err)
	}
	var signed receipt.Signed
	if body == "" || json.Unmarshal([]byte(body), &signed) != nil || signed.Client == nil {
		return &refusal{http.StatusNotFound, 0, errors.New("there is no receipt of such a session of yours that you announced to sign")}
	}
	announced, done := signed.Client.PublicKey, signed.Client.Signature != ""
	signed.Client = &c
	text, bad := signed.Verify("")
	if bad != nil || c.PublicKey != announced || signed.Countersigned() != nil {
		return &refusal{http.StatusBadRequest, 0, errors.New("the signature is not that of the receipt by the key that was announced")}
	}
	if done {
		return nil
	}
	both, err := json.Marshal(signed)
	if err != nil {
		return unwritten(err)
	}
	first, err := s.state.signReceipt(session, who.Name, body, string(both))
	if err != nil || !first {
		if err != nil {
			return unwritten(err)
		}
		return nil
	}
	entry := AuditRecord{Event: EventSigned, Session: session, Client: who.Name, Model: text.Model, Version: text.Version, Plan: text.Plan, Transcript: text.Transcript, ClientKey: announced, Receipt: &signed}
	if err := s.state.write(entry); err != nil {
		_, again := s.state.signReceipt(session, who.Name, string(both), body) // the client may try again
		return unwritten(errors.Join(err, again))
	}
	s.cfg.Log.Info("signed by the client", "session", session, "client", who.Name, "key", announced)
	return nil
}

// inferencesIn is how many a session made: none where runs were prepared for later ones only.
func inferencesIn(r *plan.Report) int {
	if n := r.Runs; n != nil {
		return n.Used + n.Made - n.Kept
	}
	return max(1, r.Inferences)
}
