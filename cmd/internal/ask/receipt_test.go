package ask

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/runtime/receipt"
	"secc.example/secc/server"
)

// kept reads the record of an input.
func kept(t *testing.T, path string) (rec Record) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

// An answer's record and page say which receipt its session has, and it is the one that is kept;
// of a service that signs none they say so.
func TestAnswersNameTheirReceipt(t *testing.T) {
	folder := models(t)
	in, out := t.TempDir(), t.TempDir()
	copied(t, digits+"seven.png", filepath.Join(in, "a.png"))
	copied(t, digits+"seven.png", filepath.Join(in, "b.png"))
	signing := start(t, folder, func(c *server.Config) {
		c.Receipts, c.Data = filepath.Join(t.TempDir(), "receipt.key"), t.TempDir()
	}) + "/v2/models/digits"
	if _, _, err := asked(t.Context(), t, signing, in, "--out", out, "--write", "html"); err != nil {
		t.Fatal(err)
	}
	rec := kept(t, filepath.Join(out, "b.png.json"))
	if rec.Version != "1" || rec.Receipt == nil || !rec.Receipt.Verified || rec.Receipt.Answers != 2 || !strings.HasPrefix(rec.Receipt.File, ".receipts/") {
		t.Fatalf("%+v %+v", rec, rec.Receipt)
	}
	var signed receipt.Signed
	b, err := os.ReadFile(filepath.Join(out, filepath.FromSlash(rec.Receipt.File)))
	if err != nil || json.Unmarshal(b, &signed) != nil || signed.PublicKey != rec.Receipt.Key {
		t.Fatalf("%v: %s", err, b)
	}
	if sum := sha256.Sum256([]byte(signed.Text)); hex.EncodeToString(sum[:]) != rec.Receipt.Digest {
		t.Errorf("the digest %s is not that of what was signed", rec.Receipt.Digest)
	}
	page, err := os.ReadFile(filepath.Join(out, "b.png.html"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Model": rec.Model, "Version": "1", "Date": rec.Time, "Plan (SHA-256)": rec.PlanDigest, "Input (SHA-256)": rec.Digest, "Number": rec.Session,
		"Digest (SHA-256)": rec.Receipt.Digest, "Key (Ed25519)": rec.Receipt.Key, "Kept in": rec.Receipt.File, "Weights (commitment)": rec.Receipt.Weights,
	} {
		row := regexp.MustCompile(regexp.QuoteMeta(">"+name+"</th><td>") + "(.*?)</td>").FindSubmatch(page)
		if value == "" || row == nil || string(row[1]) != value {
			t.Errorf("%s is %q on the page, want %q", name, row, value)
		}
	}
	if !strings.Contains(string(page), "verified: signed") {
		t.Error("the page does not say that the receipt was verified")
	}

	out = t.TempDir()
	if _, _, err := asked(t.Context(), t, start(t, folder)+"/v2/models/digits", in, "--out", out, "--write", "html"); err != nil {
		t.Fatal(err)
	}
	if page, err = os.ReadFile(filepath.Join(out, "a.png.html")); err != nil || !strings.Contains(string(page), "signs no receipts") {
		t.Errorf("%v: without a receipt the page does not say so", err)
	}
}

// An answer whose session broke off says that there is no receipt of it, and why.
func TestUnsealedAnswers(t *testing.T) {
	r, q, rec := answering(t, "")
	rec.Receipt = &Receipt{Key: "abcd", Reason: "the session had not come to its end"}
	if err := r.sealed([]inference{q}, []*Record{rec}, nil); err != nil {
		t.Fatal(err)
	}
	if err := writePage(r, q, rec); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(r.out, "scan.dcm.html"))
	if err != nil || !strings.Contains(string(page), "not verified: the session had not come to its end") || strings.Contains(string(page), "verified: signed") {
		t.Errorf("%v: %s", err, page)
	}
}

// When an answer cannot be kept, no more are asked for.
func TestAnswersThatCannotBeKept(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	for _, name := range []string{"a.png", "b.png"} {
		copied(t, digits+"seven.png", filepath.Join(in, name))
	}
	if err := os.MkdirAll(filepath.Join(out, "a.png.json"), 0o700); err != nil { // where the answer is to go
		t.Fatal(err)
	}
	stdout, stderr, err := asked(t.Context(), t, serving(t), in, "--out", out)
	if err == nil || !strings.Contains(err.Error(), "2 inputs have no answer") || !strings.Contains(err.Error(), "a.png.json") || exit.Hint(err) == "" || exit.Code(err) == exit.OK {
		t.Errorf("%v\n%s\n%s", err, stdout, stderr)
	}
	if _, err := os.Stat(filepath.Join(out, "b.png.json")); err == nil {
		t.Error("the next input was asked about")
	}
}

// What an answer lacks is made of its record; nobody is asked again.
func TestMoreKindsOfAnAnswer(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	copied(t, digits+"seven.png", filepath.Join(in, "a.png"))
	stackedSeries(t, in, 2, "1.9.3", "2", 20, 21)
	var sessions atomic.Int32
	url := counted(t, serving(t), &sessions)
	if _, stderr, err := asked(t.Context(), t, url, in, "--out", out); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	before := kept(t, filepath.Join(out, "IM3.2.json"))
	asks := sessions.Load()
	for range 2 {
		if _, stderr, err := asked(t.Context(), t, url, in, "--out", out, "--write", "html,sr"); err != nil {
			t.Fatalf("%v\n%s", err, stderr)
		}
	}
	if n := sessions.Load(); n != asks || asks == 0 {
		t.Errorf("%d sessions, then %d", asks, n)
	}
	first, err := os.ReadFile(filepath.Join(out, "IM3.2.sr.dcm"))
	if err != nil || !strings.Contains(string(first), before.Session) {
		t.Errorf("%v: the report is not of the answer", err)
	}
	for _, name := range []string{"a.png.html", "IM3.1.html", "IM3.1.sr.dcm"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := asked(t.Context(), t, url, in, "--out", out, "--write", "sr"); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(filepath.Join(out, "IM3.2.sr.dcm")); err != nil || !bytes.Equal(first, again) {
		t.Errorf("%v: a report that was there was written anew", err)
	}
}

// counted passes on to a service, and counts the sessions.
func counted(t *testing.T, service string, n *atomic.Int32) string {
	t.Helper()
	to, err := url.Parse(service)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: to.Scheme, Host: to.Host})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/session") {
			n.Add(1)
		}
		pass.ServeHTTP(w, q)
	}))
	t.Cleanup(front.Close)
	return front.URL + to.Path
}
