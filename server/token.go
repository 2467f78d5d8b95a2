package server

import (
	"context"
	"errors"
	"fmt"
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
	verifier *oidc.IDTokenVerifier
	failed   time.Time
	err      error
}

// issuerTime bounds a request to the provider; after a failure it is left alone for as long.
const issuerTime = 10 * time.Second

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
	if o.verifier != nil {
		return o.verifier, nil
	}
	if time.Since(o.failed) < issuerTime {
		return nil, o.err
	}
	ctx := oidc.ClientContext(context.Background(), &http.Client{Timeout: issuerTime})
	p, err := oidc.NewProvider(ctx, o.URL)
	if err != nil {
		o.failed, o.err = time.Now(), fmt.Errorf("%w: %w", errIssuer, err)
		return nil, o.err
	}
	o.verifier = p.VerifierContext(ctx, &oidc.Config{ClientID: o.Audience})
	return o.verifier, nil
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
