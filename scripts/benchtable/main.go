// Command benchtable merges files of secc bench network (secc.bench/1) into one,
// or prints them as a Markdown table; likewise what kernels and extensions take.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

// row is the part of a row that the table shows.
type row struct {
	Network   string                           `json:"network"`
	Profile   string                           `json:"profile"`
	Threads   int                              `json:"threads"`
	Bytes     float64                          `json:"bytes_total"`
	Rounds    int                              `json:"rounds"`
	Seconds   float64                          `json:"seconds"`
	Predicted float64                          `json:"predicted_seconds"`
	ServerCPU float64                          `json:"server_cpu_seconds"`
	ClientCPU float64                          `json:"client_cpu_seconds"`
	ExpectS   float64                          `json:"predicted_server_cpu_seconds"`
	ExpectC   float64                          `json:"predicted_client_cpu_seconds"`
	ServerRSS float64                          `json:"server_peak_rss_bytes"`
	ClientRSS float64                          `json:"client_peak_rss_bytes"`
	Memory    struct{ Server, Client float64 } `json:"predicted_memory_bytes"`
	Exact     bool                             `json:"bytes_and_rounds_as_predicted"`
}

func main() {
	table := flag.Bool("table", false, "print a table")
	bench := flag.String("kernels", "", "print the output of go test -bench as a table, a column a variant")
	ot := flag.String("ot", "", "print a file of secc bench ot as a table")
	page := flag.String("into", "", "put tables (NAME=FILE ...) into this page, between its marks")
	flag.Parse()
	var err error
	switch {
	case *bench != "":
		err = kernels(os.Stdout, *bench)
	case *ot != "":
		err = extensions(os.Stdout, *ot)
	case *page != "":
		err = into(*page, flag.Args())
	default:
		err = run(flag.Args(), *table)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchtable:", err)
		os.Exit(1)
	}
}

func run(files []string, table bool) error {
	all := map[string]any{}
	var rows []any
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var one map[string]any
		if err := json.Unmarshal(b, &one); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		more, _ := one["rows"].([]any)
		rows = append(rows, more...)
		all = one
	}
	all["rows"] = rows
	b, err := json.Marshal(all)
	if err != nil || !table {
		fmt.Println(string(b))
		return err
	}
	return show(b)
}

func show(b []byte) error {
	var rep struct{ Rows []row }
	if err := json.Unmarshal(b, &rep); err != nil {
		return err
	}
	fmt.Println("| network | link | threads | MiB | rounds | wall s (predicted) | server CPU s (predicted) | client CPU s (predicted) | server MiB (bound) | client MiB (bound) | bytes, rounds as predicted |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	const mib = 1 << 20
	for _, r := range rep.Rows {
		fmt.Printf("| %s | %s | %d | %.1f | %d | %.1f (%.1f) | %.2f (%.2f) | %.2f (%.2f) | %.0f (%.0f) | %.0f (%.0f) | %v |\n", r.Network, r.Profile, r.Threads, r.Bytes/mib, r.Rounds,
			r.Seconds, r.Predicted, r.ServerCPU, r.ExpectS, r.ClientCPU, r.ExpectC, r.ServerRSS/mib, r.Memory.Server/mib, r.ClientRSS/mib, r.Memory.Client/mib, r.Exact)
	}
	return nil
}
