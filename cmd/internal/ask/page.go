package ask

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/runtime/transport"
)

// The files of the page (scripts/web), and what they are.
var pageFiles = map[string]string{
	"index.html": "text/html; charset=utf-8", "app.js": "text/javascript", "worker.js": "text/javascript", "kernels.js": "text/javascript",
	"sw.js": "text/javascript", "wasm_exec.js": "text/javascript", "style.css": "text/css", "secc.wasm": "application/wasm",
}

// paging serves the page with which a browser asks the model, and passes its sessions on to
// the service: the browser computes, this process sees what the service sees, shares.
func (r *run) paging(ctx context.Context) error {
	for name := range pageFiles {
		if _, err := os.Stat(filepath.Join(r.page, name)); err != nil {
			return exit.Hinted(exit.Usagef("--page: %w", err), "scripts/web builds the page")
		}
	}
	l, err := r.bound()
	if err != nil {
		return err
	}
	defer l.Close()
	scheme := "http"
	switch {
	case r.pageTLS != (transport.TLSFiles{}):
		conf, err := r.pageTLS.Config(transport.Server, "")
		if err != nil {
			return exit.Usagef("%w", err)
		}
		conf.NextProtos = []string{"http/1.1"}
		l, scheme = tls.NewListener(l, conf), "https"
	case transport.OnThisMachine(l.Addr()) != nil:
		return exit.Hinted(exit.Usagef("--listen: beyond this machine a page in the clear could be changed on its way"), "give --page-cert and --page-key, or listen on 127.0.0.1")
	}
	routes, err := r.pageRoutes()
	if err != nil {
		return err
	}
	s := &http.Server{Handler: routes, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // its error is that of Serve
	defer stop()
	r.log.Info("page", "url", scheme+"://"+l.Addr().String()+"/", "model", r.URL.String())
	if err := s.Serve(l); ctx.Err() == nil {
		return err
	}
	return ctx.Err()
}

func (r *run) pageRoutes() (http.Handler, error) {
	d, err := r.plan.Digest()
	if err != nil {
		return nil, err
	}
	at := "/v2/models/" + modelName(r.URL.Path)
	mux := http.NewServeMux()
	for name, kind := range pageFiles {
		path := "/" + name
		if name == "index.html" {
			path = "/{$}"
		}
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Type", kind)
			http.ServeFile(w, q, filepath.Join(r.page, name))
		})
	}
	mux.HandleFunc("GET /config.json", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"model": at[1:], "plan_digest": d.String()})
	})
	for _, what := range []string{"", "plan", "session"} {
		path := at
		if what != "" {
			path += "/" + what
		}
		mux.Handle("GET "+path, r.Forward(what))
	}
	return sameOrigin(mux), nil
}

// sameOrigin lets a browser only in from the page itself: what is passed on carries this
// machine's credentials.
func sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if origin := q.Header.Get("Origin"); origin != "" {
			if u, err := url.Parse(origin); err != nil || u.Host != q.Host {
				reply(w, http.StatusForbidden, map[string]string{"error": "this is for the page alone"})
				return
			}
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		w.Header().Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, q)
	})
}
