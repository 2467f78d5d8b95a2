package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is a context that is cancelled when it has been asked so often.
type patience struct {
	context.Context
	left  atomic.Int64
	asked atomic.Int64
	over  sync.Once
	done  chan struct{}
}

func newPatience(t *testing.T, times int64) *patience {
	p := &patience{Context: t.Context(), done: make(chan struct{})}
	p.left.Store(times)
	return p
}

func (p *patience) Done() <-chan struct{} { return p.done }

func (p *patience) Err() error {
	p.asked.Add(1)
	if p.left.Add(-1) >= 0 {
		return nil
	}
	p.over.Do(func() { close(p.done) })
	return context.Canceled
}

// Every command that computes asks its context from the first byte of the model to the last
// example, and ends when it says so, whenever that is.
func TestInterruptEndsCommands(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join("..", "..", "testdata", "models", "mnist_cntk_8")
	onnx, images, plan := filepath.Join(model, "model.onnx"), filepath.Join(model, "images.u8"), filepath.Join(dir, "m.plan")
	prepared := []string{"--calibrate", images, "--preprocess", "raw"}
	run := func(ctx context.Context, args []string) error {
		root := newRootCmd()
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetArgs(args)
		return root.ExecuteContext(ctx)
	}
	if err := run(t.Context(), append([]string{"compile", onnx, "-o", plan, "--name", "m"}, prepared...)); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"compile":         append([]string{"compile", onnx, "-o", filepath.Join(dir, "n.plan")}, prepared...),
		"check":           append([]string{"check", onnx}, prepared...),
		"explain":         append([]string{"explain", onnx, "--baseline=cryptflow2"}, prepared...),
		"rewrite":         append([]string{"rewrite", onnx, "-o", filepath.Join(dir, "x.onnx"), "--x-operator=force"}, prepared...),
		"eval a model":    append([]string{"eval", onnx, "--data", images, "--n", "2"}, prepared...),
		"eval a plan":     {"eval", plan, "--model", onnx, "--data", images, "--n", "2"},
		"compare a plan":  {"compare", plan, "--model", onnx, "--input", filepath.Join(model, "seven.png"), "--no-secure"},
		"compare a model": append([]string{"compare", onnx, "--input", filepath.Join(model, "seven.png"), "--no-secure"}, prepared...),
	} {
		t.Run(name, func(t *testing.T) {
			whole := newPatience(t, 1<<40)
			if err := run(whole, args); err != nil {
				t.Fatal(err)
			}
			all := whole.asked.Load()
			if all < 40 {
				t.Errorf("asked %d times", all)
			}
			for _, at := range []int64{0, 1, 9, all / 3, all * 4 / 5, all - 8} { // the number differs a little with the cores' turns
				p := newPatience(t, at)
				if err := run(p, args); !errors.Is(err, context.Canceled) {
					t.Errorf("interrupted at %d of %d: %v", at, all, err)
				}
				if more := p.asked.Load() - at; more > 64 {
					t.Errorf("interrupted at %d of %d: asked %d times more", at, all, more)
				}
			}
		})
	}
}

// computed is a process's processor time, where the system has it in a file; if not, how long it runs.
func computed(pid int, since time.Time) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if err != nil || len(fields) < 13 {
		return time.Since(since)
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// interrupt starts secc, sends it a signal when it has computed for some milliseconds (a loaded machine
// takes longer than that to come to main), and wants
// exit code 130 and the words for it at once: interrupt SIGNAL MILLISECONDS ARGS...
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	if neg || len(args) < 3 || signals[args[0]] == 0 {
		ts.Fatalf("usage: interrupt INT|TERM MILLISECONDS ARGS...")
	}
	wait, err := time.ParseDuration(args[1] + "ms")
	ts.Check(err)
	path, err := exec.LookPath("secc")
	ts.Check(err)
	c := exec.Command(path, args[2:]...)
	c.Dir = ts.MkAbs(".")
	var said bytes.Buffer
	c.Stderr = &said
	ts.Check(c.Start())
	for start := time.Now(); computed(c.Process.Pid, start) < wait && time.Since(start) < time.Minute; {
		time.Sleep(10 * time.Millisecond)
	}
	ts.Check(c.Process.Signal(signals[args[0]]))
	start := time.Now()
	err = c.Wait()
	took := time.Since(start)
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != exitInterrupted {
		ts.Fatalf("%v, want exit code %d\n%s", err, exitInterrupted, said.String())
	}
	ts.Logf("ended %v after the signal: %s", took.Round(time.Millisecond), said.String())
	if took > 5*time.Second { // one, but machines that test are loaded
		ts.Fatalf("took %v to end", took)
	}
}
