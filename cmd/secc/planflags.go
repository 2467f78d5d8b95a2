package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"secc.example/secc/backend/plan"
)

// refuseForPlan refuses flags that say how to compile where the file is a plan,
// which is compiled already: they would be ignored. Some may stand all the same.
func (f *compileFlags) refuseForPlan(c *cobra.Command, path string, may ...string) error {
	if !isPlanFile(path) {
		return nil
	}
	how := new(cobra.Command)
	new(compileFlags).register(how)
	var ignored []string
	c.Flags().Visit(func(given *pflag.Flag) {
		if how.Flags().Lookup(given.Name) != nil && !slices.Contains(may, given.Name) {
			ignored = append(ignored, "--"+given.Name)
		}
	})
	if len(ignored) == 0 {
		return nil
	}
	return hint(usage("%s is a plan: %s cannot change it any more", path, strings.Join(ignored, ", ")), "give the ONNX file with these flags, or compile it anew")
}

// isPlanFile looks at a file's first bytes; a file that cannot be read is for others to report.
func isPlanFile(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	head := make([]byte, 64)
	n, _ := file.Read(head) // whatever there is
	return plan.IsPlan(head[:n])
}
