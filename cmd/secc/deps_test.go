package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// everybodys packages know nothing of ours.
var everybodys = []string{"internal/kernel", "internal/gemm", "internal/largepage"}

// mayImport says which packages of ours a package may import, besides those
// below itself and everybody's. What is not listed may import none.
var mayImport = map[string][]string{
	"secc.example/secc":          {"*"}, // the front door
	"cmd/secc":                   {"*"},
	"cmd/secc/internal/bench":    {"*"}, // of cmd/secc
	"cmd/secc/internal/evaluate": {"*"},
	"cmd/secc-client":            {"backend/plan", "cmd/internal/answer", "cmd/internal/ask", "cmd/internal/exit", "cmd/internal/out", "frontend/input", "runtime", "runtime/client", "runtime/transport"},
	"cmd/secc-wasm":              {"backend/plan", "cmd/internal/answer", "cmd/internal/exit", "frontend/input", "runtime", "runtime/client", "runtime/transport"},
	"cmd/internal/ask":           {"backend/plan", "cmd/internal/answer", "cmd/internal/exit", "cmd/internal/out", "cmd/internal/process", "cmd/internal/progress", "frontend/input", "frontend/input/dicom", "internal/safefile", "runtime", "runtime/client", "runtime/receipt", "runtime/remote", "runtime/replay", "runtime/store", "runtime/transport"},
	"cmd/internal/progress":      {"backend/plan", "cmd/internal/out", "runtime"},
	"cmd/internal/answer":        {"backend/plan", "cmd/internal/out", "frontend/input", "runtime"},
	"cmd/internal/exit":          {"frontend/input", "runtime/client", "runtime/transport"},
	"ir":                         {"ir/fn", "ir/num"},
	"frontend/onnx":              {"ir", "ir/fn", "ir/num", "frontend/onnx/internal/onnxpb"},
	"frontend/onnx/onnxtest":     {"ir", "frontend/onnx", "frontend/onnx/internal/onnxpb"},
	"frontend/input":             {"backend/plan", "frontend/input/dicom", "frontend/input/internal/hint"},
	"frontend/input/dicom":       {"frontend/input/internal/hint", "frontend/input/internal/ljpeg"},
	"passes":                     {"ir", "ir/num", "backend", "backend/choose", "backend/plan", "backend/plan/wire"},
	"backend":                    {"ir", "backend/choose", "backend/plan", "backend/plan/wire"},
	"backend/choose":             {"backend/plan", "backend/plan/wire"},
	"backend/plan":               {"ir/fn", "backend/plan/wire", "internal/safefile"},
	"runtime":                    {"backend/plan", "backend/plan/wire", "runtime/guard", "runtime/store", "runtime/transport", "runtime/mpc/ring", "runtime/mpc/prg", "runtime/mpc/ot", "runtime/mpc/poly", "runtime/mpc/he", "runtime/mpc/nonlinear"},
	"runtime/client":             {"backend/plan", "runtime", "runtime/transport"},
	"runtime/remote":             {"backend/plan", "runtime/receipt", "runtime/transport"},
	"runtime/replay":             {"backend/plan", "runtime", "runtime/transport"},
	"server":                     {"backend/plan", "frontend/input", "runtime", "runtime/guard", "runtime/receipt", "runtime/service", "runtime/store", "runtime/transport"},
	"runtime/store":              {"internal/safefile"},
	"runtime/service":            {"backend/plan", "runtime", "runtime/guard", "runtime/transport"},
	"runtime/transport":          {"runtime/guard"},
	"runtime/mpc/he":             {"backend/plan/wire", "runtime/guard", "runtime/mpc/ot", "runtime/mpc/prg", "runtime/mpc/ring", "runtime/mpc/poly", "runtime/transport"},
	"runtime/mpc/nonlinear":      {"backend/plan/wire", "runtime/mpc/ot", "runtime/mpc/prg", "runtime/mpc/ring", "runtime/mpc/poly", "runtime/transport"},
	"runtime/mpc/mpctest":        {"runtime/mpc/ot", "runtime/mpc/prg", "runtime/mpc/ring", "runtime/transport"},
	"runtime/mpc/ot":             {"backend/plan/wire", "runtime/guard", "runtime/mpc/prg", "runtime/mpc/ring", "runtime/transport"},
	"runtime/mpc/poly":           {"backend/plan/wire", "runtime/mpc/prg", "runtime/mpc/ring"},
}

