package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/cmd/internal/process"
	"secc.example/secc/runtime/transport"
)

// two is a benchmark of both parties. The client is this program again, with the
// same flags and --connect.
type two[Row any] struct {
	name, short string
	flags       func(*pflag.FlagSet)             // of this benchmark alone
	ready       func() (measurement[Row], error) // once the flags are read
	more        func() ([]Row, error)            // rows that take one party; may be nil
	print       func(io.Writer, Report[Row]) error
}

// measurement is what each party does over a connection; the server's rows count.
type measurement[Row any] func(context.Context, *transport.Mux, transport.Role) ([]Row, error)

func (b two[Row]) command() *cobra.Command {
	var asJSON bool
	var connect string
	c := &cobra.Command{Use: b.name, Short: b.short, Args: cobra.NoArgs}
	c.RunE = func(c *cobra.Command, _ []string) error {
		run, err := b.ready()
		if err != nil {
			return err
		}
		if connect != "" {
			return asClient(c.Context(), connect, run)
		}
		rep := Report[Row]{Schema: Schema, Machine: Machine()}
		if rep.Rows, err = asServer(c.Context(), append([]string{"bench", b.name}, given(c.Flags())...), run); err != nil {
			return err
		}
		if b.more != nil {
			rows, err := b.more()
			if err != nil {
				return err
			}
			rep.Rows = append(rep.Rows, rows...)
		}
		if asJSON {
			return out.JSON(c.OutOrStdout(), rep)
		}
		return b.print(c.OutOrStdout(), rep)
	}
	b.flags(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON ("+Schema+")")
	c.Flags().StringVar(&connect, "connect", "", "address of the first process")
	_ = c.Flags().MarkHidden("connect") // the flag exists
	return c
}

// given are the flags of a command line, spelled again.
func given(flags *pflag.FlagSet) (args []string) {
	flags.Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if many, ok := f.Value.(pflag.SliceValue); ok {
			values = many.GetSlice()
		}
		for _, v := range values {
			args = append(args, "--"+f.Name+"="+v)
		}
	})
	return args
}

// asServer runs both parties on one core each: the server here, the client as a
// second process that is this program with args and --connect.
func asServer[Row any](ctx context.Context, args []string, run measurement[Row]) (rows []Row, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd, err := process.Again(ctx, append(args, "--connect", l.Addr().String())...)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait(); l.Close() }()
	raw, err := l.Accept()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bench: client does not connect: %w", err), <-exited)
	}
	m := transport.NewMux(ctx, raw, transport.Config{})
	rows, err = run(ctx, m, transport.Server)
	end(m, err)
	return rows, errors.Join(err, <-exited)
}

// asClient is the other half of asServer.
func asClient[Row any](ctx context.Context, addr string, run measurement[Row]) error {
	raw, err := transport.Dial(ctx, addr, nil, transport.Link{})
	if err != nil {
		return err
	}
	m := transport.NewMux(ctx, raw, transport.Config{})
	_, err = run(ctx, m, transport.Client)
	end(m, err)
	return err
}

func end(m *transport.Mux, err error) {
	if err != nil {
		m.Abort(err)
		return
	}
	m.Close()
}

// barrier: both parties call it on a channel that is otherwise idle.
func barrier(c transport.Conn) error {
	_, err := exchange(c, 0)
	return err
}

// exchange tells the peer a number and returns the peer's, which is a barrier too.
func exchange(c transport.Conn, x float64) (theirs float64, err error) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], math.Float64bits(x))
	if err := c.Send(b[:]); err != nil {
		return 0, err
	}
	err = c.Recv(b[:])
	return math.Float64frombits(binary.LittleEndian.Uint64(b[:])), err
}

// rate is how many of n a party makes a second, with both starting and ending together, and a
// second of the busier one's processor (0 where that is not known).
func rate(sync transport.Conn, n int64, run func() error) (second, cpuSecond float64, err error) {
	if err := barrier(sync); err != nil {
		return 0, 0, err
	}
	start, cpu := time.Now(), process.CPUSeconds()
	if err := run(); err != nil {
		return 0, 0, err
	}
	cpu = process.CPUSeconds() - cpu
	theirs, err := exchange(sync, cpu)
	if err != nil {
		return 0, 0, err
	}
	if busier := max(cpu, theirs); busier > 0 {
		cpuSecond = float64(n) / busier
	}
	return float64(n) / time.Since(start).Seconds(), cpuSecond, nil
}
