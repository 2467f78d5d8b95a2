package main

import (
	"github.com/spf13/cobra"

	"secc.example/secc/cmd/internal/ask"
)

func newAskCmd() *cobra.Command {
	f := new(ask.Command)
	c := &cobra.Command{
		Use: ask.Use, Short: ask.Short, Long: ask.Long, Example: ask.Example,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			return f.Run(c.Context(), c.Flags(), args, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f.Register(c.Flags())
	return c
}
