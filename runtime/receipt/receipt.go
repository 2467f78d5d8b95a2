// Package receipt is what a server says of a session, signed: with which plan and which weights it
// answered, and what the parties said to each other, by a digest that the client has made too, and
// may sign as well.
package receipt

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Format names the shape of a receipt.
const Format = "secc.receipt/2"

// Receipt is what a server says of a session. It holds no values.
type Receipt struct {
	Format     string    `json:"format"`
	Session    string    `json:"session"`
	Time       time.Time `json:"time"`
	Client     string    `json:"client"`
	Model      string    `json:"model"`
	Version    string    `json:"version"`
	Plan       string    `json:"plan_digest"`
	Weights    string    `json:"weights_commitment"` // Key.Commitment of the weights' digest
	Build      string    `json:"build"`
	Transcript string    `json:"transcript"` // digest of all that the parties said
	Inferences int       `json:"inferences"`
	Bytes      int64     `json:"bytes"`
	Rounds     int       `json:"rounds"`
}

// Signed is a receipt as it is kept: the text that was signed, and by whom.
type Signed struct {
	Text      string `json:"text"`
	PublicKey string `json:"public_key"`
	Signature string `json:"signature"`
	// Client is the client's signature under the same, if it gives one.
	Client *Countersignature `json:"client,omitempty"`
}

// Countersignature is a client's: it says that this is the session that the client had. Without
// a signature it names the key by which the client has announced that it is going to sign.
type Countersignature struct {
	PublicKey string `json:"public_key"`
	Signature string `json:"signature,omitempty"`
}

// Key signs receipts.
type Key struct {
	private ed25519.PrivateKey
	commit  []byte
}

// NewKey makes a key of 32 secret bytes.
func NewKey(seed [32]byte) (*Key, error) {
	commit, err := hkdf.Key(sha256.New, seed[:], nil, "secc receipt: weights", sha256.Size)
	if err != nil {
		return nil, err
	}
	return &Key{ed25519.NewKeyFromSeed(seed[:]), commit}, nil
}

// Public is the key that verifies, in hexadecimal.
func (k *Key) Public() string {
	return hex.EncodeToString(k.private.Public().(ed25519.PublicKey))
}

// Commitment stands for the digest of weights: equal for equal ones, and the server can show later
// which they are, but nobody else can try whether they are these or those.
func (k *Key) Commitment(digest string) string {
	h := hmac.New(sha256.New, k.commit)
	h.Write([]byte(digest))
	return hex.EncodeToString(h.Sum(nil))
}

// domain separates these signatures from others under the same key.
const domain = Format + "\n"

// Sign signs a receipt.
func (k *Key) Sign(r Receipt) (*Signed, error) {
	r.Format = Format
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return &Signed{Text: string(text), PublicKey: k.Public(), Signature: hex.EncodeToString(ed25519.Sign(k.private, append([]byte(domain), text...)))}, nil
}

// counter is what a client signs: the server's text and key.
func (s *Signed) counter() []byte {
	return []byte("secc.countersignature/1\n" + s.PublicKey + "\n" + s.Text)
}

// Countersign is a client's signature of a receipt that it has found to be of its session.
func (k *Key) Countersign(s *Signed) *Countersignature {
	return &Countersignature{k.Public(), hex.EncodeToString(ed25519.Sign(k.private, s.counter()))}
}

// Countersigned makes sure that the client has signed the receipt, by the key that it names.
func (s *Signed) Countersigned() error {
	if s.Client == nil || !verifies(s.Client.PublicKey, s.Client.Signature, s.counter()) {
		return fmt.Errorf("%w: the client's signature is wrong", ErrInvalid)
	}
	return nil
}

// PublicKey says whether a text is a key that can verify.
func PublicKey(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == ed25519.PublicKeySize && hex.EncodeToString(b) == text
}

func verifies(key, signature string, message []byte) bool {
	b, err := hex.DecodeString(signature)
	public, bad := hex.DecodeString(key)
	return err == nil && bad == nil && len(public) == ed25519.PublicKeySize && ed25519.Verify(public, message, b)
}

// ErrInvalid says that a receipt does not hold.
var ErrInvalid = errors.New("the receipt does not hold")

// Verify reads a receipt that is signed by a key; empty: by the one that it names.
func (s *Signed) Verify(key string) (*Receipt, error) {
	if key != "" && key != s.PublicKey {
		return nil, fmt.Errorf("%w: it is signed by %.16s, not by %.16s", ErrInvalid, s.PublicKey, key)
	}
	if !verifies(s.PublicKey, s.Signature, []byte(domain+s.Text)) {
		return nil, fmt.Errorf("%w: its signature is wrong", ErrInvalid)
	}
	var r Receipt
	d := json.NewDecoder(bytes.NewReader([]byte(s.Text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil || r.Format != Format {
		return nil, fmt.Errorf("%w: its text is none of a receipt's: %v", ErrInvalid, err)
	}
	return &r, nil
}

// Of holds a receipt to what the client knows of its session.
func (r *Receipt) Of(session, plan, transcript string) error {
	for _, f := range []struct{ what, said, known string }{{"session", r.Session, session}, {"plan", r.Plan, plan}, {"transcript", r.Transcript, transcript}} {
		if f.said != f.known {
			return fmt.Errorf("%w: its %s is %.16s, this client's %.16s", ErrInvalid, f.what, f.said, f.known)
		}
	}
	return nil
}
