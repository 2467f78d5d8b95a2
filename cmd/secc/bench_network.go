package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"secc.example/secc"
	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/cmd/secc/internal/bench"
	"secc.example/secc/frontend/input"
)

// networkRow is one secure inference by two processes.
type networkRow struct {
	Network         string      `json:"network"`
	Profile         string      `json:"profile"`
	Threads         int         `json:"threads"` // of each party
	Bytes           int64       `json:"bytes_total"`
	Setup           int64       `json:"bytes_setup"`
	Rounds          int         `json:"rounds"`
	Seconds         float64     `json:"seconds"`
	Predicted       float64     `json:"predicted_seconds"`
	ServerCPU       float64     `json:"server_cpu_seconds"`
	ClientCPU       float64     `json:"client_cpu_seconds"`
	ExpectServerCPU float64     `json:"predicted_server_cpu_seconds"`
	ExpectClientCPU float64     `json:"predicted_client_cpu_seconds"`
	ServerRSS       int64       `json:"server_peak_rss_bytes"`
	ClientRSS       int64       `json:"client_peak_rss_bytes"`
	Memory          plan.Memory `json:"predicted_memory_bytes"`

	Speed choose.Speed `json:"machine_speed"` // seconds here for one on the reference machine, measured just before

	// Where inferences are prepared: what is left for when the input is there, and what went before.
	*phaseRow

	Exact     bool                `json:"bytes_and_rounds_as_predicted"`
	Operators []plan.OperatorCost `json:"operators,omitempty"`
}

// phaseRow is a prepared inference by phases; what was prepared includes the set-up.
type phaseRow struct {
	OnlineSeconds   float64     `json:"online_seconds"`
	OnlineBytes     int64       `json:"online_bytes"`
	OnlineRounds    int         `json:"online_rounds"`
	PreparedSeconds float64     `json:"prepared_seconds"`
	PreparedBytes   int64       `json:"prepared_bytes"`
	Store           plan.Memory `json:"store_bytes"`
}

type benchNetworkFlags struct {
	compileFlags
	profiles  []string
	threads   []int
	operators bool
	prepared  bool
}

