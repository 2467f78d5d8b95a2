// Command checkxray runs DenseNet-121 as two processes on radiographs as they
// come, PNG and DICOM, and compares the findings with onnxruntime's.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// exitTolerance is what secc's exit codes say for a wrong answer.
const exitTolerance = 4

// The files of the first four cases of outputs.f32, in their order.
var files = []string{"00005203_000", "00015915_000", "00006338_000", "00011564_008"}

func main() {
	model := flag.String("model", "../shared/models/densenet121_cxr", "directory of the network")
	tolerance := flag.Float64("tolerance", 0.02, "largest difference of a score")
	threads := flag.String("threads", "0", "cores of each party")
	target := flag.String("target", "", "as for secc compile")
	quick := flag.Bool("quick", false, "one DICOM file an image instead of all kinds")
	verbose := flag.Bool("v", false, "show the scores")
	flag.Parse()
	c := &check{model: *model, tolerance: *tolerance, threads: *threads, target: *target, quick: *quick, verbose: *verbose}
	if err := c.run(); err != nil {
		fmt.Fprintln(os.Stderr, "check-xray:", err)
		os.Exit(1)
	}
	if c.failed {
		os.Exit(exitTolerance)
	}
}

type check struct {
	model, threads, target string
	tolerance              float64
	quick, verbose, failed bool

	dir, secc, addr string
	labels          []string
	want            [][]float64
	printed         bytes.Buffer // all that either party has printed
}

func (c *check) run() (err error) {
	if c.dir, err = os.MkdirTemp("", "secc-xray-"); err != nil {
		return err
	}
	defer os.RemoveAll(c.dir)
	c.secc = filepath.Join(c.dir, "secc")
	if out, err := exec.Command("go", "build", "-o", c.secc, "./cmd/secc").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	if err := c.compile(); err != nil {
		return err
	}
	stop, err := c.serve()
	if err != nil {
		return err
	}
	fmt.Printf("%-14s %-38s %12s %-20s %8s %8s %8s\n", "image", "file", "max |diff|", "top finding", "MiB", "seconds", "")
	return errors.Join(c.images(), stop(), c.noPatient())
}

// compile calibrates on the cases that are not compared.
func (c *check) compile() error {
	var meta struct {
		Scale, Shift []float64
		Classes      []string
		Count        int
	}
	b, err := os.ReadFile(filepath.Join(c.model, "meta.json"))
	if err == nil {
		err = json.Unmarshal(b, &meta)
	}
	if err != nil {
		return err
	}
	c.labels = meta.Classes
	if c.want, err = scores(filepath.Join(c.model, "outputs.f32"), len(meta.Classes)); err != nil {
		return err
	}
	images, err := os.ReadFile(filepath.Join(c.model, "images.u8"))
	if err != nil {
		return err
	}
	calibration, labels := filepath.Join(c.dir, "calibration.u8"), filepath.Join(c.dir, "labels.txt")
	if err := errors.Join(os.WriteFile(calibration, images[len(files)*len(images)/meta.Count:], 0o600),
		os.WriteFile(labels, []byte(strings.Join(meta.Classes, "\n")+"\n"), 0o600)); err != nil {
		return err
	}
	out, err := exec.Command(c.secc, "compile", filepath.Join(c.model, "model.onnx"), "-o", filepath.Join(c.dir, "model.plan"),
		"--calibrate", calibration, "--labels", labels, "--target", c.target, "--profile", "loopback",
		"--preprocess", "crop=square,via=256,scale="+colons(meta.Scale)+",shift="+colons(meta.Shift)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("compile: %w\n%s", err, out)
	}
	return nil
}

