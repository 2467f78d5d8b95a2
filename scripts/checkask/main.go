// Command checkask plays a hospital's client against a company's service, each a process of
// its own: certificates, a TLS server, a proxy in between that alone knows the server's name,
// a folder of PNG and DICOM files, a client that is killed in the middle and started again.
// The answers are compared with onnxruntime's.
//
//	go run ./scripts/checkask [-json]
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"secc.example/secc/frontend/input/dicom"
)

const (
	digits = "testdata/models/mnist_cntk_8/"
	side   = 28
	count  = 20 // files, half of them DICOM
	killAt = 5  // answers that are there when the client is killed
	within = 0.01
)

// result is what came out.
type result struct {
	Files       int     `json:"files"`
	Answered    int     `json:"answered"`
	Right       int     `json:"right"` // best class of onnxruntime
	Deviation   float64 `json:"largest_deviation"`
	BeforeKill  int     `json:"answers_before_kill"`
	AskedAgain  int     `json:"asked_again_after_kill"`
	Reports     int     `json:"reports"` // HTML and, of DICOM files, SR
	Connections int64   `json:"connections_through_proxy"`
	Seconds     float64 `json:"seconds"`
}

func main() {
	asJSON := flag.Bool("json", false, "print JSON")
	flag.Parse()
	r, err := check()
	if err != nil {
		fmt.Fprintln(os.Stderr, "checkask:", err)
		os.Exit(1)
	}
	if *asJSON {
		_ = json.NewEncoder(os.Stdout).Encode(r) // nobody reads
	} else {
		fmt.Printf("%d files, %d answered (%d before the client was killed, %d of these asked again), %d as onnxruntime, deviation %.4f; %d reports, %d connections through the proxy, %.1f s\n",
			r.Files, r.Answered, r.BeforeKill, r.AskedAgain, r.Right, r.Deviation, r.Reports, r.Connections, r.Seconds)
	}
	if r.Answered != r.Files || r.Right != r.Files || r.Deviation > within || r.BeforeKill < killAt || r.AskedAgain > 0 || r.Reports != r.Files+r.Files/2 || r.Connections == 0 {
		fmt.Fprintln(os.Stderr, "checkask: not as it should be")
		os.Exit(4)
	}
}

// stage is the scene: programs, certificates, a server, a proxy.
type stage struct {
	dir     string
	proxy   string
	through atomic.Int64
}

func (s *stage) at(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}

// run runs a program to its end.
func (s *stage) run(program string, args ...string) error {
	c := exec.Command(program, args...)
	c.Dir = s.dir
	text, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %v: %w\n%s", program, args, err, text)
	}
	return nil
}

func check() (*result, error) {
	dir, err := os.MkdirTemp("", "checkask")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s := &stage{dir: dir}
	stop, err := s.company()
	if err != nil {
		return nil, err
	}
	defer stop()
	want, err := s.hospital()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	r := &result{Files: count}
	first, err := s.interrupted()
	if err != nil {
		return nil, err
	}
	r.BeforeKill = len(first)
	if err := s.client().Run(); err != nil {
		return nil, fmt.Errorf("the second run: %w", err)
	}
	r.Seconds, r.Connections = time.Since(begun).Seconds(), s.through.Load()
	return r, r.compare(s, want, first)
}

// company builds the programs and serves a model under TLS.
func (s *stage) company() (stop func(), err error) {
	for _, p := range []string{"secc", "secc-client"} {
		if text, err := exec.Command("go", "build", "-o", s.at(p), "./cmd/"+p).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, text)
		}
	}
	model, err := filepath.Abs(digits)
	if err != nil {
		return nil, err
	}
	secc := s.at("secc")
	err = errors.Join(
		os.MkdirAll(s.at("models", "digits", "1"), 0o700),
		s.run(secc, "compile", model+"/model.onnx", "-o", "models/digits/1/model.plan", "--calibrate", model+"/images.u8", "--preprocess", "raw", "--labels", model+"/labels.txt"),
		s.run(secc, "cert", "init"),
		s.run(secc, "cert", "issue", "company.test", "--host", "company.test"),
	)
	if err != nil {
		return nil, err
	}
	c := exec.Command(secc, "serve", "models", "--listen", "127.0.0.1:0", "--ready-file", "addr", "--tls-cert", "certs/company.test.pem", "--tls-key", "certs/company.test-key.pem")
	c.Dir = s.dir
	var log bytes.Buffer
	c.Stderr = &log
	if err := c.Start(); err != nil {
		return nil, err
	}
	stop = func() { _ = c.Process.Signal(os.Interrupt); _ = c.Wait() }
	addr, err := waitFor(s.at("addr"))
	if err != nil {
		stop()
		return nil, fmt.Errorf("%w: %s", err, &log)
	}
	return stop, s.tunnel(string(bytes.TrimSpace(addr)))
}

// tunnel starts a proxy that takes company.test for the server's address.
func (s *stage) tunnel(server string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.proxy = "http://" + l.Addr().String()
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { // until the process ends
			if q.Method != http.MethodConnect || q.Host != "company.test:443" {
				http.Error(w, "only company.test", http.StatusForbidden)
				return
			}
			to, err := net.Dial("tcp", server)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			s.through.Add(1)
			from, read, err := w.(http.Hijacker).Hijack()
			if err != nil {
				to.Close()
				return
			}
			defer from.Close()
			if _, err := io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
				to.Close()
				return
			}
			go func() { defer to.Close(); _, _ = io.Copy(to, read) }() // what was read ahead comes first
			_, _ = io.Copy(from, to)
		}))
	}()
	return nil
}

