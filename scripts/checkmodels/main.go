// Command checkmodels runs real networks through the command line as two
// processes and compares what the client gets with onnxruntime's outputs, and the
// bytes and rounds with those predicted.
//
// A network is compiled once, with formats calibrated on cases that are not
// compared; then one server serves one client after the other.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// checked lists the networks and how many of their cases are compared.
var checked = []struct {
	name  string
	cases int
}{
	{"ezpc_lenet_mnist", 10}, {"mnist_cntk_8", 10}, {"resnet20_cifar10", 10},
	{"tm_cxr_mobilenetv2_035", 10}, {"squeezenet1_1", 3},
}

// exitTolerance is what secc's exit codes say for a wrong answer.
const exitTolerance = 4

func main() {
	models := flag.String("models", "../shared/models", "directory of the networks")
	only := flag.String("only", "", "names of the networks to check, separated by commas")
	n := flag.Int("n", 0, "cases to compare (default: 10, 3 for squeezenet1_1)")
	options := flag.String("compile", "", "more flags of secc compile, separated by blanks, such as --linear=ot")
	calibration := flag.Int("calibrate", 16, "cases to calibrate on, at most")
	verbose := flag.Bool("v", false, "show what the processes print")
	flag.Parse()
	failed, err := run(*models, *only, *n, check{options: strings.Fields(*options), calibration: *calibration, verbose: *verbose})
	if err != nil {
		fmt.Fprintln(os.Stderr, "check-models:", err)
		os.Exit(1)
	}
	if failed {
		os.Exit(exitTolerance)
	}
}

