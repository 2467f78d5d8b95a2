package main

import (
	"github.com/spf13/cobra"

	"secc.example/secc/cmd/secc/internal/bench"
)

func newBenchCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure parts of the system on this machine, two processes on loopback, one core each",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, part := range bench.Commands() {
		part.Args = usageArgs(part.Args)
		c.AddCommand(part)
	}
	c.AddCommand(newBenchNetworkCmd(), newBenchSpeedCmd())
	return c
}
