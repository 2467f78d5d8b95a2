package server

import (
	"context"
	"encoding/base64"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// Pages of the origins that were named may read what the server says and open sessions, with a
// token that they offer as a protocol; pages of others may not, with any token.
func TestPagesOfOtherOrigins(t *testing.T) {
	const ours, other = "https://hospital.test", "https://evil.test"
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	clients := write(t, filepath.Join(t.TempDir(), "clients.json"), `{"clients": [{"name": "patient", "tokens_sha256": ["`+hashOf("s+/=cret")+`"]}]}`)
	s := start(t, Config{Models: root, Clients: clients, Origins: []string{ours}})
	for _, c := range []struct {
		method, origin, token string
		status                int
		allowed               string
	}{
		{http.MethodGet, ours, "s+/=cret", 200, ours},
		{http.MethodGet, ours, "", 401, ours}, // that it was refused may be read
		{http.MethodGet, other, "s+/=cret", 200, ""},
		{http.MethodGet, "", "s+/=cret", 200, ""},
		{http.MethodGet, "https://hospital.test.evil.test", "s+/=cret", 200, ""},
		{http.MethodGet, "null", "s+/=cret", 200, ""},
		{http.MethodOptions, ours, "", 204, ours},
		{http.MethodOptions, other, "", 404, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.url+"/models/a/plan", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Access-Control-Request-Method", "GET")
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		h := resp.Header
		if resp.StatusCode != c.status || h.Get("Access-Control-Allow-Origin") != c.allowed || h.Get("Vary") != "Origin" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%+v: %d %v", c, resp.StatusCode, h)
		}
		if may := strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization"); may != (c.status == 204) {
			t.Errorf("%+v: a token may be sent: %v", c, may)
		}
	}
	for _, c := range []struct {
		origin, offered string
		status          int
	}{
		{ours, "s+/=cret", 101}, {"", "s+/=cret", 101}, {strings.TrimSuffix(s.url, "/v2"), "s+/=cret", 101}, // the server's own pages
		{other, "s+/=cret", 403}, {"http://hospital.test", "s+/=cret", 403}, {ours, "wrong", 401}, {ours, "", 401}, {ours, "%", 401},
	} {
		h := http.Header{}
		if c.origin != "" {
			h.Set("Origin", c.origin)
		}
		protocols := []string{sessionProtocol}
		switch c.offered {
		case "":
		case "%":
			protocols = append(protocols, tokenProtocol+"%")
		default:
			protocols = append(protocols, tokenProtocol+base64.RawURLEncoding.EncodeToString([]byte(c.offered)))
		}
		conn, resp, err := websocket.Dial(context.Background(), "ws"+strings.TrimPrefix(s.url, "http")+"/models/a/session", &websocket.DialOptions{HTTPHeader: h, Subprotocols: protocols})
		if resp == nil || resp.StatusCode != c.status {
			t.Fatalf("%+v: %v %v", c, resp, err)
		}
		if err == nil {
			if conn.Subprotocol() != sessionProtocol || strings.Contains(resp.Header.Get("Sec-Websocket-Protocol"), tokenProtocol) {
				t.Errorf("%+v: the server took %q", c, conn.Subprotocol())
			}
			conn.CloseNow()
		}
	}
	if log := s.log.text(); strings.Contains(log, "s+/=cret") || strings.Contains(log, base64.RawURLEncoding.EncodeToString([]byte("s+/=cret"))) {
		t.Errorf("the log has the token:\n%s", log)
	}
	for _, bad := range []string{"*", "hospital.test", "https://", "https://hospital.test/", "https://*.test", "https://Hospital.test", "https://hospital.test:443", "ftp://hospital.test", "https://a@b"} {
		if _, err := New(t.Context(), Config{Models: root, Origins: []string{bad}}); err == nil || !strings.Contains(err.Error(), "origin") {
			t.Errorf("%q is an origin: %v", bad, err)
		}
	}
}
