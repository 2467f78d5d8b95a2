package receipt

import (
	"errors"
	"strings"
	"testing"
)

// A receipt holds as it was signed, for its session, and not otherwise.
func TestReceipt(t *testing.T) {
	k, err := NewKey([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewKey([32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	s, err := k.Sign(Receipt{Session: "s", Plan: "p", Transcript: "t", Weights: k.Commitment("w"), Bytes: 5})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Verify(k.Public())
	if err != nil || r.Bytes != 5 || r.Of("s", "p", "t") != nil {
		t.Fatal(r, err)
	}
	for _, x := range [][3]string{{"x", "p", "t"}, {"s", "x", "t"}, {"s", "p", "x"}} {
		if err := r.Of(x[0], x[1], x[2]); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v: %v", x, err)
		}
	}
	forged, err := other.Sign(*r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := forged.Verify(k.Public()); !errors.Is(err, ErrInvalid) {
		t.Errorf("another's key: %v", err)
	}
	for name, change := range map[string]func(*Signed){
		"text":      func(s *Signed) { s.Text = strings.Replace(s.Text, `"bytes":5`, `"bytes":6`, 1) },
		"signature": func(s *Signed) { s.Signature = forged.Signature },
		"key":       func(s *Signed) { s.PublicKey = other.Public() },
		"nothing":   func(s *Signed) { *s = Signed{} },
	} {
		c := *s
		change(&c)
		if _, err := c.Verify(""); !errors.Is(err, ErrInvalid) {
			t.Errorf("a changed %s: %v", name, err)
		}
	}
	if k.Commitment("w") == k.Commitment("v") || k.Commitment("w") == other.Commitment("w") || k.Commitment("w") != r.Weights {
		t.Error("commitments are not those of weights")
	}
}

// A client's signature is of one receipt, text and server, by the key that it names.
func TestCountersignature(t *testing.T) {
	server, err := NewKey([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewKey([32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Sign(Receipt{Session: "s", Bytes: 5})
	if err != nil {
		t.Fatal(err)
	}
	if s.Countersigned() == nil {
		t.Error("nobody has signed it")
	}
	s.Client = client.Countersign(s)
	if err := s.Countersigned(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Signed){
		"text":      func(s *Signed) { s.Text += " " },
		"server":    func(s *Signed) { s.PublicKey = client.Public() },
		"client":    func(s *Signed) { s.Client = &Countersignature{server.Public(), s.Client.Signature} },
		"signature": func(s *Signed) { s.Client = &Countersignature{client.Public(), s.Signature} },
		"nothing":   func(s *Signed) { s.Client = &Countersignature{PublicKey: client.Public()} },
	} {
		c := *s
		change(&c)
		if err := c.Countersigned(); !errors.Is(err, ErrInvalid) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if !PublicKey(client.Public()) || PublicKey("") || PublicKey(client.Public()[2:]) || PublicKey(strings.ToUpper(client.Public())) {
		t.Error("keys are not told from other texts")
	}
}