func run(models, only string, n int, like check) (failed bool, err error) {
	dir, err := os.MkdirTemp("", "secc-check-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	secc := filepath.Join(dir, "secc")
	if out, err := exec.Command("go", "build", "-o", secc, "./cmd/secc").CombinedOutput(); err != nil {
		return false, fmt.Errorf("build: %w\n%s", err, out)
	}
	fmt.Printf("%-28s %7s %7s %12s %12s %11s %11s %7s %9s %10s %10s\n", "network", "cases", "top-1", "max |diff|", "max |out|", "MiB online", "MiB set-up", "rounds", "s a case", "MiB server", "MiB client")
	for _, c := range checked {
		if only != "" && !slices.Contains(strings.Split(only, ","), c.name) {
			continue
		}
		if n > 0 {
			c.cases = n
		}
		k := like
		k.secc, k.model, k.dir, k.cases = secc, filepath.Join(models, c.name), filepath.Join(dir, c.name), c.cases
		if err := k.run(); err != nil {
			fmt.Printf("%-28s failed: %v\n", c.name, err)
			failed = true
			continue
		}
		fmt.Printf("%-28s %7d %7s %12.5f %12.3f %11.2f %11.2f %7d %9.2f %10.0f %10.0f\n", c.name, k.cases, fmt.Sprintf("%d/%d", k.agree, k.cases), k.diff, k.largest,
			k.online/(1<<20), k.setup/(1<<20), k.rounds, k.seconds/float64(k.cases), k.serverRSS/(1<<20), k.clientRSS/(1<<20))
		failed = failed || k.agree != k.cases
	}
	return failed, nil
}

// meta is what the file meta.json says.
type meta struct {
	Input string
	Shape []int
	Count int
	Elems int `json:"output_elems"`
	Scale []float64
	Shift []float64
}

// check is one network on its way.
type check struct {
	secc, model, dir string
	cases            int
	options          []string
	calibration      int
	verbose          bool

	predicted totals

	meta    meta
	images  []byte
	outputs []float32

	agree                int
	diff, largest        float64
	online, setup        float64
	rounds               int
	seconds              float64
	serverRSS, clientRSS float64
}

func (k *check) run() error {
	if err := k.load(); err != nil {
		return err
	}
	if err := k.compile(); err != nil {
		return err
	}
	stop, addr, err := k.serve()
	if err != nil {
		return err
	}
	for i := range k.cases {
		if err := k.client(addr, i); err != nil {
			return errors.Join(fmt.Errorf("case %d: %w", i, err), stop())
		}
	}
	return stop()
}

func (k *check) load() error {
	b, err := os.ReadFile(filepath.Join(k.model, "meta.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &k.meta); err != nil {
		return err
	}
	if k.images, err = os.ReadFile(filepath.Join(k.model, "images.u8")); err != nil {
		return err
	}
	if b, err = os.ReadFile(filepath.Join(k.model, "outputs.f32")); err != nil {
		return err
	}
	for ; len(b) >= 4; b = b[4:] {
		k.outputs = append(k.outputs, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	k.cases = min(k.cases, k.meta.Count-1)
	return os.Mkdir(k.dir, 0o700)
}

func (k *check) size() int { return len(k.images) / k.meta.Count }

// compile calibrates on cases that are not compared.
func (k *check) compile() error {
	rest := k.images[k.cases*k.size():]
	rest = rest[:min(len(rest), k.calibration*k.size())]
	calibration := filepath.Join(k.dir, "calibration.u8")
	if err := os.WriteFile(calibration, rest, 0o600); err != nil {
		return err
	}
	prep := "raw"
	if k.meta.Scale != nil {
		prep = "scale=" + colons(k.meta.Scale) + ",shift=" + colons(k.meta.Shift)
	}
	args := []string{"compile", filepath.Join(k.model, "model.onnx"), "-o", filepath.Join(k.dir, "model.plan"), "--calibrate", calibration, "--preprocess", prep, "--json"}
	cmd := exec.Command(k.secc, append(args, k.options...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	var a answer
	err = json.Unmarshal(out, &a)
	k.predicted = a.Total.totals
	return err
}

func colons(x []float64) string {
	s := make([]string, len(x))
	for i, v := range x {
		s[i] = fmt.Sprint(v)
	}
	return strings.Join(s, ":")
}

// serve starts the server; stop ends it and notes its peak memory.
func (k *check) serve() (stop func() error, addr string, err error) {
	ready := filepath.Join(k.dir, "ready")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, k.secc, "run", "--party=server", "--plan", filepath.Join(k.dir, "model.plan"), "--listen", "127.0.0.1:0", "--ready-file", ready)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if k.verbose {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, "", err
	}
	stop = func() error {
		cancel()
		if err := cmd.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("server: %w", err)
		}
		if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			k.serverRSS = float64(u.Maxrss) * 1024
		}
		return nil
	}
	for range 400 {
		if b, err := os.ReadFile(ready); err == nil {
			return stop, strings.TrimSpace(string(b)), nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	return nil, "", errors.Join(errors.New("the server does not start"), stop())
}

// totals are what a run must meet exactly.
type totals struct {
	Setup, Online struct {
		Up     float64 `json:"bytes_client_to_server"`
		Down   float64 `json:"bytes_server_to_client"`
		Rounds int
	}
	Rounds int
}

// answer is the part of run --json that is compared.
type answer struct {
	Total struct {
		totals
		Seconds float64
	}
	Outputs []struct{ Values []float32 }
	RSS     float64 `json:"peak_rss_bytes"`
}

// client runs one case.
func (k *check) client(addr string, i int) error {
	input := filepath.Join(k.dir, "case.u8")
	if err := os.WriteFile(input, k.images[i*k.size():(i+1)*k.size()], 0o600); err != nil {
		return err
	}
	cmd := exec.Command(k.secc, "run", "--party=client", "--plan", filepath.Join(k.dir, "model.plan"), "--connect", addr, "--input", input, "--json", "--quiet")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		return err
	}
	if len(a.Outputs) == 0 || len(a.Outputs[0].Values) != k.meta.Elems {
		return errors.New("the client's output has the wrong size")
	}
	if a.Total.totals != k.predicted {
		return fmt.Errorf("measured %+v, predicted %+v", a.Total.totals, k.predicted)
	}
	k.compare(a.Outputs[0].Values, k.outputs[i*k.meta.Elems:(i+1)*k.meta.Elems])
	k.online, k.setup, k.rounds = a.Total.Online.Up+a.Total.Online.Down, a.Total.Setup.Up+a.Total.Setup.Down, a.Total.Rounds
	k.seconds += a.Total.Seconds
	k.clientRSS = max(k.clientRSS, a.RSS)
	return nil
}

func (k *check) compare(got, want []float32) {
	for j := range want {
		k.diff = max(k.diff, math.Abs(float64(got[j]-want[j])))
		k.largest = max(k.largest, math.Abs(float64(want[j])))
	}
	if slices.Index(got, slices.Max(got)) == slices.Index(want, slices.Max(want)) {
		k.agree++
	} else if k.verbose {
		fmt.Fprintf(os.Stderr, "top-1 differs:\n got %v\nwant %v\n", got, want)
	}
}
