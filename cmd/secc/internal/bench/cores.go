package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	goruntime "runtime"
	"slices"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/cmd/internal/process"
	secc "secc.example/secc/runtime"
	"secc.example/secc/runtime/transport"

	root "secc.example/secc"
)

// coresRow is a party on so many cores, its peer a recording. By Amdahl, with Serial the share
// of its work that one core does, n cores take Serial + (1 - Serial) / n of the time of one.
type coresRow struct {
	Network    string  `json:"network"`
	Party      string  `json:"party"`
	Cores      int     `json:"cores"`
	Seconds    float64 `json:"seconds"` // the median
	CPUSeconds float64 `json:"cpu_seconds"`
	Speedup    float64 `json:"speedup"`
	Serial     float64 `json:"serial_share,omitempty"`     // of more than one core
	OnEight    float64 `json:"speedup_on_eight,omitempty"` // what that share makes of eight cores
}

// solo is a session that was recorded from both sides.
type solo struct {
	program *secc.Program
	weights secc.Weights
	name    string
	input   []secc.Vec
	parties [2]recorded // by transport.Role
}

// recorded is what a party drew and heard.
type recorded struct {
	seed bytes.Buffer
	mu   sync.Mutex
	file *os.File
	size int64
	said [][]transport.Line // by channel, of its peer
}

