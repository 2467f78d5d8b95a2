package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"secc.example/secc/backend/plan"
)

func newVersionCmd() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			v := versionInfo()
			if asJSON {
				return printJSON(c.OutOrStdout(), v)
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), v)
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
}

func (v versionText) String() string {
	return fmt.Sprintf("secc %s (plan format %d, %s, %s)", v.Version, v.PlanFormat, v.Go, v.Platform)
}

func versionInfo() versionText {
	v := versionText{"devel", plan.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		v.Version = b.Main.Version
	}
	return v
}
