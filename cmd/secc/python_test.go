package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"secc.example/secc"
	"secc.example/secc/backend/plan"
	"secc.example/secc/server"
)

// TestPythonClient runs the tests of clients/python against a service and a server.
func TestPythonClient(t *testing.T) {
	python := ""
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import numpy").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		t.Skip("left out: no Python with numpy (apt-get install python3-numpy)")
	}
	digits, err := filepath.Abs("../../testdata/models/mnist_cntk_8")
	if err != nil {
		t.Fatal(err)
	}
	model, err := os.ReadFile(filepath.Join(digits, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := secc.Compile(t.Context(), model, secc.Options{Calibration: secc.Files(filepath.Join(digits, "images.u8")), Preprocess: plan.Preprocess{Preset: "raw"}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	planFile := filepath.Join(dir, "models", "digits", "1", "model.plan")
	if err := os.MkdirAll(filepath.Dir(planFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := n.Save(planFile); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	conf := server.Config{Models: filepath.Join(dir, "models"), Log: slog.New(slog.DiscardHandler), Memory: 1 << 32, Queue: 8, Wait: time.Second, Grace: time.Second, Poll: time.Hour}
	conf.Session.Transport.Idle = time.Minute
	s, err := server.New(ctx, conf)
	if err != nil {
		t.Fatal(err)
	}
	service, plain := listening(t), listening(t)
	go func() { _ = s.Serve(ctx, service) }()
	go func() { _ = (&secc.Server{Network: n, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, plain) }()

	program := filepath.Join(dir, "secc-client")
	if text, err := exec.Command("go", "build", "-o", program, "../secc-client").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	c := exec.Command(python, "-m", "unittest", "discover", "-s", "tests")
	c.Dir = "../../clients/python"
	c.Env = append(os.Environ(), "PYTHONPATH=src", "PYTHONDONTWRITEBYTECODE=1", "SECC="+program, "SECC_TEST_URL=http://"+service.Addr().String()+"/v2/models/digits",
		"SECC_TEST_DIGITS="+digits, "SECC_TEST_STATE="+filepath.Join(dir, "state"), "SECC_TEST_PLAN="+planFile, "SECC_TEST_ADDRESS="+plain.Addr().String())
	text, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	t.Logf("%s", text)
}

func listening(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
