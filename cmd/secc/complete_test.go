package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every flag with a list of values is a flag, and the shell is told them.
func TestCompletesValues(t *testing.T) {
	for args, want := range map[string]string{
		"run --party ": "server", "compile --target ": "accuracy", "compile --profile ": "loopback", "compile --reveal ": "argmax",
	} {
		root := newRootCmd()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(new(bytes.Buffer))
		root.SetArgs(append([]string{cobra.ShellCompRequestCmd}, strings.Split(args, " ")...))
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(strings.Split(out.String(), "\n"), want) {
			t.Errorf("%q completes to %q, without %s", args, out.String(), want)
		}
	}
	known := map[string]bool{}
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRootCmd())
	for name := range flagValues {
		if !known[name] {
			t.Errorf("no command has a flag --%s", name)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	for args, want := range map[string]string{
		"complie model.onnx":                "compile?",
		"compile model.onnx --calibrat x":   "did you mean --calibrate?",
		"run --prty=server":                 "did you mean --party?",
		"compile model.onnx --no-such-flag": "see secc compile --help",
	} {
		root := newRootCmd()
		root.SetOut(new(bytes.Buffer))
		root.SetErr(new(bytes.Buffer))
		root.SetArgs(strings.Fields(args))
		if err := root.Execute(); err == nil || !strings.Contains(hintOf(err), want) {
			t.Errorf("%s: %v, hint %q", args, err, hintOf(err))
		}
	}
}
