// Command checkaccuracy measures how close the compiler's fixed-point forms of
// real networks come to onnxruntime's answers, and prints the table of
// docs/evidence/ACCURACY.md.
//
// Every network is compiled once for each target, with formats calibrated on its
// first few cases, and evaluated on all of them through the command line; those
// that formats were not fitted to are counted apart.
package main

import (
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
)

// What must hold.
const (
	leastAgreement = 0.99  // answers with onnxruntime's best class
	mostAUROC      = 0.005 // change of the area under the ROC curve
	mostRing       = 18    // mean ring bits with --target cost
	mostCompared   = 14    // mean compared bits with --target cost
)

// exitTolerance is what secc's exit codes say for a wrong answer.
const exitTolerance = 4

// settings are the command's flags.
type settings struct {
	models, only, targets string
	calibrate, secure     int
	update, verbose       bool
	secc                  string
	dir                   string
}

func main() {
	s := new(settings)
	flag.StringVar(&s.models, "models", "../shared/models", "directory of the networks")
	flag.StringVar(&s.only, "only", "", "names of the networks to check, separated by commas")
	flag.StringVar(&s.targets, "targets", "accuracy,cost", "what to compile for (--target), separated by commas; default stands for no target")
	flag.IntVar(&s.calibrate, "calibrate", 8, "how many of a network's cases, the first ones, formats are fitted to")
	flag.IntVar(&s.secure, "secure", 0, "run so many cases of each network through the real protocol too")
	flag.BoolVar(&s.update, "update", false, "write the table into docs/evidence/ACCURACY.md")
	flag.BoolVar(&s.verbose, "v", false, "show what secc prints")
	flag.Parse()
	failed, err := s.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "check-accuracy:", err)
		os.Exit(1)
	}
	if failed {
		os.Exit(exitTolerance)
	}
}

func (s *settings) run() (failed bool, err error) {
	if s.dir, err = os.MkdirTemp("", "secc-accuracy-"); err != nil {
		return false, err
	}
	defer os.RemoveAll(s.dir)
	s.secc = filepath.Join(s.dir, "secc")
	if out, err := exec.Command("go", "build", "-o", s.secc, "./cmd/secc").CombinedOutput(); err != nil {
		return false, fmt.Errorf("build: %w\n%s", err, out)
	}
	names, err := s.networks()
	if err != nil {
		return false, err
	}
	rows := []string{head, strings.Repeat("| --- ", strings.Count(head, "|")-1) + "|"}
	fmt.Println(strings.Join(rows, "\n"))
	for _, name := range names {
		for _, target := range strings.Split(s.targets, ",") {
			row, misses := s.check(name, target)
			rows = append(rows, row)
			fmt.Println(row)
			for _, m := range misses {
				fmt.Fprintf(os.Stderr, "check-accuracy: %s, %s: %s\n", name, target, m)
				failed = true
			}
		}
	}
	if s.update {
		err = updateTable("docs/evidence/ACCURACY.md", rows)
	}
	return failed, err
}

// networks lists the directories that hold a model with cases.
func (s *settings) networks() (names []string, err error) {
	found, err := filepath.Glob(filepath.Join(s.models, "*", "outputs.f32"))
	for _, path := range found {
		name := filepath.Base(filepath.Dir(path))
		if s.only == "" || slices.Contains(strings.Split(s.only, ","), name) {
			names = append(names, name)
		}
	}
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("no networks in %s", s.models)
	}
	return names, err
}

// check compiles and evaluates one network for one target. What goes wrong is
// a miss like any other: the other networks are still measured.
func (s *settings) check(name, target string) (row string, misses []string) {
	c := &network{settings: s, dir: filepath.Join(s.models, name), name: name, target: target}
	err := c.load()
	if err == nil {
		err = c.evaluate()
	}
	if err != nil {
		return fmt.Sprintf("| %s | %s | failed |", name, target), []string{err.Error()}
	}
	return c.row(), c.misses()
}

// network is one network compiled for one target.
type network struct {
	*settings
	dir, name, target string

	meta       meta
	calibrated int
	report     report
}

// meta is what the file meta.json says.
type meta struct {
	Count   int
	Scale   []float64
	Shift   []float64
	Labels  []int
	Classes []string
	From    []struct {
		Over []string `json:"labels_over_half"`
	} `json:"images_from"`
}

// report is the part of secc eval --json that is used.
type report struct {
	score
	Float, Simulator, Secure *score
	Formats                  struct {
		Ring     extent `json:"ring_bits"`
		Fraction extent `json:"fraction_bits"`
		Weight   extent `json:"weight_bits"`
		Compared extent `json:"compared_bits"`
	}
	Overflow float64 `json:"overflow_probability"`
	Bytes    float64
	Wrapped  int
	Over     int `json:"over_range"`
	Elements int
}

type score struct {
	Cases     int
	Agreement float64 `json:"top1_agreement"`
	Top1      *float64
	AUROC     *float64
	MaxError  float64 `json:"max_abs_error"`
	MeanError float64 `json:"mean_abs_error"`
	MaxAbs    float64 `json:"max_abs"`
	Seconds   float64 `json:"seconds_per_input"`
	Disagree  []struct {
		Example int
		Margin  float64
	} `json:"disagreements"`
}

