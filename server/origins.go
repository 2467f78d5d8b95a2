package server

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The WebSocket protocols that a page can offer, which may set no header: the session, and beside
// it its token. The server takes the first; the token is not said back.
const (
	sessionProtocol = "secc.session"
	tokenProtocol   = "secc.bearer." // and the token in base64url, without padding
)

// checkOrigins refuses what a browser would never name as an origin.
func checkOrigins(all []string) error {
	for _, o := range all {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || o != u.Scheme+"://"+u.Host || o != strings.ToLower(o) || u.Port() == map[string]string{"https": "443", "http": "80"}[u.Scheme] || strings.ContainsAny(o, "*?[]\\") {
			return fmt.Errorf("%q is no origin of a page: https://HOST or https://HOST:PORT, in lower case, without the port that is usual", o)
		}
	}
	return nil
}

// shared lets pages of the origins that the operator has named read what the server says. Nothing
// that a browser would send by itself counts: no cookies, no certificates.
func (s *Server) shared(next http.Handler) http.Handler {
	if len(s.cfg.Origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); slices.Contains(s.cfg.Origins, origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "ETag, Retry-After, WWW-Authenticate")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "GET")
				h.Set("Access-Control-Allow-Headers", "Authorization, If-None-Match")
				h.Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// bearer is the token of a request: in its header, or among the protocols that a page offers.
func bearer(r *http.Request) (string, bool) {
	scheme, token, is := strings.Cut(r.Header.Get("Authorization"), " ")
	if is && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token), true
	}
	for _, line := range r.Header.Values("Sec-Websocket-Protocol") {
		for offered := range strings.SplitSeq(line, ",") {
			if text, is := strings.CutPrefix(strings.TrimSpace(offered), tokenProtocol); is {
				b, err := base64.RawURLEncoding.DecodeString(text)
				return string(b), err == nil
			}
		}
	}
	return "", false
}
