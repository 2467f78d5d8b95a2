package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"secc.example/secc"
	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/cmd/internal/process"
	"secc.example/secc/testdata"
)

// demoModel is the embedded network and what belongs to it.
const demoModel = "models/tm_cxr_mobilenetv2_035"

func newDemoCmd() *cobra.Command {
	var keep string
	var asJSON bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Compile a small network and run both parties on this machine",
		Long: `Compile a small network that reads chest X-rays (it comes with secc), start a
server and a client as two processes that talk over TCP on this machine, and
print what the client learns and what it took.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			dir := keep
			if err := os.MkdirAll(cmp.Or(dir, "."), 0o755); err != nil {
				return usage("--keep: %w", err)
			}
			if dir == "" {
				tmp, err := os.MkdirTemp("", "secc-demo-")
				if err != nil {
					return err
				}
				defer os.RemoveAll(tmp)
				dir = tmp
			}
			return demo(c, dir, asJSON)
		},
	}
	c.Flags().StringVar(&keep, "keep", "", "directory to leave the network, its plan, its weights and the input in")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON ("+plan.Schema+")")
	return c
}

func demo(c *cobra.Command, dir string, asJSON bool) error {
	say := func(format string, args ...any) {
		if !asJSON {
			fmt.Fprintf(c.OutOrStdout(), format+"\n", args...)
		}
	}
	start := time.Now()
	p, err := demoCompile(c.Context(), dir)
	if err != nil {
		return err
	}
	say("compiled %s: %d steps in %.1f s", p.Model, len(p.Calls()), time.Since(start).Seconds())
	server, addr, err := startServer(c.Context(), c.ErrOrStderr(), dir, filepath.Join(dir, "model.plan"))
	if err != nil {
		return err
	}
	say("server: process %d holds the weights and listens on %s", server.Process.Pid, addr)
	say("client: holds %s and connects", "xray.png")
	report, _, clientErr := runClient(c, filepath.Join(dir, "model.plan"), addr, filepath.Join(dir, "xray.png"))
	serverErr := server.Wait()
	_ = os.Remove(filepath.Join(dir, "ready")) // of no use to who keeps the folder
	if err := errors.Join(clientErr, serverErr); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if asJSON {
		return out.JSON(c.OutOrStdout(), report)
	}
	say("")
	if err := answer.Print(c.OutOrStdout(), report); err != nil {
		return err
	}
	say("The server has not seen the image, the client has not seen the weights.")
	return nil
}

// demoCompile unpacks the embedded network and compiles it into dir.
func demoCompile(ctx context.Context, dir string) (*plan.Plan, error) {
	for _, name := range []string{"model.onnx", "images.u8", "labels.txt", "xray.png"} {
		b, err := testdata.Demo.ReadFile(demoModel + "/" + name)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return nil, err
		}
	}
	o, err := demoOptions(dir)
	if err != nil {
		return nil, err
	}
	model, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
	if err != nil {
		return nil, err
	}
	made, err := secc.Compile(ctx, model, o)
	if err != nil {
		return nil, err
	}
	return made.Plan, made.Save(filepath.Join(dir, "model.plan"))
}

// demoOptions are what a user would ask for with this network.
func demoOptions(dir string) (o secc.Options, err error) {
	meta, err := testdata.Demo.ReadFile(demoModel + "/meta.json")
	if err != nil {
		return o, err
	}
	var m struct{ Scale, Shift []float64 }
	if err := json.Unmarshal(meta, &m); err != nil {
		return o, err
	}
	o = secc.Options{
		Name:        filepath.Base(demoModel),
		Preprocess:  plan.Preprocess{Preset: "custom", Scale: m.Scale, Shift: m.Shift},
		Calibration: secc.Files(filepath.Join(dir, "images.u8")),
	}
	if o.Profile, err = choose.ParseProfile("loopback"); err == nil {
		o.Labels, err = loadLabels(filepath.Join(dir, "labels.txt"), nil)
	}
	return o, err
}

// served is a server that is a process of its own. What it prints is in Stdout, a
// *bytes.Buffer, once it has ended.
type served struct {
	*exec.Cmd
	ended chan struct{}
	err   error // of its end
}

// Wait waits for its end.
func (s *served) Wait() error {
	<-s.ended
	return s.err
}

// serverPatience is how long a server may read and check a large network, on a machine
// that is busy with other work, before it listens.
const serverPatience = 10 * time.Minute

// startServer starts this program again as the server of a plan's file, for one client, and
// waits until it listens at an address that it writes to dir; one that ends before that
// is an error at once.
func startServer(ctx context.Context, log io.Writer, dir, file string, more ...string) (*served, string, error) {
	ready := filepath.Join(dir, "ready")
	if err := os.Remove(ready); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, "", err
	}
	var stderr bytes.Buffer
	args := []string{"run", "--party=server", "--once", "--plan", file, "--listen", "127.0.0.1:0", "--ready-file", ready}
	cmd, err := process.Again(ctx, append(args, more...)...)
	if err != nil {
		return nil, "", err
	}
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), &stderr
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	s := &served{Cmd: cmd, ended: make(chan struct{})}
	go func() { s.err = cmd.Wait(); close(s.ended) }()
	late := time.After(serverPatience)
	for {
		if b, err := os.ReadFile(ready); err == nil {
			return s, strings.TrimSpace(string(b)), nil
		}
		select {
		case <-time.After(25 * time.Millisecond):
			continue
		case <-late:
			_ = cmd.Process.Kill() // it is of no use any more
		case <-s.ended:
		}
		err = s.Wait()
		_, _ = log.Write(stderr.Bytes())
		return nil, "", fmt.Errorf("the server does not start: %w", err)
	}
}

// runClient runs the client as a process of its own on a file and reads its report.
func runClient(c *cobra.Command, file, addr, input string, more ...string) (*plan.Report, *os.ProcessState, error) {
	args := []string{"run", "--party=client", "--plan", file, "--connect", addr, "--input", input, "--json"}
	cmd, err := process.Again(c.Context(), append(args, more...)...)
	if err != nil {
		return nil, nil, err
	}
	cmd.Stderr = os.Stderr
	if w, ok := c.ErrOrStderr().(*os.File); ok {
		cmd.Stderr = w
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	var r plan.Report
	readErr := json.NewDecoder(bufio.NewReader(out)).Decode(&r)
	if err := cmd.Wait(); err != nil {
		return nil, nil, fmt.Errorf("client: %w", err)
	}
	return &r, cmd.ProcessState, readErr
}
