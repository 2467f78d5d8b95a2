package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
)

// subject is a model that is asked, and what its answers must be.
type subject struct {
	name    string
	program *plan.Plan
	folder  string // a model's, with one version
	inputs  [][][]float32
	files   []string
	classes []int
}

// subject compiles a model, once.
func (b *bench) subject(name string) (*subject, error) {
	if s := b.subjects[name]; s != nil {
		return s, nil
	}
	at := filepath.Join("testdata/models", name)
	if _, err := os.Stat(at); err != nil {
		at = filepath.Join(b.models, name)
	}
	s := &subject{name: name, folder: filepath.Join(b.dir, "compiled", name)}
	version := filepath.Join(s.folder, "1")
	if err := os.MkdirAll(version, 0o700); err != nil {
		return nil, err
	}
	m, err := readMeta(at)
	if err != nil {
		return nil, err
	}
	plan := filepath.Join(version, "model.plan")
	out, err := exec.Command(b.secc, "compile", filepath.Join(at, "model.onnx"), "-o", plan,
		"--calibrate", filepath.Join(at, "images.u8"), "--preprocess", m.preprocessing()).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("compile: %w: %s", err, out)
	}
	if err := s.load(plan, at, m); err != nil {
		return nil, err
	}
	b.subjects[name] = s
	return s, nil
}

// meta is what a model's meta.json says.
type meta struct {
	Count, Elems int
	Scale, Shift []float64
	images       []byte
	outputs      []float32
}

func readMeta(dir string) (m meta, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		return m, err
	}
	var said struct {
		Count        int
		Elems        int `json:"output_elems"`
		Scale, Shift []float64
	}
	if err := json.Unmarshal(b, &said); err != nil {
		return m, err
	}
	m = meta{Count: said.Count, Elems: said.Elems, Scale: said.Scale, Shift: said.Shift}
	if m.images, err = os.ReadFile(filepath.Join(dir, "images.u8")); err != nil {
		return m, err
	}
	b, err = os.ReadFile(filepath.Join(dir, "outputs.f32"))
	if err != nil {
		return m, err
	}
	for ; len(b) >= 4; b = b[4:] {
		m.outputs = append(m.outputs, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return m, err
}

func (m meta) preprocessing() string {
	if m.Scale == nil {
		return "raw"
	}
	join := func(x []float64) string { return strings.ReplaceAll(strings.Trim(fmt.Sprint(x), "[]"), " ", ":") }
	return "scale=" + join(m.Scale) + ",shift=" + join(m.Shift)
}

// load reads the plan, inputs, and the classes that onnxruntime gives.
func (s *subject) load(path, dir string, m meta) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if s.program, err = plan.Decode(b); err != nil {
		return err
	}
	size := len(m.images) / m.Count
	for i := range min(m.Count, 4) {
		file := filepath.Join(filepath.Dir(s.folder), fmt.Sprintf("%s-%d.u8", s.name, i))
		if err := os.WriteFile(file, m.images[i*size:(i+1)*size], 0o600); err != nil {
			return err
		}
		tensors, err := input.Load([]string{file}, input.Specs(s.program))
		if err != nil {
			return err
		}
		s.files = append(s.files, file)
		s.inputs = append(s.inputs, [][]float32{tensors[0].Values})
		s.classes = append(s.classes, best(m.outputs[i*m.Elems:(i+1)*m.Elems]))
	}
	return nil
}

func best(x []float32) (at int) {
	for i := range x {
		if x[i] > x[at] {
			at = i
		}
	}
	return at
}

// service is a server process.
type service struct {
	cmd   *exec.Cmd
	log   words
	addr  string
	admin string
	ended chan error
}

// words is what a process writes.
type words struct {
	mu sync.Mutex
	b  bytes.Buffer
	to io.Writer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to != nil {
		_, _ = w.to.Write(p)
	}
	return w.b.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// serve starts a server of models in a folder of its own.
func (b *bench) serve(ctx context.Context, env []string, subjects []*subject, flags ...string) (*service, error) {
	dir, err := os.MkdirTemp(b.dir, "serve-")
	if err != nil {
		return nil, err
	}
	models := filepath.Join(dir, "models")
	for _, s := range subjects {
		if err := os.CopyFS(filepath.Join(models, s.name), os.DirFS(s.folder)); err != nil {
			return nil, err
		}
	}
	return b.serveFolder(ctx, env, models, flags...)
}

func (b *bench) serveFolder(ctx context.Context, env []string, models string, flags ...string) (*service, error) {
	ready := models + ".ready"
	_ = os.Remove(ready) // of a server before
	args := append([]string{"serve", models, "--listen", "127.0.0.1:0", "--ready-file", ready, "--admin", "127.0.0.1:0"}, flags...)
	s := &service{cmd: exec.CommandContext(ctx, b.secc, args...), ended: make(chan error, 1)}
	if b.verbose {
		s.log.to = os.Stderr
	}
	s.cmd.Stderr = &s.log
	s.cmd.Env = append(os.Environ(), env...)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	for range 1200 {
		text, err := os.ReadFile(ready)
		if err == nil && len(text) > 0 {
			s.addr = strings.TrimSpace(string(text))
			_, rest, _ := strings.Cut(s.log.String(), "msg=admin addr=")
			s.admin, _, _ = strings.Cut(rest, "\n")
			return s, nil
		}
		select {
		case err := <-s.ended:
			return nil, fmt.Errorf("the server ended: %w: %s", err, s.log.String())
		case <-time.After(25 * time.Millisecond):
		}
	}
	return nil, errors.Join(errors.New("the server does not start"), s.stop())
}

// stop ends the server as an operator does.
func (s *service) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case err := <-s.ended:
		s.ended <- err
		if err != nil {
			return fmt.Errorf("the server: %w: %s", err, tail(s.log.String()))
		}
		return nil
	case <-time.After(90 * time.Second):
		_ = s.cmd.Process.Kill()
		return errors.New("the server does not stop")
	}
}

func tail(text string) string {
	if len(text) > 2000 {
		return "..." + text[len(text)-2000:]
	}
	return text
}

// metrics reads what the server tells Prometheus.
func (s *service) metrics() (map[string]float64, error) {
	resp, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	all := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if x, err := strconv.ParseFloat(value, 64); ok && err == nil && name != "#" {
			all[name] = x
		}
	}
	return all, nil
}

// peak is the most memory that the server has held, in bytes.
func (s *service) peak() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kib * 1024
}
