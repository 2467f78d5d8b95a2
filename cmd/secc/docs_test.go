package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"secc.example/secc/cmd/internal/pki"
	"secc.example/secc/internal/dicomtest"
)

// docPages are the pages whose commands are all run, as they stand there, one after
// another in a folder of their own.
var docPages = []string{"README.md", "docs/GUIDE.md", "docs/SERVICE.md"}

// codeBlock is a fenced block of a page; reason says why it is not run, if it is not.
type codeBlock struct {
	line   int
	lines  []string
	reason string
}

// codeBlocks finds the fenced blocks of a page. A comment <!-- not run: why --> before one keeps
// it from being run.
func codeBlocks(text string) (all []codeBlock, err error) {
	const fence, comment = "```", "<!-- not run:"
	var open *codeBlock
	reason := ""
	for i, line := range strings.Split(text, "\n") {
		switch {
		case open != nil && line == fence:
			all, open = append(all, *open), nil
		case open != nil:
			open.lines = append(open.lines, line)
		case strings.HasPrefix(line, fence):
			open, reason = &codeBlock{line: i + 1, reason: reason}, ""
		case strings.HasPrefix(line, comment):
			if reason = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(line, comment), "-->")); reason == "" {
				return nil, fmt.Errorf("line %d: a block that is not run needs a reason", i+1)
			}
		case strings.HasPrefix(line, "    ") && (i == 0 || reason == ""):
			return nil, fmt.Errorf("line %d: code set off by indentation is not run: fence it", i+1)
		case line != "":
			reason = ""
		}
	}
	return all, nil
}

// commands joins the lines of a block that end in a backslash.
func (b codeBlock) commands() (all []string) {
	text := strings.ReplaceAll(strings.Join(b.lines, "\n"), "\\\n", " ")
	for _, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) != "" {
			all = append(all, line)
		}
	}
	return all
}

func TestCodeBlocks(t *testing.T) {
	page := "text\n\n```\na \\\n  b\n\nc # d\n```\n<!-- not run: a file -->\n```json\n{}\n```\n\n```\ne\n```\n"
	all, err := codeBlocks(page)
	if err != nil || len(all) != 3 || all[0].reason != "" || all[1].reason != "a file" || all[2].reason != "" {
		t.Fatalf("%+v, %v", all, err)
	}
	if got := all[0].commands(); len(got) != 2 || got[0] != "a    b" || got[1] != "c # d" {
		t.Errorf("%q", got)
	}
	for _, wrong := range []string{"<!-- not run: -->\n```\na\n```\n", "text\n\n    indented\n"} {
		if _, err := codeBlocks(wrong); err == nil {
			t.Errorf("%q passes", wrong)
		}
	}
}

// Every command of these pages does what the page says: it ends well, and a client's answers
// something. Servers run in the background until the next one or the end of the page.
func TestDocsCommands(t *testing.T) {
	if goruntime.GOOS == "windows" {
		t.Skip("the pages' commands are for a Unix shell")
	}
	for _, page := range docPages {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("../..", page))
			if err != nil {
				t.Fatal(err)
			}
			blocks, err := codeBlocks(string(text))
			if err != nil {
				t.Fatal(err)
			}
			s := newDocShell(t)
			switch page {
			case "README.md":
				s.demo()
			case "docs/SERVICE.md": // begins where GUIDE.md ends
				s.run(page, "secc compile model.onnx --calibrate examples/ --preprocess imagenet --labels labels.txt")
			}
			ran := 0
			for _, b := range blocks {
				if b.reason != "" {
					continue
				}
				for _, c := range b.commands() {
					ran++
					s.run(fmt.Sprintf("%s:%d", page, b.line), c)
				}
			}
			s.stop()
			if ran < 3 {
				t.Errorf("%d commands were run", ran)
			}
		})
	}
}

// docShell runs the commands of a page in a folder that holds what pages speak of.
type docShell struct {
	t      *testing.T
	dir    string
	port   string
	server *exec.Cmd
	log    *bytes.Buffer

	instead map[string]string // beginnings of commands that another takes the place of
}

func newDocShell(t *testing.T) *docShell {
	s := &docShell{t: t, dir: t.TempDir(), port: freePort(t)}
	t.Cleanup(func() {
		if s.server != nil {
			_ = s.server.Process.Kill()
		}
	})
	s.files()
	return s
}

// freePort is a port that nobody listens on, for pages name one.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// here puts names and ports of this machine in the place of the pages'.
func (s *docShell) here(command string) string {
	return strings.NewReplacer(
		"--listen :7766", "--listen 127.0.0.1:"+s.port, "--listen :443", "--listen 127.0.0.1:"+s.port,
		"localhost:7766", "localhost:"+s.port,
		"https://company.example", "https://localhost:"+s.port, "company.example", "localhost",
	).Replace(command)
}