func coresCommand() *cobra.Command {
	var asJSON bool
	var cores []int
	var runs int
	c := &cobra.Command{
		Use:   "cores MODEL.plan ...",
		Short: "Measure what more cores make of each party alone, its peer a recording",
		Long: `Run an inference once, recording what each party hears, then each party again on one core and
on more, against the recording, which answers at once: on a machine of two cores both
parties would compete for them. The share of the work that stays on one core says what
eight cores would make of it (Amdahl). Weights lie beside the plan; the input is random.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, plans []string) error {
			if slices.Min(cores) < 1 || slices.Max(cores) > goruntime.NumCPU() || runs < 1 || runs > 100 {
				return exit.Usagef("--cores or --runs out of range (this machine has %d cores)", goruntime.NumCPU())
			}
			rep := Report[coresRow]{Schema: Schema, Machine: Machine()}
			for _, path := range plans {
				rows, err := coresOf(c.Context(), path, cores, runs)
				if err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				rep.Rows = append(rep.Rows, rows...)
			}
			if asJSON {
				return out.JSON(c.OutOrStdout(), rep)
			}
			return printCores(c.OutOrStdout(), rep)
		},
	}
	coresFlags(c.Flags(), &cores, &runs, &asJSON)
	return c
}

func coresFlags(fl *pflag.FlagSet, cores *[]int, runs *int, asJSON *bool) {
	fl.IntSliceVar(cores, "cores", []int{1, goruntime.NumCPU()}, "cores of the party; 1 is always measured")
	fl.IntVar(runs, "runs", 3, "runs of each; the median counts")
	fl.BoolVar(asJSON, "json", false, "print JSON ("+Schema+")")
}

func coresOf(ctx context.Context, path string, cores []int, runs int) (rows []coresRow, err error) {
	process.Tune(0)
	n, err := root.Open(path)
	if err != nil {
		return nil, exit.Usagef("%w", err)
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	if n.Weights == nil {
		return nil, exit.Usagef("no weights at %s: both parties run here", root.WeightsPath(path))
	}
	s, err := record(ctx, n)
	if err != nil {
		return nil, err
	}
	defer s.close()
	defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(0))
	for _, role := range []transport.Role{transport.Server, transport.Client} {
		var one float64
		for _, on := range slices.Compact(slices.Sorted(slices.Values(append([]int{1}, cores...)))) {
			row := coresRow{Network: n.Plan.Model, Party: role.String(), Cores: on}
			if row.Seconds, row.CPUSeconds, err = s.median(ctx, role, on, runs); err != nil {
				return nil, fmt.Errorf("%v alone: %w", role, err)
			}
			if on == 1 {
				one = row.Seconds
			}
			row.amdahl(one)
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (r *coresRow) amdahl(one float64) {
	r.Speedup = one / r.Seconds
	if r.Cores > 1 {
		n := float64(r.Cores)
		r.Serial = min(1, max(0, (n/r.Speedup-1)/(n-1)))
		r.OnEight = 1 / (r.Serial + (1-r.Serial)/8)
	}
}

// record runs an inference with both parties in this process.
func record(ctx context.Context, n *root.Network) (s *solo, err error) {
	s = &solo{weights: n.Weights, name: n.Plan.Model}
	if s.program, err = secc.Prepare(n.Plan); err != nil {
		return nil, err
	}
	for _, f := range n.Plan.Fed() {
		t := n.Plan.Slots[f.Slot]
		x, err := randomShare(t.N(), t.Bits)
		if err != nil {
			return nil, err
		}
		s.input = append(s.input, x)
	}
	for i := range s.parties {
		if s.parties[i].file, err = os.CreateTemp("", "secc-bench-"); err != nil {
			s.close()
			return nil, err
		}
		_ = os.Remove(s.parties[i].file.Name()) // it goes with this process
	}
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- s.run(ctx, transport.Server, a, s.parties[transport.Server].config()) }()
	if err = errors.Join(s.run(ctx, transport.Client, b, s.parties[transport.Client].config()), <-served); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *solo) close() {
	for i := range s.parties {
		if f := s.parties[i].file; f != nil {
			_ = f.Close() // nothing is kept
		}
	}
}

func (s *solo) run(ctx context.Context, role transport.Role, conn net.Conn, cfg secc.Config) error {
	if role == transport.Server {
		_, err := s.program.Serve(ctx, conn, s.weights, cfg)
		return err
	}
	_, _, err := s.program.Run(ctx, conn, s.input, cfg)
	return err
}

func (r *recorded) config() secc.Config {
	return secc.Config{
		Rand: io.TeeReader(rand.Reader, &r.seed),
		Transport: transport.Config{Heard: func(channel uint8, depth int, data []byte) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for len(r.said) <= int(channel) {
				r.said = append(r.said, nil)
			}
			r.said[channel] = append(r.said[channel], transport.Line{Depth: depth, At: r.size, Size: int64(len(data))})
			_, _ = r.file.WriteAt(data, r.size) // what is missing shows when it is said again
			r.size += int64(len(data))
		}},
	}
}

// median is the median of a party's runs, of wall and of processor time.
func (s *solo) median(ctx context.Context, role transport.Role, cores, runs int) (seconds, cpu float64, err error) {
	goruntime.GOMAXPROCS(cores)
	var walls, cpus []float64
	for range runs {
		goruntime.GC()
		r := &s.parties[role]
		a, b := net.Pipe()
		recited := make(chan error, 1)
		start, before := time.Now(), process.CPUSeconds()
		go func() { recited <- s.program.Recite(a, r.file, r.said) }()
		err := s.run(ctx, role, b, secc.Config{Threads: cores, Rand: bytes.NewReader(r.seed.Bytes())})
		if err = errors.Join(err, <-recited); err != nil {
			return 0, 0, err
		}
		walls, cpus = append(walls, time.Since(start).Seconds()), append(cpus, process.CPUSeconds()-before)
	}
	slices.Sort(walls)
	slices.Sort(cpus)
	return walls[runs/2], cpus[runs/2], nil
}

func printCores(w io.Writer, rep Report[coresRow]) error {
	t := table.NewWriter()
	t.AppendHeader(table.Row{"network", "party", "cores", "seconds", "CPU s", "speed-up", "on one core", "on eight cores"})
	for _, r := range rep.Rows {
		row := table.Row{r.Network, r.Party, r.Cores, fmt.Sprintf("%.2f", r.Seconds), fmt.Sprintf("%.2f", r.CPUSeconds), fmt.Sprintf("%.2f", r.Speedup), "", ""}
		if r.Cores > 1 {
			row[6], row[7] = fmt.Sprintf("%.0f %%", 100*r.Serial), fmt.Sprintf("%.1fx", r.OnEight)
		}
		t.AppendRow(row)
	}
	_, err := fmt.Fprintf(w, "%s; each party alone, against a recording of its peer\n%s\n", rep.Machine, t.Render())
	return err
}
