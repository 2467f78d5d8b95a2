package main

import (
	"os"

	"github.com/spf13/cobra"

	"secc.example/secc/cmd/internal/ask"
)

func newAskCmd() *cobra.Command {
	f := new(ask.Command)
	c := &cobra.Command{
		Use: ask.Use, Short: ask.Short, Long: ask.Long, Example: ask.Example,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return ask.Unread(os.Args, c.OutOrStdout(), hint(usage("the address of a model is missing"), "see secc ask --help"))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return ask.Unread(os.Args, c.OutOrStdout(), err)
			}
			return f.Run(c.Context(), c.Flags(), args, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f.Register(c.Flags())
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return ask.Unread(os.Args, c.OutOrStdout(), flagError(c, err))
	})
	return c
}