func (s *docShell) run(where, command string) {
	s.t.Helper()
	command = s.here(command)
	for from, to := range s.instead {
		if rest, ok := strings.CutPrefix(command, from); ok {
			command = to + rest
		}
	}
	serves := strings.HasPrefix(command, "secc serve") || strings.Contains(command, "--party=server")
	if serves {
		s.serve(where, command)
		return
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := s.shell(ctx, command)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s: %s: %v\n%s%sif this is nothing to run, say so before the block: <!-- not run: why -->", where, command, err, &stdout, &stderr)
	}
	asks := strings.HasPrefix(command, "secc ask") || strings.Contains(command, "--party=client")
	if asks && !strings.Contains(stdout.String(), " 1. ") {
		s.t.Errorf("%s: %s: no answer in\n%s", where, command, &stdout)
	}
}

func (s *docShell) shell(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "SECC_STATE="+filepath.Join(s.dir, "state"), "SSL_CERT_FILE="+filepath.Join(s.dir, "ca.pem"))
	return cmd
}

// serve starts a server and waits until it listens.
func (s *docShell) serve(where, command string) {
	s.t.Helper()
	s.stop()
	s.log = new(bytes.Buffer)
	s.server = s.shell(s.t.Context(), "exec "+command)
	s.server.Stdout, s.server.Stderr = s.log, s.log
	if err := s.server.Start(); err != nil {
		s.t.Fatal(err)
	}
	for range 1200 {
		if c, err := net.Dial("tcp", "127.0.0.1:"+s.port); err == nil {
			c.Close()
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	_ = s.server.Process.Kill()
	_ = s.server.Wait()
	s.t.Fatalf("%s: %s: nobody listens\n%s", where, command, s.log)
}

// stop ends the server as an operator does.
func (s *docShell) stop() {
	s.t.Helper()
	if s.server == nil {
		return
	}
	if err := s.server.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Error(err)
	}
	if err := s.server.Wait(); err != nil {
		s.t.Errorf("the server: %v\n%s", err, s.log)
	}
	s.server = nil
}

// demo puts a smaller network in the place of what secc demo leaves, which takes it 15 s of
// processor time; with the tag slow, as in CI, the command itself is run.
func (s *docShell) demo() {
	if slowTests {
		return
	}
	const model = "../../testdata/models/mnist_cntk_8/"
	s.write("demo/model.onnx", s.read(model+"model.onnx"))
	s.write("demo/xray.png", s.read(model+"seven.png"))
	s.run("demo", "secc compile demo/model.onnx --force --preprocess raw")
	s.instead = map[string]string{"secc demo --keep demo ": "true "}
}

// files lays out what the pages assume: a network with examples of its input, labels and
// answers, a scan, other networks, certificates from elsewhere.
func (s *docShell) files() {
	s.t.Helper()
	const model = "../../testdata/models/resnet20_cifar10"
	onnx := s.read(model + "/model.onnx")
	s.write("model.onnx", onnx)
	for _, other := range []string{"a.onnx", "b.onnx"} {
		s.write(other, s.read("../../testdata/models/mnist_cntk_8/model.onnx"))
	}
	s.write("accuracy.csv", []byte("a.onnx,0.82\nb,99 %\n"))
	s.write("labels.txt", s.read(model+"/labels.txt"))
	pixels := s.read(model + "/images.u8")
	var meta struct{ Labels []int }
	if err := json.Unmarshal(s.read(model+"/meta.json"), &meta); err != nil {
		s.t.Fatal(err)
	}
	var answers strings.Builder
	for i := range 16 {
		s.write(fmt.Sprintf("examples/%d.png", i), picture(s.t, pixels[i*3*32*32:(i+1)*3*32*32], 32))
		fmt.Fprintln(&answers, meta.Labels[i])
	}
	s.write("answers.txt", []byte(answers.String()))
	s.write("scan.png", picture(s.t, pixels, 32))
	grey := make([]uint16, 32*32)
	for i := range grey {
		grey[i] = 16 * uint16(pixels[i])
	}
	s.write("scan.dcm", dicomtest.File(dicomtest.ExplicitLittle, dicomtest.Grey(32, 32, 16, 12), dicomtest.Element(0x7fe0_0010, "OW", dicomtest.Words(grey...))))
	ca, err := pki.NewAuthority("elsewhere", time.Hour)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("ca.pem", ca.Cert)
	s.write("ca-key.pem", ca.Key)
	authority, err := pki.OpenAuthority(filepath.Join(s.dir, "ca.pem"), filepath.Join(s.dir, "ca-key.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	pair, err := authority.Issue(pki.Request{Name: "localhost", Hosts: []string{"localhost"}, Life: time.Hour})
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("cert.pem", pair.Cert)
	s.write("key.pem", pair.Key)
}

func (s *docShell) read(path string) []byte {
	s.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *docShell) write(name string, b []byte) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// picture is a square image of three planes as PNG.
func picture(t *testing.T, planes []byte, side int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	n := side * side
	for i := range n {
		img.Set(i%side, i/side, color.RGBA{planes[i], planes[n+i], planes[2*n+i], 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