// hospital writes the folder of inputs: every digit once as PNG and once as DICOM. It gives
// onnxruntime's outputs by file.
func (s *stage) hospital() (map[string][]float32, error) {
	pixels, err := os.ReadFile(digits + "images.u8")
	if err != nil {
		return nil, err
	}
	outputs, err := os.ReadFile(digits + "outputs.f32")
	if err != nil {
		return nil, err
	}
	want := map[string][]float32{}
	for i := range count / 2 {
		img := pixels[i*side*side : (i+1)*side*side]
		var scores []float32
		for k := range 10 {
			scores = append(scores, math.Float32frombits(binary.LittleEndian.Uint32(outputs[4*(10*i+k):])))
		}
		gray := &image.Gray{Pix: img, Stride: side, Rect: image.Rect(0, 0, side, side)}
		var b bytes.Buffer
		if err := png.Encode(&b, gray); err != nil {
			return nil, err
		}
		scan, err := scanOf(img, i)
		if err != nil {
			return nil, err
		}
		for name, content := range map[string][]byte{fmt.Sprintf("png/%d.png", i): b.Bytes(), fmt.Sprintf("study%d/IM%06d", i, i): scan} {
			path := s.at("in", name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
				return nil, err
			}
			want[name] = scores
		}
	}
	return want, nil
}

// scanOf is a DICOM file, of a patient of its own, with a window that leaves its pixels as they are.
func scanOf(pixels []byte, i int) ([]byte, error) {
	return dicom.Data{
		0x0008_0016: dicom.UID("1.2.840.10008.5.1.4.1.1.7"), 0x0008_0018: dicom.UID(dicom.NewUID()), 0x0008_0060: dicom.Text("CS", "OT"),
		0x0010_0010: dicom.Text("PN", fmt.Sprintf("PATIENT^%d", i)), 0x0010_0020: dicom.Text("LO", fmt.Sprint(i)),
		0x0020_000d: dicom.UID(dicom.NewUID()), 0x0020_000e: dicom.UID(dicom.NewUID()),
		0x0028_0002: dicom.Words(1), 0x0028_0004: dicom.Text("CS", "MONOCHROME2"), 0x0028_0010: dicom.Words(side), 0x0028_0011: dicom.Words(side),
		0x0028_0100: dicom.Words(8), 0x0028_0101: dicom.Words(8), 0x0028_0102: dicom.Words(7), 0x0028_0103: dicom.Words(0),
		0x0028_1050: dicom.Text("DS", "127.5"), 0x0028_1051: dicom.Text("DS", "255"), 0x0028_1056: dicom.Text("CS", "LINEAR_EXACT"),
		0x7fe0_0010: dicom.Bytes(pixels),
	}.Encode()
}

// client is the hospital's command.
func (s *stage) client() *exec.Cmd {
	c := exec.Command(s.at("secc-client"), "ask", "https://company.test/v2/models/digits", "in", "--out", "answers", "--write", "json,html,sr",
		"--tls-ca", "certs/ca.pem", "--state", "state", "-q")
	c.Dir, c.Env, c.Stderr = s.dir, append(os.Environ(), "HTTPS_PROXY="+s.proxy), os.Stderr
	return c
}

// interrupted starts the client and kills it when some answers are there; it gives these.
func (s *stage) interrupted() (answers map[string]time.Time, err error) {
	c := s.client()
	if err := c.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if answers, err = s.answers(); err != nil || len(answers) >= killAt || time.Now().After(end) {
			break
		}
	}
	_ = c.Process.Kill() // whatever it is doing
	_ = c.Wait()
	if err != nil {
		return nil, err
	}
	return s.answers() // one more may have been there before the kill
}

// answers are the records that are there.
func (s *stage) answers() (map[string]time.Time, error) {
	all := map[string]time.Time{}
	paths, err := filepath.Glob(s.at("answers", "*", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		all[p] = info.ModTime()
	}
	return all, nil
}

// compare looks at every answer.
func (r *result) compare(s *stage, want map[string][]float32, first map[string]time.Time) error {
	now, err := s.answers()
	if err != nil {
		return err
	}
	for path, at := range first {
		if !now[path].Equal(at) {
			r.AskedAgain++
		}
	}
	for name, scores := range want {
		b, err := os.ReadFile(s.at("answers", name+".json"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		var rec struct {
			Outputs []struct {
				Values []float32 `json:"values"`
			} `json:"outputs"`
		}
		if err = errors.Join(err, json.Unmarshal(b, &rec)); err != nil {
			return err
		}
		r.Answered++
		got := rec.Outputs[0].Values
		if best(got) == best(scores) {
			r.Right++
		}
		r.Deviation = max(r.Deviation, deviation(got, scores))
		for _, suffix := range []string{".html", ".sr.dcm"} {
			if _, err := os.Stat(s.at("answers", name+suffix)); err == nil {
				r.Reports++
			}
		}
	}
	return nil
}

func best(v []float32) (at int) {
	for i := range v {
		if v[i] > v[at] {
			at = i
		}
	}
	return at
}

// deviation is the largest difference against the largest magnitude wanted.
func deviation(got, want []float32) (worst float64) {
	scale := 0.0
	for i := range want {
		scale = max(scale, math.Abs(float64(want[i])))
		worst = max(worst, math.Abs(float64(got[i]-want[i])))
	}
	return worst / scale
}

// waitFor reads a file once it is there.
func waitFor(path string) ([]byte, error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if b, err := os.ReadFile(path); err == nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%s does not come", path)
}