type extent struct {
	Min, Max int
	Mean     float64
}

func (c *network) load() error {
	b, err := os.ReadFile(filepath.Join(c.dir, "meta.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &c.meta); err != nil {
		return err
	}
	images, err := os.ReadFile(filepath.Join(c.dir, "images.u8"))
	if err != nil {
		return err
	}
	if c.meta.Count < 1 || len(images)%c.meta.Count != 0 {
		return errors.New("meta.json and images.u8 do not fit together")
	}
	c.calibrated = min(c.calibrate, c.meta.Count)
	return os.WriteFile(c.calibration(), images[:c.calibrated*len(images)/c.meta.Count], 0o600)
}

func (c *network) calibration() string { return filepath.Join(c.settings.dir, "calibration.u8") }

// evaluate runs secc eval on all cases.
func (c *network) evaluate() error {
	prep := "raw"
	if c.meta.Scale != nil {
		prep = "scale=" + colons(c.meta.Scale) + ",shift=" + colons(c.meta.Shift)
	}
	args := []string{"eval", filepath.Join(c.dir, "model.onnx"), "--json", "--quiet", "--calibrate", c.calibration(), "--preprocess", prep,
		"--data", filepath.Join(c.dir, "images.u8"), "--reference", filepath.Join(c.dir, "outputs.f32")}
	if c.target != "default" {
		args = append(args, "--target", c.target)
	}
	if c.secure > 0 {
		args = append(args, "--secure", "--secure-n", fmt.Sprint(c.secure))
	}
	labels, err := c.labels()
	if err != nil {
		return err
	}
	if labels != "" {
		args = append(args, "--labels", labels)
	}
	cmd := exec.Command(c.secc, args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if c.verbose || err != nil {
		fmt.Fprintf(os.Stderr, "%s\n%s%s", cmd, said.String(), out)
	}
	if err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	return json.Unmarshal(out, &c.report)
}

// labels writes the right answers where they are known: a class a case, or for
// radiographs a 0 or 1 for every finding.
func (c *network) labels() (path string, err error) {
	var lines []string
	for _, class := range c.meta.Labels {
		lines = append(lines, fmt.Sprint(class))
	}
	if len(c.meta.Classes) > 0 && len(c.meta.From) == c.meta.Count {
		lines = nil
		for _, image := range c.meta.From {
			row := make([]string, len(c.meta.Classes))
			for i, class := range c.meta.Classes {
				row[i] = "0"
				if slices.Contains(image.Over, class) {
					row[i] = "1"
				}
			}
			lines = append(lines, strings.Join(row, " "))
		}
	}
	if lines == nil {
		return "", nil
	}
	path = filepath.Join(c.settings.dir, "labels.txt")
	return path, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600)
}

func colons(x []float64) string {
	s := make([]string, len(x))
	for i, v := range x {
		s[i] = fmt.Sprint(v)
	}
	return strings.Join(s, ":")
}

// misses says what does not hold.
func (c *network) misses() (all []string) {
	r := c.report
	for form, s := range map[string]*score{"simulated": r.Simulator, "secure": r.Secure} {
		if s == nil {
			continue
		}
		if s.Agreement < leastAgreement {
			all = append(all, fmt.Sprintf("%s: %.1f %% of %d cases agree with onnxruntime, at least %.0f %% must; cases and margins: %v", form, 100*s.Agreement, s.Cases, 100*leastAgreement, s.Disagree))
		}
		if s == r.Simulator {
			if hits, cases := c.heldOut(); float64(hits) < math.Floor(leastAgreement*float64(cases)) {
				all = append(all, fmt.Sprintf("%s: of %d cases that formats were not fitted to %d agree with onnxruntime, at least %.0f must", form, cases, hits, math.Floor(leastAgreement*float64(cases))))
			}
		}
		if s == r.Simulator && s.AUROC != nil && max(c.shift(), -c.shift()) > mostAUROC {
			all = append(all, fmt.Sprintf("AUROC changes by %+.4f, at most %.3f may be", c.shift(), mostAUROC))
		}
	}
	if c.target == "cost" && (r.Formats.Ring.Mean > mostRing || r.Formats.Compared.Mean > mostCompared) {
		all = append(all, fmt.Sprintf("mean ring %.1f and compared %.1f bits, at most %d and %d may be", r.Formats.Ring.Mean, r.Formats.Compared.Mean, mostRing, mostCompared))
	}
	return all
}

// heldOut counts the cases that formats were not fitted to, and those of them
// whose simulated answer agrees.
func (c *network) heldOut() (hits, cases int) {
	s := c.report.Simulator
	cases = s.Cases - c.calibrated
	hits = cases
	for _, d := range s.Disagree { // counted from 1
		if d.Example > c.calibrated {
			hits--
		}
	}
	return hits, cases
}

// shift is the change of the AUROC from float to fixed point.
func (c *network) shift() float64 { return *c.report.Simulator.AUROC - *c.report.Float.AUROC }
