package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Issuer is an OpenID provider whose tokens (JWT) say who asks.
type Issuer struct {
	URL      string `json:"issuer"`
	Audience string `json:"audience"`        // that tokens must be for
	Claim    string `json:"claim,omitempty"` // whose value names the subject; default: sub

	mu       sync.Mutex
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	since    time.Time // when the verifier was made, which keeps the keys that it has seen
	failed   time.Time
	err      error
	said     sparing
}

// issuerTime bounds a request to the provider; after a failure it is left alone for as long. Its keys
// are used for keysTime, so that one that it has withdrawn is not believed for ever.
const (
	issuerTime = 10 * time.Second
	keysTime   = 10 * time.Minute
)

// errIssuer says that tokens cannot be verified now, whatever they are.
var errIssuer = errors.New("the provider of tokens cannot be asked at the moment")

func (o *Issuer) check() error {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return fmt.Errorf("oidc: issuer %q: the address of a provider, https://..., is needed", o.URL)
	}
	if o.Audience == "" {
		return errors.New("oidc: an audience is needed: tokens that were made for others are none of this service's")
	}
	if o.Claim == "" {
		o.Claim = "sub"
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// ready asks the provider once for its addresses and algorithms; its keys are fetched when a
// token names one that is not known.
func (o *Issuer) ready() (*oidc.IDTokenVerifier, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.verifier != nil && time.Since(o.since) < keysTime {
		return o.verifier, nil
	}
	ctx := oidc.ClientContext(context.Background(), &http.Client{Timeout: issuerTime, Transport: &o.said})
	if o.provider == nil {
		if time.Since(o.failed) < issuerTime {
			return nil, o.err
		}
		p, err := oidc.NewProvider(ctx, o.URL)
		if err != nil {
			o.failed, o.err = time.Now(), fmt.Errorf("%w: %w", errIssuer, err)
			return nil, o.err
		}
		o.provider = p
	}
	o.verifier, o.since = o.provider.VerifierContext(ctx, &oidc.Config{ClientID: o.Audience}), time.Now()
	return o.verifier, nil
}

// sparing says again what a provider has just said. Whatever token no known key has signed has the
// keys fetched, and such tokens anybody can send.
type sparing struct {
	mu  sync.Mutex
	all map[string]spoken
}

type spoken struct {
	at     time.Time
	header http.Header
	body   []byte
}

// A provider is asked for the same once in askedTime, and says no more than mostSaid bytes.
const (
	askedTime = 5 * time.Second
	mostSaid  = 1 << 20
)

func (s *sparing) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	said, ok := s.all[r.URL.String()]
	if !ok || time.Since(said.at) >= askedTime {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			return resp, err
		}
		defer resp.Body.Close()
		said = spoken{at: time.Now(), header: resp.Header}
		if said.body, err = io.ReadAll(io.LimitReader(resp.Body, mostSaid)); err != nil {
			return nil, err
		}
		if s.all == nil {
			s.all = map[string]spoken{}
		}
		s.all[r.URL.String()] = said
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: said.header.Clone(), Body: io.NopCloser(bytes.NewReader(said.body)), ContentLength: int64(len(said.body)),
	}, nil
}

// subject verifies a token and says whom it names.
func (o *Issuer) subject(ctx context.Context, token string) (string, error) {
	v, err := o.ready()
	if err != nil {
		return "", err
	}
	t, err := v.Verify(ctx, token)
	if err != nil {
		if strings.Contains(err.Error(), "fetching keys") {
			return "", fmt.Errorf("%w: %w", errIssuer, err)
		}
		return "", fmt.Errorf("the token does not hold: %w", err)
	}
	var claims map[string]any
	if err := t.Claims(&claims); err != nil {
		return "", fmt.Errorf("the token's claims: %w", err)
	}
	name, _ := claims[o.Claim].(string)
	if name == "" {
		return "", fmt.Errorf("the token has no claim %q that is a text", o.Claim)
	}
	return name, nil
}

// isJWT tells a signed token from one that is only a text.
func isJWT(token string) bool { return strings.Count(token, ".") == 2 }