func newBenchNetworkCmd() *cobra.Command {
	f := new(benchNetworkFlags)
	c := &cobra.Command{
		Use:   "network MODEL.onnx|MODEL.plan ...",
		Short: "Measure whole secure inferences: two processes, loopback or a shaped link",
		Long: `Compile each model once, make its plan for each profile, run both parties as two processes on this
machine, over loopback or a link shaped as the profile says, and report seconds,
CPU seconds, bytes, rounds and peak memory of both. The first calibration input
(or a random one) is the client's. A plan is measured as it is, over each of the links.`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	f.register(c)
	fl := c.Flags()
	fl.Lookup("profile").Hidden = true
	fl.StringArrayVar(&f.profiles, "link", []string{"loopback"}, "profiles to compile for and links to imitate: loopback, lan, wan or rtt=..,bw=..; may be repeated")
	fl.IntSliceVar(&f.threads, "threads", []int{1}, "cores of each party; several values make several runs")
	fl.BoolVar(&f.operators, "operators", false, "report every operator too (with --json)")
	fl.BoolVar(&f.prepared, "prepared", false, "prepare the inference, and tell what is left for when the input is there")
	fl.BoolVar(&f.json, "json", false, "print JSON ("+bench.Schema+")")
	return c
}

func (f *benchNetworkFlags) run(c *cobra.Command, models []string) error {
	rep := bench.Report[networkRow]{Schema: bench.Schema, Machine: bench.Machine()}
	for _, path := range models {
		rows, err := f.model(c, path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		rep.Rows = append(rep.Rows, rows...)
	}
	if f.json {
		return out.JSON(c.OutOrStdout(), rep)
	}
	printNetworks(c.OutOrStdout(), rep)
	return nil
}

// model measures a model over every link: what does not depend on the link is
// compiled once.
func (f *benchNetworkFlags) model(c *cobra.Command, path string) (all []networkRow, err error) {
	if isPlanFile(path) {
		return f.planned(c, path)
	}
	f.profile = f.profiles[0]
	at := follow(c.ErrOrStderr(), "compiling "+path)
	ready, err := f.prepare(c, path, at)
	at.end()
	if err != nil {
		return nil, err
	}
	for _, link := range f.profiles {
		rows, err := f.network(c, path, link, ready)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// network makes the plan for a link and measures it.
func (f *benchNetworkFlags) network(c *cobra.Command, path, link string, ready *secc.Prepared) ([]networkRow, error) {
	profile, err := parseProfile(link)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "secc-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	at := follow(c.ErrOrStderr(), "compiling "+path+" for "+link)
	made, err := ready.Network(c.Context(), profile)
	at.end()
	if err != nil {
		return nil, inFile(path, err)
	}
	file := filepath.Join(dir, "model.plan")
	if err := made.Save(file); err != nil {
		return nil, err
	}
	return f.measure(c, file, made.Plan, link)
}

// planned measures a plan that is there already.
func (f *benchNetworkFlags) planned(c *cobra.Command, path string) (all []networkRow, err error) {
	if err := f.refuseForPlan(c, path, "calibrate"); err != nil {
		return nil, err
	}
	p, err := loadPlan(path)
	if err != nil {
		return nil, err
	}
	for _, link := range f.profiles {
		rows, err := f.measure(c, path, p, link)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// measure runs the plan of a file over a link with every number of threads.
func (f *benchNetworkFlags) measure(c *cobra.Command, file string, p *plan.Plan, link string) (rows []networkRow, err error) {
	dir, err := os.MkdirTemp("", "secc-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := f.writeInput(c.Context(), p, filepath.Join(dir, "input.f32")); err != nil {
		return nil, err
	}
	for _, n := range f.threads {
		speed, err := speedHere(c.Context())
		if err != nil {
			return nil, err
		}
		predicted, err := predictAt(p, link, n, speed)
		if err != nil {
			return nil, err
		}
		row, err := f.inference(c, dir, file, link, n)
		if err != nil {
			return nil, err
		}
		row.Network, row.Profile, row.Threads, row.Predicted = p.Model, link, n, predicted.Total.Seconds
		row.ExpectServerCPU, row.ExpectClientCPU = predicted.Total.ServerCPU, predicted.Total.ClientCPU
		row.Memory, row.Speed = predicted.Memory, speed
		total := predicted.Total
		if f.prepared {
			total, row.Memory = predicted.Prepared.TotalCost, predicted.Prepared.Memory
			row.Predicted, row.ExpectServerCPU, row.ExpectClientCPU = total.Seconds, total.ServerCPU, total.ClientCPU
		}
		row.Exact = row.Bytes == total.Bytes && row.Rounds == total.Rounds
		rows = append(rows, *row)
	}
	return rows, nil
}

// writeInput stores the client's input: the first calibration example, or
// random numbers (neither time nor bytes depend on it).
func (f *benchNetworkFlags) writeInput(ctx context.Context, p *plan.Plan, path string) error {
	want := input.Specs(p)
	if len(want) != 1 {
		return usage("the network takes %d inputs: only networks of one input are measured", len(want))
	}
	values := make([]float32, want[0].N())
	for i := range values {
		values[i] = rand.Float32()*2 - 1
	}
	if len(f.calibrate) > 0 {
		set, err := someExamples(ctx, io.Discard, "--calibrate", f.calibrate[:1], want)
		if err != nil {
			return err
		}
		values = set.cases[0][0].Data
	}
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return os.WriteFile(path, b, 0o600)
}

// inference runs both parties once.
func (f *benchNetworkFlags) inference(c *cobra.Command, dir, file, link string, threads int) (*networkRow, error) {
	more := []string{"--threads", strconv.Itoa(threads), "--quiet"}
	if f.prepared {
		more = append(more, "--prepare", "1")
	}
	if link != "loopback" {
		more = append(more, "--shape", link)
	}
	server, addr, err := startServer(c.Context(), c.ErrOrStderr(), dir, file, append([]string{"--json"}, more...)...)
	if err != nil {
		return nil, err
	}
	r, client, clientErr := runClient(c, file, addr, filepath.Join(dir, "input.f32"), more...)
	if clientErr != nil {
		_ = server.Process.Signal(os.Interrupt) // it may wait for a client that is gone
	}
	if err := errors.Join(clientErr, server.Wait()); err != nil {
		return nil, err
	}
	var s plan.Report
	if err := json.Unmarshal(server.Stdout.(*bytes.Buffer).Bytes(), &s); err != nil {
		return nil, fmt.Errorf("server's report: %w", err)
	}
	row := &networkRow{
		Bytes: r.Total.Bytes, Setup: r.Total.Setup.ClientToServer + r.Total.Setup.ServerToClient, Rounds: r.Total.Rounds, Seconds: r.Total.Seconds,
		ServerCPU: cpuSecondsOf(server.ProcessState), ClientCPU: cpuSecondsOf(client), ServerRSS: s.PeakRSS, ClientRSS: r.PeakRSS,
	}
	if t := r.Total; t.Prepared != nil {
		online := t.Online.ClientToServer + t.Online.ServerToClient
		row.phaseRow = &phaseRow{t.Online.Seconds, online, t.Online.Rounds, t.Seconds - t.Online.Seconds, t.Bytes - online, *r.Store}
	}
	if f.operators {
		row.Operators = r.Operators
	}
	return row, nil
}

func cpuSecondsOf(s *os.ProcessState) float64 { return (s.UserTime() + s.SystemTime()).Seconds() }

func printNetworks(w io.Writer, rep bench.Report[networkRow]) {
	fmt.Fprintln(w, rep.Machine)
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"network", "link", "threads", "total", "set-up", "rounds", "s", "predicted s", "server CPU s", "(predicted)", "client CPU s", "(predicted)", "server MiB", "client MiB"})
	for _, r := range rep.Rows {
		t.AppendRow(table.Row{r.Network, r.Profile, r.Threads, bytesText(r.Bytes), bytesText(r.Setup), r.Rounds, fmt.Sprintf("%.2f", r.Seconds), fmt.Sprintf("%.2f", r.Predicted),
			fmt.Sprintf("%.2f", r.ServerCPU), fmt.Sprintf("%.2f", r.ExpectServerCPU), fmt.Sprintf("%.2f", r.ClientCPU), fmt.Sprintf("%.2f", r.ExpectClientCPU), r.ServerRSS >> 20, r.ClientRSS >> 20})
	}
	t.Render()
	for _, r := range rep.Rows {
		if p := r.phaseRow; p != nil {
			fmt.Fprintf(w, "%s, %s: online %.2f s, %s, %d rounds; prepared %.2f s, %s; kept %s and %s\n", r.Network, r.Profile,
				p.OnlineSeconds, bytesText(p.OnlineBytes), p.OnlineRounds, p.PreparedSeconds, bytesText(p.PreparedBytes), bytesText(p.Store.Server), bytesText(p.Store.Client))
		}
	}
}
