package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"math"
	mrand "math/rand/v2"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"secc.example/secc/backend"
	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/process"
	secc "secc.example/secc/runtime"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/transport"
)

// linearRow is all convolutions of a network under a profile, or one kernel.
// Bytes count both directions; those of the session's keys are in bytes_total.
type linearRow struct {
	Network       string  `json:"network,omitempty"`
	Profile       string  `json:"profile,omitempty"`
	Convolutions  int     `json:"convolutions,omitempty"`
	BytesTotal    int64   `json:"bytes_total,omitempty"`
	BytesToServer int64   `json:"bytes_client_to_server,omitempty"`
	BytesToClient int64   `json:"bytes_server_to_client,omitempty"`
	BytesKeys     int64   `json:"bytes_keys,omitempty"`
	Seconds       float64 `json:"seconds,omitempty"`
	ServerCPU     float64 `json:"server_cpu_seconds,omitempty"`
	ClientCPU     float64 `json:"client_cpu_seconds,omitempty"`

	Name    string  `json:"name,omitempty"`
	Variant string  `json:"variant,omitempty"`
	NsOp    float64 `json:"ns_op,omitempty"`
}

// linearBench is one network under one profile.
type linearBench struct {
	network, profile string
	ops              []*plan.Linear
	keys             wire.LinearKeys
}

func linearCommand() *cobra.Command {
	var networks, profiles []string
	var kernels bool
	return two[linearRow]{
		name: "linear", short: "Measure the convolutions of whole networks under encryption, and the kernels below them",
		flags: func(fl *pflag.FlagSet) {
			fl.StringArrayVar(&networks, "network", []string{"resnet50", "densenet121", "squeezenet1_1"}, "networks to measure")
			fl.StringArrayVar(&profiles, "profile", []string{"wan", "loopback"}, "profiles to choose encodings for")
			fl.BoolVar(&kernels, "kernels", true, "measure the kernels too")
		},
		ready: func() (measurement[linearRow], error) {
			benches, err := linearBenches(networks, profiles)
			return func(ctx context.Context, m *transport.Mux, role transport.Role) ([]linearRow, error) {
				return benchLinear(ctx, m, benches, role)
			}, err
		},
		more: func() ([]linearRow, error) {
			if !kernels {
				return nil, nil
			}
			return kernelRows()
		},
		print: printLinear,
	}.command()
}

func linearBenches(networks, profiles []string) ([]linearBench, error) {
	shapes := map[string]func() []convShape{"resnet50": resnet50, "densenet121": densenet121, "squeezenet1_1": squeezenet11}
	var all []linearBench
	for _, n := range networks {
		if shapes[n] == nil {
			return nil, exit.Usagef("unknown network %q", n)
		}
		for _, name := range profiles {
			p, err := choose.ParseProfile(name)
			if err != nil {
				return nil, exit.Usagef("%v", err)
			}
			b := linearBench{network: n, profile: name}
			for i, s := range shapes[n]() {
				for range s.count {
					l := s.linear()
					l.ClientInput = i == 0
					b.ops = append(b.ops, &l)
				}
			}
			if err := (choose.Search{Profile: p}).Packings(b.ops); err != nil {
				return nil, err
			}
			if b.keys, err = plan.KeysOf(b.ops); err != nil {
				return nil, err
			}
			all = append(all, b)
		}
	}
	return all, nil
}

