package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"secc.example/secc/runtime/transport"
)

// benchSchema names the JSON that all benchmarks print.
const benchSchema = "secc.bench/1"

// benchReport is one run of a benchmark; what a row holds is the benchmark's.
type benchReport[Row any] struct {
	Schema  string `json:"schema"`
	Machine string `json:"machine"`
	Rows    []Row  `json:"rows"`
}

func newBenchCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure parts of the system on this machine, two processes on loopback, one core each",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBenchOTCmd(), newBenchReluCmd(), newBenchFunctionsCmd(), newBenchLinearCmd(), newBenchProductsCmd(), newBenchNetworkCmd(), newBenchSpeedCmd())
	return c
}

// benchPair runs both parties of a benchmark on one core each: the server here,
// the client as a second process that is this program with args and --connect.
func benchPair(c *cobra.Command, args []string, server func(context.Context, *transport.Mux) error) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	cmd, err := self(ctx, append(args, "--connect", l.Addr().String())...)
	if err != nil {
		return err
	}
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait(); l.Close() }()
	raw, err := l.Accept()
	if err != nil {
		return errors.Join(fmt.Errorf("bench: client does not connect: %w", err), <-exited)
	}
	m := transport.NewMux(ctx, raw, transport.Config{})
	err = server(ctx, m)
	endBench(m, err)
	return errors.Join(err, <-exited)
}

// benchConnect is the client's half of benchPair.
func benchConnect(ctx context.Context, addr string, client func(context.Context, *transport.Mux) error) error {
	raw, err := transport.Dial(ctx, addr, nil, transport.Link{})
	if err != nil {
		return err
	}
	m := transport.NewMux(ctx, raw, transport.Config{})
	err = client(ctx, m)
	endBench(m, err)
	return err
}

func endBench(m *transport.Mux, err error) {
	if err != nil {
		m.Abort(err)
		return
	}
	m.Close()
}

// benchSync is a barrier: both parties call it on a channel that is otherwise idle.
func benchSync(c transport.Conn) error {
	_, err := benchTell(c, 0)
	return err
}

// benchTell exchanges a number with the peer, which is a barrier too.
func benchTell(c transport.Conn, x int64) (theirs int64, err error) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(x))
	if err := c.Send(b[:]); err != nil {
		return 0, err
	}
	err = c.Recv(b[:])
	return int64(binary.LittleEndian.Uint64(b[:])), err
}

// machine describes where a benchmark ran.
func machine() string {
	s := fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return s
	}
	defer f.Close()
	for r := bufio.NewScanner(f); r.Scan(); {
		if k, v, ok := strings.Cut(r.Text(), ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v) + ", " + s
		}
	}
	return s
}
