// Command secc compiles trained networks to secure two-party inference and runs
// them: a server holds the weights, a client holds the input and learns the
// output, and neither learns anything else.
//
// This package holds flags, files and printing; what is computed is in the
// packages it calls.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"secc.example/secc/cmd/internal/out"
)

func main() { os.Exit(Main()) }

// Main is main without the exit, for tests.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	root := newRootCmd()
	results := out.New(os.Stdout)
	root.SetOut(results)
	root.SetErr(out.New(os.Stderr))
	err := root.ExecuteContext(ctx)
	if lost := results.Err(); lost != nil && err == nil {
		err = fmt.Errorf("standard output: %w", lost)
	}
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(root.ErrOrStderr(), "secc: interrupted")
		return exitInterrupted
	}
	if err != nil {
		report(root.ErrOrStderr(), err)
		return exitCode(err)
	}
	return exitOK
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:           "secc",
		Short:         "Compile ONNX networks to secure two-party inference and run them",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       versionInfo().String(),
		Args:          knownCommand,
		RunE: func(c *cobra.Command, _ []string) error {
			return c.Help()
		},
	}
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(newCompileCmd(), newCheckCmd(), newRewriteCmd(), newRunCmd(), newServeCmd(), newAskCmd(), newInspectCmd(), newCertCmd(), newSignCmd(), newAuditCmd(), newExplainCmd(), newEvalCmd(), newCompareCmd(), newDemoCmd(), newBenchCmd(), newVersionCmd())
	completeValues(root)
	return root
}

// usageArgs makes the errors of a positional-argument check usage errors, which name what is missing
// as the command's usage does, or what is one too many.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if check(c, args) == nil {
			return nil
		}
		takes := arguments(c)
		err := usage("%s: an argument is missing", c.CommandPath())
		switch {
		case len(args) < len(takes):
			err = usage("%s is missing", takes[len(args)])
		case len(takes) == 0:
			err = usage("%q: %s takes no arguments", args[0], c.CommandPath())
		case len(args) > len(takes):
			err = usage("%q is one argument too many: %s takes %s", args[len(takes)], c.CommandPath(), strings.Join(takes, " "))
		}
		return hint(err, "see "+c.CommandPath()+" --help")
	}
}

// arguments are the names of a command's arguments, as its usage has them: up to the first flag.
func arguments(c *cobra.Command) (names []string) {
	for _, word := range strings.Fields(c.Use)[1:] {
		if word = strings.Trim(strings.TrimSuffix(word, "..."), "[]"); strings.HasPrefix(word, "-") || word == "|" {
			break
		}
		if word != "" {
			names = append(names, word)
		}
	}
	return names
}

// report prints an error the way every command does.
func report(w io.Writer, err error) {
	fmt.Fprintf(w, "secc: error: %v\n", err)
	if h := hintOf(err); h != "" {
		fmt.Fprintf(w, "secc: hint: %s\n", h)
	}
}
