package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagValues are what shells complete behind flags of a few values.
var flagValues = map[string][]string{
	"party":           {"server", "client"},
	"target":          {"accuracy", "cost"},
	"profile":         {"lan", "wan", "loopback", "rtt=40ms,bw=400M"},
	"shape":           {"lan", "wan", "rtt=40ms,bw=400M"},
	"reveal":          {"values", "argmax", "topk:"},
	"reveal-rounding": {"exact", "stochastic"},
	"truncation":      {"stochastic", "exact"},
	"linear":          {"rlwe", "ot", "auto"},
	"winograd":        {"auto", "off", "force"},
	"preprocess":      {"imagenet", "unit", "raw"},
	"format":          {"table", "json", "csv"},
	"link":            {"loopback", "lan", "wan", "rtt=40ms,bw=400M"},
	"write":           {"json", "html", "png", "sc", "sr"},
	"log-format":      {"text", "json"},
}

// completeValues makes the shell complete the values of flags, in all commands.
func completeValues(c *cobra.Command) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if values := flagValues[f.Name]; values != nil {
			_ = c.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
		}
	})
	for _, sub := range c.Commands() {
		completeValues(sub)
	}
}

// flagError says of a flag that is none which one may be meant.
func flagError(c *cobra.Command, err error) error {
	advice := "see " + c.CommandPath() + " --help"
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		if near := similarFlags(c, name); near != nil {
			advice = fmt.Sprintf("did you mean %s? %s", strings.Join(near, " or "), advice)
		}
	}
	return hint(usage("%v", err), advice)
}

// similarFlags asks cobra, which knows how far names of commands are from each other.
func similarFlags(c *cobra.Command, name string) (near []string) {
	names := &cobra.Command{SuggestionsMinimumDistance: 2}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
		}
	})
	for _, s := range names.SuggestionsFor(name) {
		near = append(near, "--"+s)
	}
	return near
}

// knownCommand refuses what is no command, and says which one may be meant.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	advice := "see " + c.CommandPath() + " --help"
	if c.SuggestionsMinimumDistance <= 0 {
		c.SuggestionsMinimumDistance = 2
	}
	if near := c.SuggestionsFor(args[0]); near != nil {
		advice = fmt.Sprintf("did you mean %s?", strings.Join(near, " or "))
	}
	return hint(usage("unknown command %q for %q", args[0], c.CommandPath()), advice)
}
