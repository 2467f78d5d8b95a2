package server

import (
	"crypto/tls"
	"net/http"
	"slices"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACME has certificates made for public names, by Let's Encrypt or another authority, and renewed
// before they run out. The authority asks for a proof on port 443 of every name (TLS-ALPN-01).
type ACME struct {
	Hosts     []string
	Cache     string // folder for keys and certificates
	Directory string // of the authority; default: Let's Encrypt
	Email     string // where the authority writes to, if it must

	client *http.Client // tests trust an authority of their own
}

// Certify makes certificates where conf has none.
func (a *ACME) Certify(conf *tls.Config) {
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(a.Cache), HostPolicy: autocert.HostWhitelist(a.Hosts...), Email: a.Email,
		Client: &acme.Client{DirectoryURL: a.Directory, HTTPClient: a.client},
	}
	conf.GetCertificate = m.GetCertificate
}

// forHello is the configuration for who says hello. The authority, which asks for a proof and for
// nothing else, shows no certificate.
func (s *Server) forHello(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	conf := s.tls.Load()
	if conf.GetCertificate == nil || !slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
		return conf, nil
	}
	proof := conf.Clone()
	proof.ClientAuth, proof.NextProtos = tls.NoClientCert, []string{acme.ALPNProto}
	return proof, nil
}
