package ask

import (
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/progress"
	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime/remote"
	"secc.example/secc/runtime/transport"
)

// endpoint is the Open Inference Protocol, version 2, with tensors in JSON or binary, on
// this machine: programs that speak it ask the model and know nothing of shares.
type endpoint struct {
	*run
	name string
	turn chan struct{} // holds a place for each session at once

	mu      sync.Mutex
	running map[*progress.Progress]step // of every inference
}

// step is how far an inference has come.
type step struct {
	ID       string  `json:"id,omitempty"`
	Done     float64 `json:"done"` // from 0 to 1
	Operator string  `json:"operator"`
}

// shown gives the progress of an inference to whoever asks for it, until end.
func (e *endpoint) shown(id string) (show *progress.Progress, end func()) {
	show = progress.New(io.Discard, true, e.plan)
	show.Tell = func(done float64, operator string) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.running[show] = step{id, done, operator}
	}
	return show, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.running, show)
	}
}

func (e *endpoint) progress(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	all := slices.AppendSeq([]step{}, maps.Values(e.running))
	e.mu.Unlock()
	reply(w, http.StatusOK, map[string]any{"running": all})
}

// The header that says where JSON ends and binary tensors begin.
const jsonLength = "Inference-Header-Content-Length"

// maxRequest bounds the body of a request.
const maxRequest = 1 << 30

// listening answers requests until the context ends.
func (r *run) listening(ctx context.Context) error {
	l, err := r.bound()
	if err != nil {
		return err
	}
	defer l.Close()
	if transport.OnThisMachine(l.Addr()) != nil {
		return exit.Hinted(exit.Usagef("--listen: %s is not this machine alone: what is sent there is the input in the clear", l.Addr()), "use 127.0.0.1:8001")
	}
	e := &endpoint{run: r, name: modelName(r.URL.Path), turn: make(chan struct{}, r.parallel), running: map[*progress.Progress]step{}}
	s := &http.Server{Handler: e.guarded(e.routes()), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // its error is that of Serve
	defer stop()
	r.log.Info("listening", "addr", l.Addr().String(), "model", e.name)
	if err := s.Serve(l); ctx.Err() == nil {
		return err
	}
	return ctx.Err()
}

// bound listens at --listen.
func (r *run) bound() (net.Listener, error) {
	if _, err := net.ResolveTCPAddr("tcp", r.listen); err != nil {
		return nil, exit.Hinted(exit.Usagef("--listen: %w", err), "an address and a port: 127.0.0.1:8001")
	}
	l, err := transport.Listen(r.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = exit.Hinted(err, "another program listens there: take another port; 127.0.0.1:0 takes any that is free")
	}
	if err != nil {
		return nil, exit.Coded(exit.Network, fmt.Errorf("--listen: %w", err))
	}
	return l, nil
}

// modelName is the model's part of an address.
func modelName(p string) string {
	_, name, _ := strings.Cut(p, "/v2/models/")
	name, _, _ = strings.Cut(name, "/")
	return name
}

func (e *endpoint) routes() http.Handler {
	mux := http.NewServeMux()
	says := func(key string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, map[string]bool{key: true}) }
	}
	about := func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{"name": "secc", "version": "2", "extensions": []string{"binary_tensor_data"}})
	}
	mux.HandleFunc("GET /v2", about)
	mux.HandleFunc("GET /v2/{$}", about) // so the specification
	mux.HandleFunc("GET /v2/health/live", says("live"))
	mux.HandleFunc("GET /v2/health/ready", says("ready"))
	for _, at := range []string{path.Join("/v2/models", e.name), path.Join("/v2/models", e.name, "versions/{version}")} {
		mux.HandleFunc("GET "+at, e.versioned(e.describe))
		mux.HandleFunc("GET "+at+"/ready", e.versioned(e.ready))
		mux.HandleFunc("GET "+at+"/progress", e.versioned(e.progress)) // beyond the protocol
		mux.HandleFunc("POST "+at+"/infer", e.versioned(e.infer))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		e.refuse(w, http.StatusNotFound, fmt.Errorf("there is nothing here: the model is %s", path.Join("/v2/models", e.name)))
	})
	return mux
}

// version is what the endpoint calls the plan that it asks by.
func (e *endpoint) version() (string, error) {
	d, err := e.plan.Digest()
	return d.String()[:12], err
}

