package server

import (
	"bytes"
	"encoding/hex"
	"errors"
	"path/filepath"
	"testing"

	"secc.example/secc/runtime"
	"secc.example/secc/runtime/receipt"
	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/transport"
)

// Who was served gets a receipt of what it saw itself, by the key that was announced, also from a
// server that starts anew with the same key; nobody else gets it.
func TestReceipts(t *testing.T) {
	root, data := t.TempDir(), t.TempDir()
	put(t, root, "a", "1", 3)
	clients := write(t, filepath.Join(t.TempDir(), "clients.json"), `{"clients": [
		{"name": "clinic", "tokens_sha256": ["`+hashOf("one")+`"]}, {"name": "lab", "tokens_sha256": ["`+hashOf("two")+`"]}]}`)
	key := filepath.Join(t.TempDir(), "key")
	var public string
	for range 2 {
		s := start(t, Config{Models: root, Data: data, Clients: clients, Receipts: key})
		m := s.model(t, "a/versions/1")
		m.Token = "one"
		g := s.models.Find("a", "").Program
		o, err := m.Open(t.Context(), g.Digest(), 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		in, err := runtime.Encode(g.Plan(), [][]float32{{1, 2, 3}})
		if err != nil {
			t.Fatal(err)
		}
		said := new(transport.Transcript)
		_, report, err := g.Run(t.Context(), o.Conn, in, runtime.Config{Transport: transport.Config{Transcript: said}})
		if err != nil {
			t.Fatal(err)
		}
		signed, err := m.Receipt(t.Context(), o.Name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := signed.Verify(o.ReceiptKey)
		if err != nil {
			t.Fatal(err)
		}
		sum := said.Sum(transport.Client)
		if err := r.Of(o.Name, g.Digest().String(), hex.EncodeToString(sum[:])); err != nil {
			t.Error(err)
		}
		if r.Client != "clinic" || r.Version != "1" || r.Bytes != report.Total.Bytes || r.Inferences != 1 {
			t.Errorf("%+v", r)
		}
		if public != "" && public != o.ReceiptKey {
			t.Error("another key after the server started anew")
		}
		public = o.ReceiptKey
		within(t, "the transcript on record", func() bool {
			return bytes.Contains(read(t, filepath.Join(data, "audit.jsonl")), []byte(`"transcript":"`+r.Transcript))
		})
		m.Token = "two"
		var refused *remote.StatusError
		if _, err := m.Receipt(t.Context(), o.Name); !errors.As(err, &refused) || refused.Status != 404 {
			t.Errorf("another's receipt: %v", err)
		}
		if bytes.Contains([]byte(signed.Text), []byte(s.models.Find("a", "").Weights.Checksum())) {
			t.Error("the receipt shows the digest of the weights")
		}
		s.stop()
		if err := <-s.done; err != nil {
			t.Fatal(err)
		}
	}
}

// What is kept is bounded; the oldest goes first.
func TestReceiptsAreForgotten(t *testing.T) {
	e, err := openEmbedded("", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxReceipts + 1 {
		if err := e.keepReceipt(string(rune(i)), "c", receipt.Format); err != nil {
			t.Fatal(err)
		}
	}
	first, _ := e.receipt(string(rune(0)), "c")
	last, _ := e.receipt(string(rune(maxReceipts)), "c")
	if first != "" || last == "" || len(e.receipts) != maxReceipts {
		t.Errorf("%q, %q, %d are kept", first, last, len(e.receipts))
	}
}