func benchLinear(ctx context.Context, m *transport.Mux, benches []linearBench, role transport.Role) ([]linearRow, error) {
	var rows []linearRow
	for _, b := range benches {
		r, err := b.run(ctx, m, role)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", b.network, b.profile, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// run makes keys and runs every convolution once. Clocks start when both parties
// have their weights and inputs.
func (b *linearBench) run(ctx context.Context, m *transport.Mux, role transport.Role) (linearRow, error) {
	row := linearRow{Network: b.network, Profile: b.profile, Convolutions: len(b.ops)}
	sync, conn := m.Channel(0), m.Channel(1)
	party := linearParty{role: role, share: drawShare(b.ops)}
	if role == transport.Server {
		party.drawWeights(b.ops)
	}
	before := conn.Stats()
	if err := barrier(sync); err != nil {
		return row, err
	}
	start, cpu := time.Now(), process.CPUSeconds()
	if err := party.setUp(ctx, conn, wire.LinearKeys{N: b.keys.N, Modulus: backend.Modulus(), Secrets: b.keys.Secrets, Levels: b.keys.Levels}); err != nil {
		return row, err
	}
	keys := conn.Stats()
	for i, l := range b.ops {
		if err := party.linear(ctx, conn, i, l); err != nil {
			return row, fmt.Errorf("convolution %d: %w", i, err)
		}
	}
	cpu = process.CPUSeconds() - cpu
	theirs, err := exchange(sync, cpu)
	if err != nil {
		return row, err
	}
	after := conn.Stats()
	row.Seconds = time.Since(start).Seconds()
	row.ServerCPU, row.ClientCPU = cpu, theirs
	row.BytesToServer, row.BytesToClient = after.Received-before.Received, after.Sent-before.Sent
	row.BytesTotal = row.BytesToServer + row.BytesToClient
	row.BytesKeys = keys.Received + keys.Sent - before.Received - before.Sent
	return row, nil
}

// linearParty is one side of the benchmark.
type linearParty struct {
	role    transport.Role
	server  *he.Server
	client  *he.Client
	share   []uint64
	weights [][]int64
	bias    []int64
}

func drawShare(ops []*plan.Linear) []uint64 {
	n := 0
	for _, l := range ops {
		n = max(n, l.NumIn())
	}
	r := mrand.New(mrand.NewPCG(1, 2))
	x := make([]uint64, n)
	for i := range x {
		x[i] = r.Uint64() >> (64 - ops[0].InBits)
	}
	return x
}

// drawWeights gives every filter a norm of about 1/2.
func (p *linearParty) drawWeights(ops []*plan.Linear) {
	r := mrand.New(mrand.NewPCG(3, 4))
	for _, l := range ops {
		w := make([]int64, l.NumWeights())
		scale := math.Exp2(float64(l.NormLog2-1)) / math.Sqrt(float64(l.FilterLen()))
		for i := range w {
			w[i] = int64(math.Round(r.NormFloat64() * scale))
		}
		p.weights = append(p.weights, w)
		p.bias = append(p.bias, make([]int64, max(0, l.COut-len(p.bias)))...)
	}
}

func (p *linearParty) setUp(ctx context.Context, conn transport.Conn, spec wire.LinearKeys) (err error) {
	if p.role == transport.Server {
		p.server, err = he.NewServer(ctx, conn, spec, rand.Reader)
	} else {
		p.client, err = he.NewClient(ctx, conn, spec, rand.Reader)
	}
	return err
}

func (p *linearParty) linear(ctx context.Context, conn transport.Conn, i int, l *plan.Linear) error {
	op, err := secc.LinearOp(l)
	if err != nil {
		return err
	}
	if p.role == transport.Server {
		_, err = p.server.Linear(ctx, conn, p.server.Turn(), op, p.share[:l.NumIn()], p.weights[i], p.bias[:l.COut], 1)
	} else {
		_, err = p.client.Linear(ctx, conn, p.client.Turn(), op, p.share[:l.NumIn()], 1)
	}
	return err
}

// kernelRows measures the kernels in every variant that runs here.
func kernelRows() ([]linearRow, error) {
	all, err := poly.Benchmarks()
	if err != nil {
		return nil, err
	}
	var rows []linearRow
	for _, k := range all {
		rows = append(rows, linearRow{Name: k.Name, Variant: k.Variant.String(), NsOp: math.Round(k.Measure(200 * time.Millisecond))})
	}
	return rows, nil
}

func printLinear(w io.Writer, rep Report[linearRow]) error {
	nets, kernels := table.NewWriter(), table.NewWriter()
	nets.AppendHeader(table.Row{"network", "profile", "MiB", "to server", "to client", "keys", "seconds", "server CPU s", "client CPU s"})
	kernels.AppendHeader(table.Row{"kernel", "variant", "ns"})
	mib := func(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }
	for _, r := range rep.Rows {
		if r.Name != "" {
			kernels.AppendRow(table.Row{r.Name, r.Variant, fmt.Sprintf("%.0f", r.NsOp)})
			continue
		}
		nets.AppendRow(table.Row{
			r.Network, r.Profile, mib(r.BytesTotal), mib(r.BytesToServer), mib(r.BytesToClient), mib(r.BytesKeys),
			fmt.Sprintf("%.2f", r.Seconds), fmt.Sprintf("%.2f", r.ServerCPU), fmt.Sprintf("%.2f", r.ClientCPU),
		})
	}
	out := rep.Machine + "\n" + nets.Render() + "\n"
	if kernels.Length() > 0 {
		out += kernels.Render() + "\n"
	}
	_, err := fmt.Fprint(w, out)
	return err
}