// onlyIn says where a module may be imported (by code, not by tests).
var onlyIn = map[string][]string{
	"github.com/tuneinsight/lattigo": {"backend"},
	"github.com/owulveryck/onnx-go":  {"frontend/onnx"},
	"gorgonia.org/tensor":            {"secc.example/secc"},
	"google.golang.org/protobuf":     {"frontend/onnx", "frontend/onnx/internal/onnxpb", "frontend/onnx/onnxtest", "frontend/input"},
	"github.com/mmcloughlin/avo":     {},
	"github.com/spf13/cobra":         {"cmd/secc", "cmd/secc/internal/bench"},
	"github.com/coder/websocket":     {"runtime/remote", "server"},
	"github.com/prometheus":          {"server"},
	"go.etcd.io/bbolt":               {"server"},
	"github.com/pires/go-proxyproto": {"server"},
	"github.com/zeebo/blake3":        {"runtime/transport"},
	"github.com/BurntSushi/toml":     {"cmd/secc"},
	"github.com/coreos/go-oidc":      {"server"},
	"golang.org/x/crypto":            {"server"},
	"github.com/jackc/pgx":           {"server"},
	"aead.dev/minisign":              {"cmd/internal/ask", "cmd/secc", "server"},
	"github.com/suyashkumar/dicom":   {"scripts/checkxray"}, // makes files to read
}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestImportArrows(t *testing.T) {
	for _, p := range ourPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, "secc.example/secc/")
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, "secc.example/secc/"); ok {
				allowed := mayImport[name]
				if strings.HasPrefix(name, "scripts/") { // programs, like cmd/secc
					allowed = []string{"*"}
				}
				if !slices.Contains(everybodys, ours) && !slices.Contains(allowed, ours) && !slices.Contains(allowed, "*") {
					t.Errorf("%s imports %s", name, ours)
				}
			}
			for module, where := range onlyIn {
				if strings.HasPrefix(imp, module) && !slices.Contains(where, name) {
					t.Errorf("%s imports %s, which belongs in %v", name, imp, where)
				}
			}
		}
	}
}

// The runtime and the reading of inputs must not need the compiler, nor what only
// tests need, however far the path: a client is linked from them, and an auditor
// reads all of it.
func TestClientStandsAlone(t *testing.T) {
	no := regexp.MustCompile("^(secc.example/secc/(ir|passes|backend|backend/choose|frontend/onnx)$|gorgonia.org/|github.com/tuneinsight/lattigo|github.com/stretchr|gopkg.in/yaml|secc.example/secc/server|github.com/jackc|github.com/prometheus|github.com/coreos|go.etcd.io|golang.org/x/crypto/acme)")
	for _, root := range []string{"runtime", "frontend/input", "cmd/secc-client"} {
		out, err := exec.Command("go", "list", "-deps", "secc.example/secc/"+root).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range strings.Fields(string(out)) {
			if no.MatchString(p) || strings.HasPrefix(p, "net/http") && root != "cmd/secc-client" { // which asks services
				t.Errorf("%s needs %s", root, p)
			}
		}
	}
}

// The IR is the meaning of networks: it must be readable, and vendored, alone.
func TestIRStandsOnTheStandardLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "secc.example/secc/ir").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(out)) {
		if !strings.HasPrefix(p, "secc.example/secc/ir") {
			t.Errorf("ir needs %s", p)
		}
	}
}

func ourPackages(t *testing.T) (all []listed) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "secc.example/secc/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
