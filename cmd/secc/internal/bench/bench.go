// Package bench measures parts of the system on this machine. What it measures with two
// processes has one core a party: the server is this process, the client a second one.
package bench

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

// Schema names the JSON that all benchmarks print.
const Schema = "secc.bench/1"

// Report is one run of a benchmark; what a row holds is the benchmark's.
type Report[Row any] struct {
	Schema  string `json:"schema"`
	Machine string `json:"machine"`
	Rows    []Row  `json:"rows"`
}

// Commands are the benchmarks of parts: extensions, protocols, operators.
func Commands() []*cobra.Command {
	return []*cobra.Command{otCommand(), reluCommand(), functionsCommand(), linearCommand(), productsCommand(), coresCommand()}
}

// Machine describes where a benchmark ran.
func Machine() string {
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
