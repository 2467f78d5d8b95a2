package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// processes runs the first input through a server and a client.
func (t *trial) processes() error {
	stop, addr, err := t.serve()
	if err != nil {
		return err
	}
	return errors.Join(t.client(addr, t.sets[0]), stop())
}

// serve starts the server.
func (t *trial) serve() (stop func() error, addr string, err error) {
	ready := filepath.Join(t.settings.dir, "ready")
	_ = os.Remove(ready)
	cmd := exec.Command(t.secc, "run", "--party=server", "--plan", t.plan, "--listen", "127.0.0.1:0", "--ready-file", ready)
	var words strings.Builder
	cmd.Stderr = &words
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		if err := <-ended; err != nil {
			return fmt.Errorf("server: %w: %s", err, words.String())
		}
		return nil
	}
	for range 1200 {
		if b, err := os.ReadFile(ready); err == nil && len(b) > 0 {
			return stop, strings.TrimSpace(string(b)), nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	return nil, "", errors.Join(errors.New("the server does not start"), stop())
}

// client runs one inference.
func (t *trial) client(addr, set string) error {
	in, files, err := t.inputs(set)
	if err != nil {
		return err
	}
	args := []string{"run", "--party=client", "--plan", t.plan, "--connect", addr, "--json", "--quiet"}
	for _, f := range files {
		args = append(args, "--input", f)
	}
	words, err := t.command(runTime, args...)
	if err != nil {
		return fmt.Errorf("client: %w: %s", err, words.err)
	}
	var answer struct{ Outputs []plan.OutputValues }
	if err := json.Unmarshal(words.out, &answer); err != nil {
		return err
	}
	var got, floats [][]float32
	for _, o := range answer.Outputs {
		got = append(got, o.Values)
	}
	real, err := ir.Eval(t.real, in, ir.EvalOptions{})
	if err != nil {
		return err
	}
	for _, o := range real {
		floats = append(floats, ir.Floats(o))
	}
	want, err := t.reference(set, floats)
	if err != nil {
		return err
	}
	return t.secured.add(got, want)
}