// versioned refuses requests for another version than the one that there is.
func (e *endpoint) versioned(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		is, err := e.version()
		if asked := q.PathValue("version"); err == nil && asked != "" && asked != is {
			e.refuse(w, http.StatusNotFound, fmt.Errorf("there is no version %q: the plan that is pinned is %s", asked, is))
			return
		}
		next(w, q)
	}
}

// guarded keeps web pages out: a browser on this machine would send what any page asks it
// to, and name the page as the origin, or reach this machine by a name of the page's own.
func (e *endpoint) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		host, _, err := net.SplitHostPort(q.Host)
		if err != nil {
			host = q.Host
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			e.refuse(w, http.StatusForbidden, errors.New("this endpoint is for programs of this machine: use its address"))
			return
		}
		if q.Header.Get("Origin") != "" {
			e.refuse(w, http.StatusForbidden, errors.New("this endpoint is not for web pages"))
			return
		}
		q.Body = http.MaxBytesReader(w, q.Body, maxRequest)
		next.ServeHTTP(w, q)
	})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked has gone
}

func (e *endpoint) refuse(w http.ResponseWriter, status int, err error) {
	f := failureOf(err)
	if status < http.StatusInternalServerError {
		f.Code = exit.Usage
	}
	reply(w, status, map[string]any{"error": f.Message, "hint": f.Hint, "code": f.Code})
}

// ready asks the service.
func (e *endpoint) ready(w http.ResponseWriter, q *http.Request) {
	if err := e.Ready(q.Context()); err != nil {
		e.refuse(w, http.StatusServiceUnavailable, err)
		return
	}
	reply(w, http.StatusOK, map[string]any{"name": e.name, "ready": true})
}

