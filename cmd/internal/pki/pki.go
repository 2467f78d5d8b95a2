// Package pki makes an authority of certificates, and certificates.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"time"
)

// Pair is a certificate and its key, as PEM.
type Pair struct{ Cert, Key []byte }

// Request is what a certificate is to say.
type Request struct {
	Name   string   // its common name
	Hosts  []string // names and addresses of a server; none: it is a client's
	SPIFFE string
	Life   time.Duration
}

// Authority signs certificates.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// backdated is how long before it was made a certificate holds already: clocks differ.
const backdated = 5 * time.Minute

func template(name string, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(life), BasicConstraintsValid: true,
	}, nil
}

// NewAuthority makes one that can sign certificates but no further authorities.
func NewAuthority(name string, life time.Duration) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	cert, err := template(name, life)
	if err != nil {
		return Pair{}, err
	}
	cert.IsCA, cert.MaxPathLenZero = true, true
	cert.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return signed(cert, cert, key, key)
}

// signed signs a certificate for the key of which it is.
func signed(cert, by *x509.Certificate, key, with *ecdsa.PrivateKey) (Pair, error) {
	der, err := x509.CreateCertificate(rand.Reader, cert, by, &key.PublicKey, with)
	if err != nil {
		return Pair{}, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}, nil
}

// OpenAuthority reads an authority from its files.
func OpenAuthority(certPath, keyPath string) (*Authority, error) {
	certs, err := Read(certPath)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(keyPath)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s: no key found", keyPath)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyPath, err)
	}
	a := &Authority{cert: certs[0]}
	var ok bool
	if a.key, ok = key.(*ecdsa.PrivateKey); !ok || !a.key.PublicKey.Equal(a.cert.PublicKey) || !a.cert.IsCA {
		return nil, fmt.Errorf("%s and %s are not an authority made by secc cert init", certPath, keyPath)
	}
	return a, nil
}

// Issue makes a key and a certificate for it, which holds no longer than the authority's.
func (a *Authority) Issue(r Request) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	cert, err := template(r.Name, r.Life)
	if err != nil {
		return Pair{}, err
	}
	if cert.NotAfter.After(a.cert.NotAfter) {
		cert.NotAfter = a.cert.NotAfter
	}
	cert.KeyUsage = x509.KeyUsageDigitalSignature
	cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(r.Hosts) > 0 {
		cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	for _, h := range r.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			cert.IPAddresses = append(cert.IPAddresses, ip)
		} else {
			cert.DNSNames = append(cert.DNSNames, h)
		}
	}
	if r.SPIFFE != "" {
		u, err := url.Parse(r.SPIFFE)
		if err != nil || u.Scheme != "spiffe" || u.Host == "" {
			return Pair{}, fmt.Errorf("%q is no SPIFFE id: spiffe://domain/path", r.SPIFFE)
		}
		cert.URIs = []*url.URL{u}
	}
	return signed(cert, a.cert, key, a.key)
}

// Read reads the certificates of a file.
func Read(path string) (all []*x509.Certificate, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", path, errors.New("no certificate found"))
	}
	return all, nil
}
