package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"secc.example/secc/backend/choose"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/cmd/internal/process"
	"secc.example/secc/cmd/secc/internal/bench"
	"secc.example/secc/internal/kernel"
)

func newBenchSpeedCmd() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "speed",
		Short: "Measure how fast this machine is beside the one that predicted seconds are for",
		Long: `Run two small networks, one of convolutions and one of relus, with both parties in
this process, and set their processor time beside the prediction: 1.3 means that
work takes 1.3 times as long here. "secc bench network" corrects its predictions so.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := measureSpeed(c.Context())
			if err != nil {
				return err
			}
			rep := bench.Report[choose.Speed]{Schema: bench.Schema, Machine: bench.Machine() + "; " + kernel.Summary(), Rows: []choose.Speed{s}}
			if asJSON {
				return out.JSON(c.OutOrStdout(), rep)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s\nlinear operators take %.2f times as long here, all else %.2f times\n", rep.Machine, s.Linear, s.Nonlinear)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON ("+bench.Schema+")")
	return c
}

// speedHere runs bench speed in a process of its own: in this one a heap full of
// what was compiled would make the collector part of what is measured.
func speedHere(ctx context.Context) (s choose.Speed, err error) {
	cmd, err := process.Again(ctx, "bench", "speed", "--json")
	if err != nil {
		return s, err
	}
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("bench speed: %w", err)
	}
	var rep bench.Report[choose.Speed]
	if err := json.Unmarshal(out, &rep); err != nil {
		return s, fmt.Errorf("bench speed: %w", err)
	}
	if len(rep.Rows) != 1 {
		return s, fmt.Errorf("bench speed: %d rows", len(rep.Rows))
	}
	return rep.Rows[0], nil
}
