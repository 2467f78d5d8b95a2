package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"secc.example/secc"
	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/internal/kernel"
)

func newVersionCmd() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := kernel.Check(); err != nil {
				return usage("%w", err)
			}
			v := versionInfo()
			if asJSON {
				return out.JSON(c.OutOrStdout(), v)
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s\nkernels: %s\n", v, kernel.Summary())
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

type versionText struct {
	Version    string `json:"version"`
	PlanFormat int    `json:"plan_format"`
	Go         string `json:"go"`
	Platform   string `json:"platform"`
	// Kernels says which variant of every hot loop runs on this processor.
	Kernels map[string]string `json:"kernels"`
}

func (v versionText) String() string {
	return fmt.Sprintf("secc %s (plan format %d, %s, %s)", v.Version, v.PlanFormat, v.Go, v.Platform)
}

func versionInfo() versionText {
	v := versionText{secc.Version(), plan.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, map[string]string{}}
	for _, k := range kernel.All() {
		v.Kernels[k.Name()] = k.Variant().String()
	}
	return v
}