// tensor is one of the protocol's.
type tensor struct {
	Name       string          `json:"name"`
	Shape      []int           `json:"shape"`
	Datatype   string          `json:"datatype,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
	Parameters *struct {
		Size   *int  `json:"binary_data_size,omitempty"`
		Binary *bool `json:"binary_data,omitempty"`
	} `json:"parameters,omitempty"`
}

// request asks for an inference.
type request struct {
	ID         string   `json:"id,omitempty"`
	Inputs     []tensor `json:"inputs"`
	Outputs    []tensor `json:"outputs"`
	Parameters struct {
		Binary bool `json:"binary_data_output"`
	} `json:"parameters"`
}

func (e *endpoint) describe(w http.ResponseWriter, _ *http.Request) {
	d, err := e.plan.Digest()
	if err != nil {
		e.refuse(w, http.StatusInternalServerError, err)
		return
	}
	var in, out []tensor
	var answers []plan.AnswerKind
	for _, x := range e.plan.Inputs {
		in = append(in, tensor{Name: x.Name, Datatype: "FP32", Shape: x.Shape})
	}
	for k, x := range e.plan.Outputs {
		out = append(out, tensor{Name: x.Name, Datatype: "FP32", Shape: x.Shape})
		kind, _ := e.plan.KindOf(k)
		answers = append(answers, kind)
	}
	reply(w, http.StatusOK, map[string]any{
		"name": e.name, "versions": []string{d.String()[:12]}, "platform": "secc_plan", "inputs": in, "outputs": out,
		"parameters": map[string]any{"plan_digest": d.String(), "labels": e.named, "answers": answers, "service": e.URL.String()},
	})
}

func (e *endpoint) infer(w http.ResponseWriter, q *http.Request) {
	begun := time.Now()
	ask, tail, err := parse(q)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		e.refuse(w, http.StatusRequestEntityTooLarge, err)
		return
	case err != nil:
		e.refuse(w, http.StatusBadRequest, err)
		return
	}
	cases, warnings, err := e.cases(ask, tail)
	if err != nil {
		e.refuse(w, http.StatusBadRequest, err)
		return
	}
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-q.Context().Done():
		return
	}
	var outputs []plan.OutputValues
	var answers []plan.Answer
	var session string
	show, end := e.shown(ask.ID)
	defer end()
	_, signed, err := e.run.infer(q.Context(), cases, show, func(i int, report *plan.Report, opened *remote.Opened) error {
		answer.Fill(report, e.plan, e.named, e.most)
		for _, a := range report.Answers {
			a.Input += i
			answers = append(answers, a)
		}
		outputs, session = stacked(outputs, report.Outputs, len(cases)), opened.Name
		return nil
	})
	if err != nil {
		e.log.Error(err.Error(), "id", ask.ID)
		e.refuse(w, statusOf(err), err)
		return
	}
	e.log.Info("answered", "id", ask.ID, "inferences", len(cases), "session", session, "seconds", time.Since(begun).Seconds())
	about := map[string]any{"session": session, "answers": answers, "warnings": warnings}
	if signed != nil {
		about["receipt"] = signed
	}
	e.respond(w, ask, outputs, about)
}

// statusOf is what HTTP calls an error of the service's.
func statusOf(err error) int {
	switch {
	case errors.Is(err, transport.ErrBusy):
		return http.StatusServiceUnavailable
	case errors.Is(err, transport.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// parse reads a request: JSON, and the binary tensors behind it.
func parse(q *http.Request) (*request, []byte, error) {
	plain, err := unpacked(q)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(plain)
	if err != nil {
		return nil, nil, err
	}
	n := len(body)
	if text := q.Header.Get(jsonLength); text != "" {
		if n, err = strconv.Atoi(text); err != nil || n < 0 || n > len(body) {
			return nil, nil, fmt.Errorf("%s: %q of a body of %d bytes", jsonLength, text, len(body))
		}
	}
	ask := new(request)
	if err := json.Unmarshal(body[:n], ask); err != nil {
		return nil, nil, fmt.Errorf("the request is not the protocol's JSON: %w", err)
	}
	return ask, body[n:], nil
}

// unpacked is a request's body as it was before the client compressed it.
func unpacked(q *http.Request) (plain io.Reader, err error) {
	switch way := q.Header.Get("Content-Encoding"); way {
	case "", "identity":
		return q.Body, nil
	case "gzip":
		plain, err = gzip.NewReader(q.Body)
	case "deflate":
		plain, err = zlib.NewReader(q.Body)
	default:
		err = errors.New("gzip and deflate are known")
	}
	if err != nil {
		return nil, fmt.Errorf("Content-Encoding %q: %w", q.Header.Get("Content-Encoding"), err)
	}
	return http.MaxBytesReader(nil, io.NopCloser(plain), maxRequest), nil
}

// cases reads the tensors of a request: one inference, or for a network of one input as many
// as the tensor holds.
func (e *endpoint) cases(ask *request, tail []byte) (cases []input.Case, warnings []string, err error) {
	for _, t := range ask.Outputs {
		if !slices.ContainsFunc(e.plan.Outputs, func(o plan.Output) bool { return o.Name == t.Name }) {
			return nil, nil, fmt.Errorf("output %q is none of the network's", t.Name)
		}
	}
	want := input.Specs(e.plan)
	if len(ask.Inputs) != len(want) {
		return nil, nil, fmt.Errorf("%d inputs given, the network takes %d", len(ask.Inputs), len(want))
	}
	values := make([][][]float32, len(want)) // by input
	for _, t := range ask.Inputs {
		at := slices.IndexFunc(want, func(w input.Spec) bool { return w.Name == t.Name })
		if at < 0 || values[at] != nil {
			return nil, nil, fmt.Errorf("input %q is given twice or is none of the network's", t.Name)
		}
		var raw []byte
		if raw, tail, err = t.binary(tail); err != nil {
			return nil, nil, fmt.Errorf("input %q: %w", t.Name, err)
		}
		a, err := t.read(want[at], raw)
		if err != nil {
			return nil, nil, fmt.Errorf("input %q: %w", t.Name, err)
		}
		warnings = append(warnings, a.Warnings...)
		values[at], err = a.Cases(want[at])
		if err != nil || len(values[at]) > 1 && len(want) > 1 {
			return nil, nil, fmt.Errorf("input %q has shape %v, the network wants %v", t.Name, a.Shape, want[at].Shape)
		}
	}
	cases = side(values)
	for _, c := range cases {
		warnings = e.unlike(c, warnings)
	}
	return cases, warnings, nil
}

// side puts the inputs of each inference side by side; all have values for as many.
func side(values [][][]float32) []input.Case {
	if len(values) == 0 {
		return nil
	}
	cases := make([]input.Case, len(values[0]))
	for _, of := range values {
		for i, v := range of {
			cases[i] = append(cases[i], v)
		}
	}
	return cases
}

// binary cuts a tensor's bytes off what stands behind the JSON.
func (t *tensor) binary(tail []byte) (raw, rest []byte, err error) {
	if t.Parameters == nil || t.Parameters.Size == nil {
		return nil, tail, nil
	}
	n := *t.Parameters.Size
	if n < 0 || n > len(tail) || len(t.Data) > 0 {
		return nil, nil, fmt.Errorf("binary_data_size %d: there are %d bytes", n, len(tail))
	}
	return tail[:n], tail[n:], nil
}

// read gives the elements of a tensor. Of type BYTES it is one file: behind its length, or
// in JSON as base64.
func (t *tensor) read(w input.Spec, raw []byte) (*input.Array, error) {
	if t.Datatype == "BYTES" {
		if raw == nil {
			var texts []string
			if err := json.Unmarshal(t.Data, &texts); err != nil || len(texts) != 1 {
				return nil, errors.New("of type BYTES one file is taken, as base64")
			}
			b, err := base64.StdEncoding.DecodeString(texts[0])
			if err != nil {
				return nil, err
			}
			return w.FromBytes("BYTES", nil, b)
		}
		if len(raw) < 4 || int64(binary.LittleEndian.Uint32(raw)) != int64(len(raw)-4) {
			return nil, errors.New("of type BYTES one file is taken, behind its length")
		}
		return w.FromBytes("BYTES", nil, raw[4:])
	}
	if raw != nil {
		return w.FromBytes(t.Datatype, t.Shape, raw)
	}
	values, err := numbers(t.Data)
	if err != nil {
		return nil, err
	}
	n := 1
	for _, d := range t.Shape {
		if d < 1 || n > len(values)/d {
			return nil, fmt.Errorf("%d elements do not have the shape %v", len(values), t.Shape)
		}
		n *= d
	}
	if n != len(values) {
		return nil, fmt.Errorf("%d elements do not have the shape %v", len(values), t.Shape)
	}
	return w.FromNumbers(t.Datatype, t.Shape, values)
}

// numbers reads an array of numbers or truth values, nested or flat.
func numbers(data json.RawMessage) (values []float32, err error) {
	d := json.NewDecoder(strings.NewReader(string(data)))
	for depth := 0; ; {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		switch x := t.(type) {
		case json.Delim:
			switch x {
			case '[':
				depth++
			case ']':
				depth--
			default:
				return nil, errors.New("data: objects are no numbers")
			}
			if depth == 0 {
				return values, nil
			}
		case float64:
			values = append(values, float32(x))
		case bool:
			values = append(values, map[bool]float32{true: 1}[x])
		default:
			return nil, fmt.Errorf("data: %v is no number", t)
		}
		if depth == 0 {
			return nil, errors.New("data: an array is wanted")
		}
	}
}

// stacked puts the outputs of several inferences one behind the other.
func stacked(all, more []plan.OutputValues, n int) []plan.OutputValues {
	if all == nil {
		for _, o := range more {
			shape := slices.Clone(o.Shape)
			switch {
			case n == 1:
			case len(shape) > 0 && shape[0] == 1:
				shape[0] = n
			default:
				shape = append([]int{n}, shape...)
			}
			all = append(all, plan.OutputValues{Name: o.Name, Shape: shape, Values: slices.Clone(o.Values)})
		}
		return all
	}
	for i := range all {
		all[i].Values = append(all[i].Values, more[i].Values...)
	}
	return all
}

// respond writes the outputs that were asked for, as they were asked for.
func (e *endpoint) respond(w http.ResponseWriter, ask *request, outputs []plan.OutputValues, about map[string]any) {
	var list []map[string]any
	var tail []byte
	for _, o := range outputs {
		asBinary, wanted := ask.Parameters.Binary, len(ask.Outputs) == 0
		for _, t := range ask.Outputs {
			if t.Name == o.Name {
				wanted = true
				if t.Parameters != nil && t.Parameters.Binary != nil {
					asBinary = *t.Parameters.Binary
				}
			}
		}
		if !wanted {
			continue
		}
		t := map[string]any{"name": o.Name, "shape": o.Shape, "datatype": "FP32"}
		if asBinary {
			t["parameters"] = map[string]int{"binary_data_size": 4 * len(o.Values)}
			for _, v := range o.Values {
				tail = binary.LittleEndian.AppendUint32(tail, math.Float32bits(v))
			}
		} else {
			t["data"] = o.Values
		}
		list = append(list, t)
	}
	version, err := e.version()
	said := map[string]any{"model_name": e.name, "model_version": version, "outputs": list, "parameters": about}
	if ask.ID != "" {
		said["id"] = ask.ID
	}
	head, bad := json.Marshal(said)
	if err := errors.Join(err, bad); err != nil {
		e.refuse(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if tail != nil {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set(jsonLength, strconv.Itoa(len(head)))
	}
	_, _ = w.Write(append(head, tail...)) // whoever asked has gone
}
