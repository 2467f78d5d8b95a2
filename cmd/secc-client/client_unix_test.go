//go:build linux

package main

import (
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"secc.example/secc"
	"secc.example/secc/backend/plan"
)

const (
	maxSize    = 12_000_000
	maxModules = 15
)

// TestClientIsSmallAndStatic builds the client, holds it to what it promises, and
// runs an inference with it in a folder where nothing else is.
func TestClientIsSmallAndStatic(t *testing.T) {
	root := t.TempDir()
	exe := filepath.Join(root, "secc-client")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", exe, ".") // as it is released
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	info, err := os.Stat(exe)
	if err != nil {
		t.Fatal(err)
	}
	made, err := buildinfo.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d modules", info.Size(), len(made.Deps))
	if info.Size() > maxSize || len(made.Deps) > maxModules {
		t.Errorf("%d bytes and %d modules, at most %d and %d are promised", info.Size(), len(made.Deps), maxSize, maxModules)
	}
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("not static: it has a %v segment", p.Type)
		}
	}
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(out)) {
		for _, no := range []string{"secc.example/secc/ir", "secc.example/secc/passes", "secc.example/secc/frontend/onnx", "gorgonia.org", "secc.example/secc/server", "html/template"} {
			if strings.HasPrefix(p, no) && p != "secc.example/secc/ir/fn" || p == "secc.example/secc" || p == "secc.example/secc/backend" { // ir/fn is a table
				t.Errorf("linked: %s", p)
			}
		}
	}
	inferAlone(t, root)
}

// inferAlone runs the client of a folder as if that were all there is; without the
// right to change the root, it runs where it is.
func inferAlone(t *testing.T, root string) {
	const digits = "../../testdata/models/mnist_cntk_8/"
	model, err := os.ReadFile(digits + "model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	n, err := secc.Compile(t.Context(), model, secc.Options{Calibration: secc.Files(digits + "images.u8"), Preprocess: plan.Preprocess{Preset: "raw"}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := plan.Encode(n.Plan)
	if err != nil {
		t.Fatal(err)
	}
	images, err := os.ReadFile(digits + "images.u8")
	if err != nil {
		t.Fatal(err)
	}
	first := images[:n.Plan.Slots[n.Plan.Inputs[0].Slot].N()]
	if err := errors.Join(os.WriteFile(filepath.Join(root, "m.plan"), b, 0o600), os.WriteFile(filepath.Join(root, "x.u8"), first, 0o600)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = (&secc.Server{Network: n, Log: slog.New(slog.DiscardHandler)}).Serve(t.Context(), l)
	}()
	args := []string{"--plan", "m.plan", "--connect", l.Addr().String(), "--input", "x.u8", "--json"}
	cmd := exec.Command(filepath.Join(root, "secc-client"), args...)
	cmd.Dir = root
	if os.Geteuid() == 0 {
		cmd = exec.Command("/secc-client", args...)
		cmd.Dir, cmd.Env = "/", []string{}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	} else {
		t.Log("not root: the root folder is not changed")
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
	}
	var r plan.Report
	if err := json.Unmarshal(out, &r); err != nil || len(r.Labels) == 0 || r.Labels[0].Index != 7 {
		t.Errorf("%v: %+v", err, r.Labels)
	}
}
