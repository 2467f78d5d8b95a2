package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// variants are those of internal/kernel, fastest first.
var variants = []string{"ifma", "avx512", "vaes", "avx2", "neon", "portable"}

// measured is a kernel's figure in one variant.
type measured struct {
	unit  string
	value float64
}

// kernels prints the output of go test -bench as a table, a column a variant: what an operation
// takes in its own unit (ns/hash, ns/MAC), or nanoseconds of processor time, or of wall time.
func kernels(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var names []string
	all := map[string]map[string]measured{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, variant, m, ok := parseBenchmark(lines.Text())
		if !ok {
			continue
		}
		if all[name] == nil {
			all[name] = map[string]measured{}
			names = append(names, name)
		}
		all[name][variant] = m
	}
	if err := lines.Err(); err != nil {
		return err
	}
	var columns []string
	for _, v := range variants {
		if slices.ContainsFunc(names, func(n string) bool { _, has := all[n][v]; return has }) {
			columns = append(columns, v)
		}
	}
	fmt.Fprintf(w, "| kernel | unit | %s |\n|---|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, n := range names {
		var unit string
		var cells []string
		for _, v := range columns {
			cell := ""
			if m, ok := all[n][v]; ok {
				unit, cell = m.unit, threeDigits(m.value)
			}
			cells = append(cells, cell)
		}
		fmt.Fprintf(w, "| %s | %s | %s |\n", n, unit, strings.Join(cells, " | "))
	}
	return nil
}

func threeDigits(x float64) string {
	if x >= 100 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

var cores = regexp.MustCompile(`-\d+$`)

// parseBenchmark takes a line apart; the variant is one of the elements of its name.
func parseBenchmark(line string) (name, variant string, m measured, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
		return "", "", m, false
	}
	var rest []string
	for _, part := range strings.Split(strings.TrimPrefix(cores.ReplaceAllString(fields[0], ""), "Benchmark"), "/") {
		if slices.Contains(variants, part) {
			variant = part
		} else if part != "Kernels" {
			rest = append(rest, part)
		}
	}
	rank := -1
	for i := 2; i+1 < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		unit := fields[i+1]
		if r := slices.Index([]string{"ns/op", "cpu-ns/op", ""}, unit); err == nil && value > 0 {
			if r < 0 && strings.HasPrefix(unit, "ns/") {
				r = 2 // of its own
			}
			if r > rank {
				rank, m = r, measured{unit, value}
			}
		}
	}
	return strings.ReplaceAll(strings.Join(rest, " "), "_", " "), variant, m, variant != "" && rank >= 0
}

// extensions prints secc bench ot.
func extensions(w io.Writer, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var rep struct {
		Rows []struct {
			Name   string  `json:"name"`
			Rate   float64 `json:"cots_per_second"`
			PerCPU float64 `json:"cots_per_cpu_second"`
			Bits   float64 `json:"bits_per_cot"`
			Setup  int64   `json:"setup_bytes"`
		}
	}
	if err := json.Unmarshal(b, &rep); err != nil {
		return err
	}
	fmt.Fprintln(w, "| extension | million a second | a CPU second of the busier party | bits a COT | set-up bytes |\n|---|---|---|---|---|")
	for _, r := range rep.Rows {
		fmt.Fprintf(w, "| %s | %.0f | %.0f | %.3g | %d |\n", r.Name, r.Rate/1e6, r.PerCPU/1e6, r.Bits, r.Setup)
	}
	return nil
}

// into puts tables into a page, each between the marks of its name: name=file.
func into(page string, tables []string) error {
	b, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	text := string(b)
	for _, t := range tables {
		name, file, _ := strings.Cut(t, "=")
		table, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
		at, to := strings.Index(text, begin), strings.Index(text, end)
		if at < 0 || to < at {
			return fmt.Errorf("%s has no marks %q and %q", page, begin, end)
		}
		text = text[:at+len(begin)] + string(table) + text[to:]
	}
	return os.WriteFile(page, []byte(text), 0o644)
}
