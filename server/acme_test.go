package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme"
)

// authority is as much of an ACME authority as one certificate takes. It does not look at who
// signs requests, but holds the server to its proof.
type authority struct {
	*httptest.Server
	t      *testing.T
	prove  string // where the server listens
	key    *ecdsa.PrivateKey
	ca     *x509.Certificate
	client string // thumbprint of the account's key
	cert   []byte
	proved bool
	issued int
	orders int
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.Server = httptest.NewTLSServer(a)
	t.Cleanup(a.Close)
	return a
}

// said are the parts of a request that the authority acts on.
func said(r *http.Request) (header struct {
	JWK *struct{ Crv, Kty, X, Y string }
}, payload []byte, err error) {
	var jws struct{ Protected, Payload string }
	if err = json.NewDecoder(r.Body).Decode(&jws); err != nil {
		return header, nil, err
	}
	b, err := base64.RawURLEncoding.DecodeString(jws.Protected)
	if err != nil {
		return header, nil, err
	}
	if err = json.Unmarshal(b, &header); err != nil {
		return header, nil, err
	}
	payload, err = base64.RawURLEncoding.DecodeString(jws.Payload)
	return header, payload, err
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Replay-Nonce", "n")
	answer := func(code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	status := map[bool]string{false: "pending", true: "valid"}
	order := func() map[string]any {
		o := map[string]any{"status": map[bool]string{false: "pending", true: "ready"}[a.proved], "authorizations": []string{a.URL + "/authz"}, "finalize": a.URL + "/finalize",
			"identifiers": []any{map[string]string{"type": "dns", "value": "cxr.example"}}}
		if a.cert != nil {
			o["status"], o["certificate"] = "valid", a.URL+"/cert"
		}
		return o
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		answer(http.StatusOK, map[string]string{"newNonce": a.URL + "/nonce", "newAccount": a.URL + "/account", "newOrder": a.URL + "/order"})
		return
	}
	header, payload, err := said(r)
	if err != nil {
		a.t.Error(err)
	}
	switch r.URL.Path {
	case "/account":
		sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"%s","kty":"%s","x":"%s","y":"%s"}`, header.JWK.Crv, header.JWK.Kty, header.JWK.X, header.JWK.Y))
		a.client = base64.RawURLEncoding.EncodeToString(sum[:])
		w.Header().Set("Location", a.URL+"/account/1")
		answer(http.StatusCreated, map[string]string{"status": "valid"})
	case "/order":
		a.orders++
		w.Header().Set("Location", a.URL+"/order/1")
		answer(http.StatusCreated, order())
	case "/order/1":
		answer(http.StatusOK, order())
	case "/challenge":
		a.proved = a.proof()
		fallthrough
	case "/authz":
		challenge := map[string]string{"type": "tls-alpn-01", "url": a.URL + "/challenge", "token": "token", "status": status[a.proved]}
		if r.URL.Path == "/challenge" {
			answer(http.StatusOK, challenge)
			return
		}
		answer(http.StatusOK, map[string]any{"status": status[a.proved], "identifier": map[string]string{"type": "dns", "value": "cxr.example"}, "challenges": []any{challenge}})
	case "/finalize":
		a.issue(payload)
		w.Header().Set("Location", a.URL+"/order/1")
		answer(http.StatusOK, order())
	case "/cert":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, _ = w.Write(a.cert)
	default:
		a.t.Errorf("%s %s", r.Method, r.URL)
	}
}

// proof asks the server whether it is who the account says.
func (a *authority) proof() bool {
	c, err := tls.Dial("tcp", a.prove, &tls.Config{ServerName: "cxr.example", NextProtos: []string{acme.ALPNProto}, InsecureSkipVerify: true})
	if err != nil {
		a.t.Errorf("the proof: %v", err)
		return false
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) { // the server has its say after the client's handshake
		a.t.Errorf("the proof: %v", err)
	}
	a.intrude()
	want := sha256.Sum256([]byte("token." + a.client))
	for _, e := range c.ConnectionState().PeerCertificates[0].Extensions {
		var got []byte
		if e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}) {
			_, err := asn1.Unmarshal(e.Value, &got)
			return err == nil && string(got) == string(want[:])
		}
	}
	return false
}

// intrude asks for more than a proof over a connection for which no certificate was asked.
// net/http serves no connection whose protocol it does not know.
func (a *authority) intrude() {
	c, err := tls.Dial("tcp", a.prove, &tls.Config{ServerName: "cxr.example", NextProtos: []string{acme.ALPNProto}, InsecureSkipVerify: true})
	if err != nil {
		a.t.Errorf("another proof: %v", err)
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte("GET /v2/models HTTP/1.1\r\nHost: x\r\n\r\n")) // it may be closed already
	if n, _ := c.Read(make([]byte, 1)); n > 0 {
		a.t.Error("who says that it wants a proof is answered without a certificate")
	}
}

func (a *authority) issue(payload []byte) {
	var said struct{ CSR string }
	if err := json.Unmarshal(payload, &said); err != nil {
		a.t.Error(err)
		return
	}
	der, err := base64.RawURLEncoding.DecodeString(said.CSR)
	if err != nil {
		a.t.Error(err)
		return
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		a.t.Error(err)
		return
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: csr.DNSNames, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if der, err = x509.CreateCertificate(rand.Reader, cert, a.ca, csr.PublicKey, a.key); err != nil {
		a.t.Error(err)
		return
	}
	a.issued++
	a.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// A server has a certificate made for its name, though it asks clients for theirs, keeps it, and
// has none made for names that are not its own.
func TestACME(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	put(t, root, "a", "1", 3)
	a := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(a.ca)
	for range 2 {
		s := start(t, Config{Models: root, TLS: func() (*tls.Config, error) {
			conf := &tls.Config{MinVersion: tls.VersionTLS13, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
			(&ACME{Hosts: []string{"cxr.example"}, Cache: cache, Directory: a.URL, client: a.Client()}).Certify(conf)
			return conf, nil
		}})
		a.prove = strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/v2")
		c, err := tls.Dial("tcp", a.prove, &tls.Config{ServerName: "cxr.example", RootCAs: pool, NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "certificate required") {
			t.Errorf("a client without a certificate: %v", err)
		}
		c.Close()
		if c, err = tls.Dial("tcp", a.prove, &tls.Config{ServerName: "cxr.example", RootCAs: pool, NextProtos: []string{acme.ALPNProto, "http/1.1"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "certificate required") {
			t.Errorf("a client without a certificate that would prove, too: %v", err)
		}
		c.Close()
		if c, err := tls.Dial("tcp", a.prove, &tls.Config{ServerName: "other.example", RootCAs: pool}); err == nil {
			c.Close()
			t.Error("a certificate for another's name")
		}
		s.stop()
	}
	if a.issued != 1 || a.orders != 1 {
		t.Errorf("%d certificates were made of %d that were ordered", a.issued, a.orders)
	}
	if files, err := os.ReadDir(cache); err != nil || len(files) < 2 {
		t.Errorf("the cache: %v, %v", files, err)
	}
}
