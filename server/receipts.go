package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/receipt"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// receiptHeader tells the client by which key its session's receipt is going to be signed.
const receiptHeader = "Secc-Receipt-Key"

// Receipts are kept for a while, so many of one server, and a client whose session has ended is
// given its own a moment to appear: the server's side of the session ends at about the same time.
const (
	receiptTime = time.Hour
	maxReceipts = 4096
	receiptWait = 5 * time.Second
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
		Inferences: max(1, report.Inferences), Bytes: report.Total.Bytes, Rounds: report.Total.Rounds,
	})
	if err != nil {
		return err
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
	for end := time.Now().Add(receiptWait); ; {
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
		case <-time.After(50 * time.Millisecond):
		}
	}
}