func scores(path string, n int) (rows [][]float64, err error) {
	b, err := os.ReadFile(path)
	for len(b) >= 4*n {
		row := make([]float64, n)
		for i := range row {
			row[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		}
		rows, b = append(rows, row), b[4*n:]
	}
	return rows, err
}

func colons(x []float64) string {
	s := make([]string, len(x))
	for i, v := range x {
		s[i] = fmt.Sprint(v)
	}
	return strings.Join(s, ":")
}

// serve starts the server, which serves one client after the other.
func (c *check) serve() (stop func() error, err error) {
	ready := filepath.Join(c.dir, "ready")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, c.secc, "run", "--party=server", "--plan", filepath.Join(c.dir, "model.plan"),
		"--listen", "127.0.0.1:0", "--ready-file", ready, "--threads", c.threads)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	stop = func() error {
		cancel()
		err := cmd.Wait()
		c.printed.Write(printed.Bytes())
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("server: %w", err)
		}
		return nil
	}
	for range 400 {
		if b, err := os.ReadFile(ready); err == nil {
			c.addr = strings.TrimSpace(string(b))
			return stop, nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	return nil, errors.Join(errors.New("the server does not start"), stop())
}

func (c *check) images() error {
	for i, name := range files {
		path := filepath.Join(c.model, "png", name+".png")
		if err := c.client(i, "PNG", path); err != nil {
			return err
		}
		kinds := variants
		if c.quick {
			kinds = variants[i%len(variants):][:1]
		}
		for _, v := range kinds {
			if err := c.dicom(i, v, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *check) dicom(i int, v variant, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		return err
	}
	b, err := v.encode(img)
	if err != nil {
		return err
	}
	scan := filepath.Join(c.dir, "scan.dcm")
	if err := os.WriteFile(scan, b, 0o600); err != nil {
		return err
	}
	if v.second {
		scan += "#2"
	}
	return c.client(i, v.name, scan)
}

// answer is the part of run --json that is compared.
type answer struct {
	Total struct {
		Bytes   float64
		Seconds float64
	}
	Findings bool
	Labels   []struct {
		Index int
		Label string
		Score float64
	}
}

// client runs one case; everything it prints is kept.
func (c *check) client(i int, kind, input string) error {
	cmd := exec.Command(c.secc, "run", "--party=client", "--plan", filepath.Join(c.dir, "model.plan"), "--connect", c.addr, "--input", input, "--threads", c.threads, "--json")
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	c.printed.Write(out.Bytes())
	c.printed.Write(log.Bytes())
	if err != nil {
		return fmt.Errorf("client: %w\n%s", err, log.Bytes())
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return err
	}
	return c.compare(i, kind, &a)
}

func (c *check) compare(i int, kind string, a *answer) error {
	want := c.want[i]
	if !a.Findings || len(a.Labels) != len(want) {
		return fmt.Errorf("%d labels (findings: %v), the network has %d findings", len(a.Labels), a.Findings, len(want))
	}
	diff := 0.0
	for _, l := range a.Labels {
		diff = max(diff, math.Abs(l.Score-want[l.Index]))
		if l.Label != c.labels[l.Index] {
			return fmt.Errorf("finding %d is called %q, not %q", l.Index, l.Label, c.labels[l.Index])
		}
		if c.verbose {
			fmt.Printf("    %-20s %8.4f %8.4f\n", l.Label, l.Score, want[l.Index])
		}
	}
	best := slices.Index(want, slices.Max(want))
	verdict := "ok"
	if diff > c.tolerance || a.Labels[0].Index != best {
		verdict, c.failed = "WRONG", true
	}
	fmt.Printf("%-14s %-38s %12.5f %-20s %8.1f %8.2f %8s\n", files[i], kind, diff, a.Labels[0].Label, a.Total.Bytes/(1<<20), a.Total.Seconds, verdict)
	return nil
}

// noPatient looks for what names the patient in all that was printed.
func (c *check) noPatient() error {
	for t, values := range patient {
		for _, part := range strings.FieldsFunc(values[0], func(r rune) bool { return r == '^' || r == ' ' }) {
			if !strings.ContainsFunc(part, unicode.IsLetter) {
				continue // figures may hold any row of digits
			}
			if bytes.Contains(bytes.ToUpper(c.printed.Bytes()), []byte(part)) {
				return fmt.Errorf("a party has printed %q of attribute %v", part, t)
			}
		}
	}
	fmt.Printf("%d bytes printed by both parties: nothing of the patient's in them\n", c.printed.Len())
	return nil
}
