package server

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"secc.example/secc/runtime/receipt"
)

// clientFile is what an operator writes about clients.
type clientFile struct {
	Window  string   `json:"window"` // of the budgets; default: 24h
	OIDC    *Issuer  `json:"oidc"`   // whose tokens name subjects
	Clients []Client `json:"clients"`
}

// Client is somebody who may ask.
type Client struct {
	Name         string   `json:"name"`
	Certificates []string `json:"certificates,omitempty"` // subject ("CN=clinic,O=..."), SPIFFE id, or "sha256:" and the certificate's SHA-256
	Tokens       []string `json:"tokens_sha256,omitempty"`
	Subjects     []string `json:"subjects,omitempty"`     // whom tokens of the OpenID provider name
	Models       []string `json:"models,omitempty"`       // none: all
	Sessions     int64    `json:"sessions,omitempty"`     // in a window; 0: any number
	Bytes        int64    `json:"bytes,omitempty"`        // likewise
	Keys         []string `json:"signing_keys,omitempty"` // by one of which it must sign its receipts; none: by any
	AtOnce       int      `json:"at_once,omitempty"`      // sessions that run or wait; 0: the server's limit

	stranger bool // it has shown nothing, and is called by its address
}

func (c *Client) limited() bool { return c.Sessions > 0 || c.Bytes > 0 }

func (c *Client) mayAsk(model string) bool {
	return len(c.Models) == 0 || slices.Contains(c.Models, model)
}

// clients knows who may ask by what they show.
type clients struct {
	by     map[string]*Client // a certificate's names and "token:" with a token's SHA-256
	window time.Duration
	issuer *Issuer
}

// readClients reads a file of clients; without one everybody may ask.
func readClients(path string) (*clients, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := clientFile{Window: "24h"}
	if err := strictly(path, b, &f); err != nil {
		return nil, err
	}
	all := &clients{by: map[string]*Client{}, issuer: f.OIDC}
	if f.OIDC != nil {
		if err := f.OIDC.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if all.window, err = time.ParseDuration(f.Window); err != nil || all.window < time.Minute {
		return nil, fmt.Errorf("%s: window %q: a duration of a minute or more, such as 24h", path, f.Window)
	}
	seen := map[string]bool{}
	for i := range f.Clients {
		c := &f.Clients[i]
		if c.Name == "" || seen[c.Name] || c.Sessions < 0 || c.Bytes < 0 || c.AtOnce < 0 {
			return nil, fmt.Errorf("%s: client %d (%q): every client needs a name of its own and budgets that are not negative", path, i+1, c.Name)
		}
		seen[c.Name] = true
		if err := all.add(c); err != nil {
			return nil, fmt.Errorf("%s: client %q: %w", path, c.Name, err)
		}
	}
	return all, nil
}

// checkNames refuses certificates and subjects that nobody can show.
func (c *Client) checkNames() error {
	if slices.ContainsFunc(slices.Concat(c.Certificates, c.Subjects), func(s string) bool { return strings.TrimSpace(s) != s || s == "" }) {
		return errors.New("a certificate or subject is empty, or has blanks around it")
	}
	for _, s := range c.Certificates {
		if !strings.Contains(s, "=") && !strings.HasPrefix(s, "spiffe://") && !fingerprint256.MatchString(s) {
			return fmt.Errorf("certificate %q: a subject (CN=clinic,O=Clinic), a SPIFFE id (spiffe://...) or sha256: and 64 hexadecimal digits in lower case, as secc cert show says them", s)
		}
	}
	return nil
}

func (a *clients) add(c *Client) error {
	if err := c.checkNames(); err != nil {
		return err
	}
	shown := slices.Clone(c.Certificates)
	for _, t := range c.Tokens {
		if b, err := hex.DecodeString(t); err != nil || len(b) != sha256.Size {
			return errors.New("tokens_sha256: 64 hexadecimal digits, from printf %s TOKEN | sha256sum")
		}
		shown = append(shown, "token:"+strings.ToLower(t))
	}
	for _, s := range c.Subjects {
		if a.issuer == nil {
			return errors.New("it has subjects, but there is no provider of tokens (oidc)")
		}
		shown = append(shown, "subject:"+s)
	}
	for _, k := range c.Keys {
		if !receipt.PublicKey(k) {
			return errors.New("signing_keys: 64 hexadecimal digits, as secc ask says at its first use")
		}
	}
	if len(shown) == 0 {
		return errors.New("it has neither certificates nor tokens nor subjects")
	}
	for _, s := range shown {
		if other := a.by[s]; other != nil {
			return fmt.Errorf("%q belongs to %q too", s, other.Name)
		}
		a.by[s] = c
	}
	return nil
}

// limited tells whether any client has a budget.
func (a *clients) limited() bool {
	if a == nil {
		return false
	}
	for _, c := range a.by {
		if c.limited() {
			return true
		}
	}
	return false
}

// identify says who a request is from. Tokens are looked up by their hash, so that the time
// this takes tells nothing of those that there are.
func (a *clients) identify(r *http.Request) (*Client, *refusal) {
	names := certificateNames(r)
	if a == nil {
		if len(names) > 0 {
			return &Client{Name: names[0]}, nil
		}
		return &Client{Name: addressOf(r), stranger: true}, nil
	}
	shown := "neither was shown"
	if len(names) > 0 {
		shown = fmt.Sprintf("not the certificate of %q", names[0])
	}
	if token, ok := bearer(r); ok {
		name, err := a.ofToken(r.Context(), token)
		if err != nil {
			return nil, err
		}
		names, shown = []string{name}, "not this token"
		if subject, is := strings.CutPrefix(name, "subject:"); is {
			shown = fmt.Sprintf("not a token of the subject %q", subject)
		}
	}
	for _, n := range names {
		if c := a.by[n]; c != nil {
			return c, nil
		}
	}
	return nil, &refusal{http.StatusUnauthorized, 0, fmt.Errorf("this server does not know you: a certificate or bearer token of one of its clients is needed, and %s", shown)}
}

// fingerprint256 is how certificates are given by their hash.
var fingerprint256 = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// ofToken is what a bearer token is known by.
func (a *clients) ofToken(ctx context.Context, token string) (string, *refusal) {
	sum := sha256.Sum256([]byte(token))
	name := "token:" + hex.EncodeToString(sum[:])
	if a.issuer == nil || !isJWT(token) || a.by[name] != nil {
		return name, nil
	}
	subject, err := a.issuer.subject(ctx, token)
	switch {
	case errors.Is(err, errIssuer):
		return "", &refusal{http.StatusServiceUnavailable, issuerTime, err}
	case err != nil:
		return "", &refusal{http.StatusUnauthorized, 0, err}
	}
	return "subject:" + subject, nil
}

// certificateNames are what a verified certificate can be known by, the most telling first.
func certificateNames(r *http.Request) (names []string) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil
	}
	cert := r.TLS.VerifiedChains[0][0]
	for _, u := range cert.URIs {
		if u.Scheme == "spiffe" {
			names = append(names, u.String())
		}
	}
	return append(names, cert.Subject.String(), fingerprintOf(cert))
}

func fingerprintOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}
