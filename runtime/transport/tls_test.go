package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// certificate writes a self-signed certificate for the name "peer" and its key.
func certificate(t *testing.T) TLSFiles {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "peer"}, DNSNames: []string{"peer"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(100 * 365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := TLSFiles{Cert: filepath.Join(dir, "c"), Key: filepath.Join(dir, "k"), CA: filepath.Join(dir, "c")}
	err = errors.Join(os.WriteFile(f.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// shakeHands gives both parties' errors of a handshake.
func shakeHands(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() {
		c, err := Accepted(t.Context(), a, server, Link{})
		if err == nil { // in TLS 1.3 a client's certificate is refused after the client is done
			_, err = c.Write([]byte("hello"))
			c.Close()
		}
		done <- err
	}()
	c, clientErr := handshake(t.Context(), tls.Client(b, client), time.Minute)
	if clientErr == nil {
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			clientErr = lost(err)
		}
	}
	b.Close()
	return <-done, clientErr
}

func TestTLSErrors(t *testing.T) {
	files := certificate(t)
	config := func(f TLSFiles, r Role, name string) *tls.Config {
		c, err := f.Config(r, name)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	server := config(TLSFiles{Cert: files.Cert, Key: files.Key}, Server, "")
	strict := config(files, Server, "")
	client := config(TLSFiles{CA: files.CA}, Client, "peer")
	old := client.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for _, x := range []struct {
		name           string
		server, client *tls.Config
		want           error // at both
	}{
		{"good", server, client, nil},
		{"both show certificates", strict, config(files, Client, "peer"), nil},
		{"unknown authority", server, config(TLSFiles{CA: certificate(t).CA}, Client, "peer"), ErrAuth},
		{"another name", server, config(TLSFiles{CA: files.CA}, Client, "somebody"), ErrAuth},
		{"no client certificate", strict, client, ErrAuth},
		{"TLS 1.2", server, old, ErrAuth},
	} {
		s, c := shakeHands(t, x.server, x.client)
		for who, err := range map[string]error{"server": s, "client": c} {
			if !errors.Is(err, x.want) {
				t.Errorf("%s: %s got %v, want %v", x.name, who, err, x.want)
			}
		}
	}
}

// What is not a refusal is the network's fault.
func TestBrokenHandshakes(t *testing.T) {
	files := certificate(t)
	conf, err := TLSFiles{Cert: files.Cert, Key: files.Key}.Config(Server, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		peer func(c net.Conn)
		want error
	}{
		"gone":     {func(c net.Conn) { c.Close() }, ErrMute},
		"not TLS":  {func(c net.Conn) { go io.Copy(io.Discard, c); _, _ = c.Write([]byte(preface)) }, ErrPeerClosed},
		"cut off":  {func(c net.Conn) { _, _ = c.Write([]byte{22, 3, 1, 2, 0, 1}); c.Close() }, ErrPeerClosed},
		"mute":     {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, ErrTimeout},
		"trickles": {func(c net.Conn) { go io.Copy(io.Discard, c); trickle(c) }, ErrTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			go x.peer(b)
			start := time.Now()
			_, err := Accepted(t.Context(), a, conf, Link{})
			if !errors.Is(err, x.want) || errors.Is(err, ErrAuth) {
				t.Errorf("%s: got %v, want %v", name, err, x.want)
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("%s: took %v", name, d)
			}
			b.Close()
			time.Sleep(time.Minute) // the peer ends
		})
	}
}

// trickle sends a record of TLS that never ends.
func trickle(c net.Conn) {
	_, err := c.Write([]byte{22, 3, 1, 64, 0, 1, 0, 60, 0})
	for err == nil {
		time.Sleep(time.Second)
		_, err = c.Write([]byte{3})
	}
}

// A certificate that cannot be used is refused where it is read; one of a server that has run out is
// used, and its clients say so.
func TestUsableCertificates(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name          string
		use           []x509.ExtKeyUsage
		from, to      time.Duration
		server, asker bool
	}{
		{"for anything", nil, -1, 1, true, true},
		{"for everything", []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, -1, 1, true, true},
		{"a server's", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, -1, 1, true, false},
		{"a client's", []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, -1, 1, false, true},
		{"both", []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, -1, 1, true, true},
		{"for mail", []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}, -1, 1, false, false},
		{"run out", nil, -2, -1, true, false},
		{"not yet", nil, 1, 2, true, false},
	} {
		cert := &x509.Certificate{ExtKeyUsage: c.use, NotBefore: now.Add(c.from * time.Hour), NotAfter: now.Add(c.to * time.Hour)}
		if err := usable(cert, Server); (err == nil) != c.server {
			t.Errorf("%s, at a server: %v", c.name, err)
		}
		if err := usable(cert, Client); (err == nil) != c.asker {
			t.Errorf("%s, at a client: %v", c.name, err)
		}
	}
}

// An address of IPv4 is one of IPv4.
func TestListen(t *testing.T) {
	for addr, want := range map[string]string{"0.0.0.0:0": "0.0.0.0", "127.0.0.1:0": "127.0.0.1", ":0": "::"} {
		l, err := Listen(addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if got := l.Addr().(*net.TCPAddr).IP.String(); got != want && (want != "::" || got != "0.0.0.0") { // a machine may have no IPv6
			t.Errorf("%s listens at %s", addr, got)
		}
	}
}
