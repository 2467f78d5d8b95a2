package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/transport"
)

// provider is an OpenID provider of a test.
type provider struct {
	*httptest.Server
	key  *ecdsa.PrivateKey
	down bool
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{key: newKey(t)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v any
		switch {
		case p.down:
			http.Error(w, "down", http.StatusBadGateway)
			return
		case r.URL.Path == "/keys":
			v = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}}
		default:
			v = map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL, "token_endpoint": p.URL, "id_token_signing_alg_values_supported": []string{"ES256"}}
		}
		_ = json.NewEncoder(w).Encode(v)
	}))
	t.Cleanup(p.Close)
	return p
}

// token makes a token that holds, but for what change does to it.
func (p *provider) token(t *testing.T, key any, change map[string]any) string {
	t.Helper()
	claims := map[string]any{"iss": p.URL, "aud": "secc", "sub": "clinic-7", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	for name, v := range change {
		claims[name] = v
	}
	alg := jose.ES256
	if _, ok := key.([]byte); ok {
		alg = jose.HS256
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A token of the provider lets in whom it names; one that is another's, too old, for somebody
// else or signed by somebody else does not.
func TestOIDC(t *testing.T) {
	p := newProvider(t)
	p.down = true
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	file := write(t, filepath.Join(t.TempDir(), "clients.json"), `{"oidc": {"issuer": "`+p.URL+`", "audience": "secc"}, "clients": [
		{"name": "clinic", "subjects": ["clinic-7"]}, {"name": "lab", "tokens_sha256": ["`+hashOf("plain")+`", "`+hashOf("plain.with.dots")+`"]}]}`)
	s := start(t, Config{Models: root, Clients: file})
	as := func(token string) *remote.Model {
		m := s.model(t, "a")
		m.Token = token
		return m
	}
	good := p.token(t, p.key, nil)
	if _, err := ask(t.Context(), as(good)); !errors.Is(err, transport.ErrBusy) {
		t.Errorf("without its provider: %v", err)
	}
	if _, err := ask(t.Context(), as("plain.with.dots")); err != nil {
		t.Errorf("a token that looks like one of the provider's: %v", err)
	}
	if _, err := ask(t.Context(), as("plain")); err != nil {
		t.Errorf("another kind of token meanwhile: %v", err)
	}
	p.down = false
	issuer := s.clients.Load().issuer
	issuer.mu.Lock()
	issuer.failed = time.Time{} // what takes issuerTime otherwise
	issuer.mu.Unlock()
	if _, err := ask(t.Context(), as(good)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.log.text(), "client=clinic") {
		t.Error("the log does not name the client")
	}
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"too old":            p.token(t, p.key, map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}),
		"of another issuer":  p.token(t, p.key, map[string]any{"iss": "https://other.example"}),
		"for somebody else":  p.token(t, p.key, map[string]any{"aud": "other"}),
		"of a stranger":      p.token(t, p.key, map[string]any{"sub": "stranger"}),
		"without a name":     p.token(t, p.key, map[string]any{"sub": 7}),
		"of another key":     p.token(t, newKey(t), nil),
		"by a shared secret": p.token(t, []byte(strings.Repeat("public key as a secret", 2)), nil),
		"not signed":         "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"changed":            parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
	} {
		if _, err := ask(t.Context(), as(token)); !errors.Is(err, transport.ErrAuth) {
			t.Errorf("a token %s: %v", name, err)
		}
	}
	for text, want := range map[string]string{
		`{"oidc": {"issuer": "http://idp.example", "audience": "x"}, "clients": []}`: "https://",
		`{"oidc": {"issuer": "https://idp.example"}, "clients": []}`:                 "an audience is needed",
		`{"clients": [{"name": "a", "subjects": ["x"]}]}`:                            "no provider of tokens",
		`{"oidc": {"issuer": "https://i.example", "audience": "x", "x": 1}}`:         "unknown field",
	} {
		if _, err := readClients(write(t, file, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
