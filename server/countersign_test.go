package server

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"secc.example/secc/runtime"
	"secc.example/secc/runtime/receipt"
	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/transport"
)

// signer makes a client's key.
func signer(t *testing.T, n byte) *receipt.Key {
	t.Helper()
	k, err := receipt.NewKey([32]byte{n})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// session runs one at a model and gives its name and receipt.
func session(ctx context.Context, t *testing.T, s *running, m *remote.Model) (string, *receipt.Signed, error) {
	t.Helper()
	g := s.models.Find("a", "").Program
	o, err := m.Open(ctx, g.Digest(), 1, 0)
	if err != nil {
		return "", nil, err
	}
	if o.Countersigned != (m.Signer != "") {
		t.Errorf("the server wants a signature: %v", o.Countersigned)
	}
	in, err := runtime.Encode(g.Plan(), [][]float32{{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	said := new(transport.Transcript)
	if _, _, err = g.Run(ctx, o.Conn, in, runtime.Config{Transport: transport.Config{Transcript: said}}); err != nil {
		return "", nil, err
	}
	signed, err := m.Receipt(ctx, o.Name)
	if err != nil {
		return "", nil, err
	}
	r, err := signed.Verify(o.ReceiptKey)
	if err != nil {
		return "", nil, err
	}
	sum := said.Sum(transport.Client)
	return o.Name, signed, r.Of(o.Name, g.Digest().String(), hex.EncodeToString(sum[:]))
}

func status(err error) int {
	var refused *remote.StatusError
	if errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}

// What both parties have signed is on record once, and found if anything about it is changed; who
// signs something else is refused, who announces nothing only where that is demanded.
func TestCountersigned(t *testing.T) {
	root, data := t.TempDir(), t.TempDir()
	put(t, root, "a", "1", 3)
	key := filepath.Join(t.TempDir(), "key")
	clients := write(t, filepath.Join(t.TempDir(), "clients.json"), `{"clients": [{"name": "clinic", "tokens_sha256": ["`+hashOf("one")+`"]},
		{"name": "lab", "tokens_sha256": ["`+hashOf("two")+`"], "signing_keys": ["`+signer(t, 1).Public()+`"]}]}`)
	s := start(t, Config{Models: root, Data: data, Clients: clients, Receipts: key})
	m := s.model(t, "a")
	m.Token = "one"
	if _, signed, err := session(t.Context(), t, s, m); err != nil || signed.Client != nil {
		t.Fatalf("a client that does not sign: %+v, %v", signed, err)
	}
	ours, other := signer(t, 1), signer(t, 2)
	m.Signer = ours.Public()
	name, signed, err := session(t.Context(), t, s, m)
	if err != nil {
		t.Fatal(err)
	}
	if signed.Client == nil || signed.Client.PublicKey != m.Signer || signed.Countersigned() == nil {
		t.Errorf("what was announced: %+v", signed.Client)
	}
	another := *signed
	another.Text = strings.Replace(signed.Text, `"inferences":1`, `"inferences":2`, 1)
	for what, c := range map[string]*receipt.Countersignature{
		"another key":  other.Countersign(signed),
		"another text": ours.Countersign(&another),
		"nothing":      {PublicKey: m.Signer},
	} {
		if err := m.Countersign(t.Context(), name, c); status(err) != 400 {
			t.Errorf("%s: %v", what, err)
		}
	}
	m.Token = "two"
	if err := m.Countersign(t.Context(), name, ours.Countersign(signed)); status(err) != 404 {
		t.Errorf("another's session: %v", err)
	}
	m.Token = "one"
	for range 2 { // the second time nothing happens
		if err := m.Countersign(t.Context(), name, ours.Countersign(signed)); err != nil {
			t.Fatal(err)
		}
	}
	if both, err := m.Receipt(t.Context(), name); err != nil || both.Countersigned() != nil {
		t.Errorf("the receipt has not both signatures: %v", err)
	}
	if _, _, err := session(t.Context(), t, s, m); err != nil { // and does not sign
		t.Fatal(err)
	}

	// lab must sign by its own key.
	m.Token, m.Signer = "two", other.Public()
	if _, _, err := session(t.Context(), t, s, m); status(err) != 403 {
		t.Errorf("another key than the clients' file has: %v", err)
	}
	m.Signer = ""
	if _, _, err := session(t.Context(), t, s, m); status(err) != 428 {
		t.Errorf("no key where the clients' file has one: %v", err)
	}

	whole := read(t, filepath.Join(data, "audit.jsonl"))
	check := AuditCheck{Signatures: true, Key: s.receipts.Public()}
	if a, err := VerifyAudit(bytes.NewReader(whole), check); err != nil || a.Signed != 1 || a.Unsigned != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := VerifyAudit(bytes.NewReader(whole), AuditCheck{Signatures: true, Key: other.Public()}); !errors.Is(err, receipt.ErrInvalid) {
		t.Errorf("another server's key: %v", err)
	}
	done := AuditRecord{Event: EventDone, Session: name, ClientKey: ours.Public(), Client: "clinic", Model: "a", Version: "1"}
	text, err := signed.Verify("")
	if err != nil {
		t.Fatal(err)
	}
	done.Plan, done.Transcript = text.Plan, text.Transcript
	signed.Client = ours.Countersign(signed)
	last := AuditRecord{Event: EventSigned, Session: name, Receipt: signed}
	if err := chained(t, done, last); err != nil {
		t.Errorf("as it was: %v", err)
	}
	for what, change := range map[string]func(*AuditRecord){
		"transcript": func(r *AuditRecord) { r.Transcript = "00" + r.Transcript[2:] },
		"client":     func(r *AuditRecord) { r.Client = "lab" },
		"plan":       func(r *AuditRecord) { r.Plan = r.Transcript },
		"key":        func(r *AuditRecord) { r.ClientKey = other.Public() },
		"announced":  func(r *AuditRecord) { r.ClientKey = "" },
		"session":    func(r *AuditRecord) { r.Session = "x" },
	} {
		changed := done
		change(&changed)
		if err := chained(t, changed, last); err == nil {
			t.Errorf("the session on record has another %s: not found", what)
		}
	}
	forged := *signed
	forged.Client = other.Countersign(signed)
	last.Receipt = &forged
	if err := chained(t, done, last); err == nil {
		t.Error("signed by another client: not found")
	}
	if err := chained(t, done, AuditRecord{Event: EventSigned, Session: name}); err == nil {
		t.Error("without a receipt: not found")
	}
}

// chained writes records as a chain that holds, whatever they say, and verifies it.
func chained(t *testing.T, records ...AuditRecord) error {
	t.Helper()
	var all bytes.Buffer
	before := noRecord
	for i, r := range records {
		line, err := r.follow(int64(i+1), before)
		if err != nil {
			t.Fatal(err)
		}
		before = hashOfLine(line)
		all.Write(append(line, '\n'))
	}
	_, err := VerifyAudit(&all, AuditCheck{Signatures: true})
	return err
}

// A server that demands signatures lets nobody in who announces none, and does not start without
// receipts.
func TestSignaturesAreDemanded(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	if _, err := New(t.Context(), Config{Models: root, Demand: true}); err == nil {
		t.Error("signatures of no receipts")
	}
	s := start(t, Config{Models: root, Demand: true, Receipts: filepath.Join(t.TempDir(), "key")})
	m := s.model(t, "a")
	if _, _, err := session(t.Context(), t, s, m); status(err) != 428 {
		t.Errorf("a client that announces nothing: %v", err)
	}
	m.Signer = "0123"
	if _, _, err := session(t.Context(), t, s, m); status(err) != 400 {
		t.Errorf("a client that announces no key: %v", err)
	}
	m.Signer = signer(t, 1).Public()
	if _, _, err := session(t.Context(), t, s, m); err != nil {
		t.Error(err)
	}
}
