package server

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"secc.example/secc/backend/plan"
)

// routes is the metadata half of the Open Inference Protocol, plans and sessions.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2", s.about)
	mux.HandleFunc("GET /v2/{$}", s.about)
	mux.HandleFunc("GET /v2/health/live", s.live)
	mux.HandleFunc("GET /v2/health/ready", s.health)
	mux.HandleFunc("GET /v2/models", s.known(s.list))
	for _, at := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		mux.HandleFunc("GET "+at, s.with((*Server).describe))
		mux.HandleFunc("GET "+at+"/ready", s.with((*Server).modelReady))
		mux.HandleFunc("GET "+at+"/plan", s.with((*Server).plan))
		mux.HandleFunc("GET "+at+"/plan/signature", s.with((*Server).signature))
		mux.HandleFunc("GET "+at+"/session", s.with((*Server).session))
		mux.HandleFunc("POST "+at+"/infer", noTensors)
	}
	mux.HandleFunc("GET /v2/sessions/{session}/receipt", s.known(s.receipt))
	mux.HandleFunc("POST /v2/sessions/{session}/receipt", s.known(s.countersign))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, &refusal{http.StatusNotFound, 0, errors.New("there is nothing here: see GET /v2/models")})
	})
	return mux
}

// noTensors tells a client of the Open Inference Protocol where it can send its input: here it
// would be in the clear.
func noTensors(w http.ResponseWriter, _ *http.Request) {
	refuse(w, &refusal{http.StatusNotImplemented, 0, errors.New("this service takes no tensors, only shares of them: run secc ask ADDRESS --listen 127.0.0.1:8001 and send them there")})
}

// reply writes JSON.
func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // whoever asked has gone
}

// refusal is an error with what HTTP calls it.
type refusal struct {
	status int
	after  time.Duration // when to try again; 0: never
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(w http.ResponseWriter, r *refusal) {
	if r.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="secc"`)
	}
	if r.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(r.after.Seconds()))))
	}
	reply(w, r.status, map[string]string{"error": r.Error()})
}

func (s *Server) about(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{"name": "secc", "version": s.cfg.Version, "extensions": []string{"plan", "session"}})
}

func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]bool{"live": true})
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	code := http.StatusOK
	if !s.ready() {
		code = http.StatusServiceUnavailable
	}
	reply(w, code, map[string]bool{"ready": code == http.StatusOK})
}

// known lets those in who are clients, where the server has a list of them.
func (s *Server) known(f func(http.ResponseWriter, *http.Request, *Client)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := s.clients.Load().identify(r)
		if err != nil {
			s.cfg.Log.Warn("refused", "peer", r.RemoteAddr, "err", err)
			s.metrics.refused(err)
			refuse(w, err)
			return
		}
		f(w, r, c)
	}
}

func (s *Server) list(w http.ResponseWriter, _ *http.Request, who *Client) {
	type model struct {
		Name     string   `json:"name"`
		Versions []string `json:"versions"`
	}
	all := []model{}
	for _, name := range s.models.Models() {
		if !who.mayAsk(name) {
			continue
		}
		m := model{Name: name}
		for _, v := range s.models.Versions(name) {
			m.Versions = append(m.Versions, v.Name)
		}
		all = append(all, m)
	}
	reply(w, http.StatusOK, map[string]any{"models": all})
}

// with finds the version that an address names, for those who may ask its model. Others are
// told that there is none.
func (s *Server) with(f func(*Server, http.ResponseWriter, *http.Request, *Client, *Version)) http.HandlerFunc {
	return s.known(func(w http.ResponseWriter, r *http.Request, who *Client) {
		v := s.models.Find(r.PathValue("model"), r.PathValue("version"))
		if v == nil || !who.mayAsk(v.Model) {
			refuse(w, &refusal{http.StatusNotFound, 0, errors.New("there is no such model or version: see GET /v2/models")})
			return
		}
		f(s, w, r, who, v)
	})
}

func (s *Server) modelReady(w http.ResponseWriter, r *http.Request, _ *Client, _ *Version) {
	s.health(w, r)
}

// tensor describes an input or output as the Open Inference Protocol does.
type tensor struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    []int  `json:"shape"`
}

// parameters is what that protocol has no field for.
type parameters struct {
	Card
	PlanDigest string            `json:"plan_digest"`
	Version    string            `json:"version"`
	Reveal     plan.Reveal       `json:"reveal"`
	Answers    []plan.AnswerKind `json:"answers"` // what each output means
	Labels     []string          `json:"labels,omitempty"`
	Preprocess []string          `json:"preprocess"` // of each input
	Bytes      int64             `json:"bytes"`      // of a session, exact
	Rounds     int               `json:"rounds"`
	Compute    float64           `json:"compute_seconds"` // predicted, on one core of either party
	Memory     plan.Memory       `json:"memory_bytes"`
}

func (s *Server) describe(w http.ResponseWriter, _ *http.Request, _ *Client, v *Version) {
	p, cost := v.Program.Plan(), v.Program.Cost()
	a := parameters{
		Card: v.Card, PlanDigest: v.Program.Digest().String(), Version: v.Name, Reveal: p.Reveal, Labels: p.Labels,
		Bytes: cost.Total.Bytes, Rounds: cost.Total.Rounds, Compute: v.Program.Compute().Seconds(), Memory: cost.Memory,
	}
	a.Canary = nil // it is the owner's
	var in, out []tensor
	for _, x := range p.Inputs {
		in = append(in, tensor{x.Name, "FP32", x.Shape})
		a.Preprocess = append(a.Preprocess, x.Preprocess.Preset)
	}
	for i, x := range p.Outputs {
		out = append(out, tensor{x.Name, "FP32", x.Shape})
		kind, _ := p.KindOf(i)
		a.Answers = append(a.Answers, kind)
	}
	var versions []string
	for _, o := range s.models.Versions(v.Model) {
		versions = append(versions, o.Name)
	}
	reply(w, http.StatusOK, map[string]any{"name": v.Model, "versions": versions, "platform": "secc_plan", "inputs": in, "outputs": out, "parameters": a})
}

// tag is a plan's digest as an entity tag.
func tag(v *Version) string { return strconv.Quote(v.Program.Digest().String()) }

// matches tells whether a tag is among those of If-None-Match, of which a proxy may have made weak
// ones.
func matches(lines []string, tag string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(lines, ","), ","), func(t string) bool {
		t = strings.TrimSpace(t)
		return t == "*" || strings.TrimPrefix(t, "W/") == tag
	})
}

func (s *Server) plan(w http.ResponseWriter, r *http.Request, _ *Client, v *Version) {
	w.Header().Set("ETag", tag(v))
	w.Header().Set("Cache-Control", "no-cache") // ask whether it has changed
	if matches(r.Header.Values("If-None-Match"), tag(v)) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(v.encoded)))
	c := http.NewResponseController(w)
	for part := range slices.Chunk(v.encoded, sendPart) {
		_ = c.SetWriteDeadline(time.Now().Add(s.send)) // a connection has one
		if _, err := w.Write(part); err != nil {
			return // whoever asked has gone
		}
	}
}

// sendPart is what whoever is slow must take in sendTime.
const sendPart = 64 << 10

func (s *Server) signature(w http.ResponseWriter, _ *http.Request, _ *Client, v *Version) {
	if len(v.signed) == 0 {
		refuse(w, &refusal{http.StatusNotFound, 0, errors.New("the plan is not signed")})
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("ETag", tag(v))
	_, _ = w.Write(v.signed) // whoever asked has gone
}
