// Command secc-client is the client of a secure inference and nothing else: it
// holds an input and a public plan, asks a server, and prints the answer. It
// contains no compiler; what it is made of is what an auditor of a client reads.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	goruntime "runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/cmd/internal/ask"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/out"
	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/client"
	"secc.example/secc/runtime/transport"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command is main with its surroundings named.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	results, log := out.New(stdout), out.New(stderr)
	var err error
	if len(args) > 0 && args[0] == "ask" {
		err = asked(ctx, args[1:], results, log)
	} else {
		err = infer(ctx, args, results, log)
	}
	if lost := results.Err(); lost != nil && err == nil {
		err = fmt.Errorf("standard output: %w", lost)
	}
	switch {
	case err == nil, errors.Is(err, pflag.ErrHelp):
		return exit.OK
	case ctx.Err() != nil:
		fmt.Fprintln(log, "secc-client: interrupted")
		return exit.Interrupted
	}
	fmt.Fprintf(log, "secc-client: error: %v\n", err)
	if h := exit.Hint(err); h != "" {
		fmt.Fprintf(log, "secc-client: hint: %s\n", h)
	}
	return exit.Code(err)
}

// asked asks a service's model: secc-client ask.
func asked(ctx context.Context, args []string, results, log io.Writer) error {
	fl := pflag.NewFlagSet("secc-client ask", pflag.ContinueOnError)
	fl.SetOutput(log)
	fl.SortFlags = false
	fl.Usage = func() {
		fmt.Fprintf(log, "%s\n\nUsage:\n  secc-client %s\n\nFlags:\n%s", ask.Long, ask.Use, fl.FlagUsages())
	}
	c := new(ask.Command)
	c.Register(fl)
	if err := fl.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return err
	} else if err != nil {
		return ask.Unread(args, results, exit.Hinted(exit.Usagef("%w", err), "see secc-client ask --help"))
	}
	if fl.NArg() == 0 {
		return ask.Unread(args, results, exit.Hinted(exit.Usagef("the address of a model is missing"), "see secc-client ask --help"))
	}
	return c.Run(ctx, fl, fl.Args(), os.Stdin, results, log)
}

// flags are those of secc run --party=client.
type flags struct {
	plan, connect, labels string
	inputs                []string
	top, threads, prepare int
	json, insecure        bool
	tls                   transport.TLSFiles
	tlsName               string
	timeout, stall        time.Duration
}

func parse(args []string, log io.Writer) (f flags, err error) {
	fl := pflag.NewFlagSet("secc-client", pflag.ContinueOnError)
	fl.SetOutput(log)
	fl.SortFlags = false
	fl.Usage = func() {
		fmt.Fprintf(log, "Ask a server for the answer of its network on your input, which it does not see.\n\nUsage:\n  secc-client --plan FILE --connect HOST:PORT --input FILE [flags]\n\nFlags:\n%s", fl.FlagUsages())
	}
	fl.StringVar(&f.plan, "plan", "", "the plan (the server needs the same)")
	fl.StringVar(&f.connect, "connect", "", "address of the server")
	fl.StringArrayVar(&f.inputs, "input", nil, "PNG, JPEG, DICOM (scan.dcm#2: its second frame), .npy, TensorProto .pb or raw float32; one for each input of the network, in order or as NAME=FILE; more, or a folder: several inferences in one session")
	fl.StringVar(&f.labels, "labels", "", "file with one label a line (default: the plan's)")
	fl.IntVar(&f.top, "top", 5, "how many labels to print (findings: all, if not given)")
	fl.BoolVar(&f.json, "json", false, "print JSON ("+plan.Schema+")")
	fl.StringVar(&f.tls.CA, "tls-ca", "", "who signed the server's certificate (PEM)")
	fl.StringVar(&f.tls.Cert, "tls-cert", "", "this client's certificate (PEM), if the server asks for one")
	fl.StringVar(&f.tls.Key, "tls-key", "", "its key (PEM)")
	fl.StringVar(&f.tlsName, "tls-server-name", "", "name expected in the server's certificate (default: the host of --connect)")
	fl.BoolVar(&f.insecure, "insecure", false, "talk in the clear to other machines")
	fl.IntVar(&f.threads, "threads", 0, "cores to use (default: all)")
	fl.DurationVar(&f.timeout, "timeout", time.Minute, "give up when nothing was heard from the server for so long")
	fl.IntVar(&f.prepare, "prepare", 0, "prepare so many inferences before their inputs are there, as far as the server grants it")
	fl.DurationVar(&f.stall, "stall", 0, "give up when nothing moved for so long (default: by the plan)")
	if err := fl.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return f, err
		}
		return f, exit.Hinted(exit.Usagef("%v", err), "see secc-client --help")
	}
	switch {
	case fl.NArg() > 0:
		err = exit.Usagef("%q is no flag", fl.Arg(0))
	case f.plan == "" || f.connect == "" || len(f.inputs) == 0:
		err = exit.Usagef("--plan, --connect and --input are needed")
	case f.timeout <= 0 || f.stall < 0 || f.threads < 0 || f.top < 0 || f.prepare < 0:
		err = exit.Usagef("--timeout must be positive, --stall, --threads, --prepare and --top not negative")
	}
	if !fl.Changed("top") {
		f.top = -f.top // findings are all printed
	}
	return f, err
}

func infer(ctx context.Context, args []string, results, log io.Writer) error {
	f, err := parse(args, log)
	if err != nil {
		return err
	}
	debug.SetTraceback("none") // a trace prints arguments, which here are keys and shares
	if f.threads = min(f.threads, goruntime.NumCPU()); f.threads > 0 {
		goruntime.GOMAXPROCS(f.threads)
	}
	cases, show, err := f.load(ctx, log)
	if err != nil {
		return err
	}
	c := client.Client{Plan: show.Plan, Address: f.connect, Insecure: f.insecure}
	c.Session = runtime.Config{Threads: f.threads, Stall: f.stall, Prepare: f.prepare, Transport: transport.Config{Idle: f.timeout}}
	if f.tls != (transport.TLSFiles{}) || f.tlsName != "" {
		host, _, err := net.SplitHostPort(f.connect)
		if err != nil {
			return exit.Usagef("--connect: %w", err)
		}
		if c.TLS, err = f.tls.Config(transport.Client, cmp.Or(f.tlsName, host)); err != nil {
			return exit.OfTLS(err)
		}
	}
	show.To = results
	var only []plan.OutputValues
	r, err := c.InferMany(ctx, cases, func(i int, r *plan.Report) error {
		only = r.Outputs
		return show.Answer(i, r)
	})
	if err != nil {
		return exit.OfClient(err)
	}
	if len(cases) == 1 {
		r.Outputs = only
	}
	return show.Session(r)
}

// load reads the files that the flags name.
func (f *flags) load(ctx context.Context, log io.Writer) (cases [][][]float32, show *answer.Show, err error) {
	b, err := input.ReadFile(f.plan)
	if err != nil {
		return nil, nil, err
	}
	p, err := plan.Decode(b)
	if err != nil {
		return nil, nil, exit.Usagef("%s: %w", f.plan, err)
	}
	labels := p.Labels
	if f.labels != "" {
		if labels, err = answer.ReadLabels(f.labels); err != nil {
			return nil, nil, exit.Usagef("labels: %w", err)
		}
	}
	if err := p.CheckLabels(labels); err != nil {
		return nil, nil, exit.Usagef("%w", err)
	}
	questions, err := input.Questions(ctx, f.inputs, input.Specs(p))
	if err != nil {
		return nil, nil, exit.Coded(exit.Usage, err)
	}
	show = &answer.Show{Plan: p, Labels: labels, Most: answer.Most{Classes: max(f.top, -f.top), AllFindings: f.top < 0}, JSON: f.json, Peak: func() int64 { return 0 }}
	warn := slog.New(slog.NewTextHandler(log, nil))
	for i := range questions {
		warnings := answer.Warnings(p, &questions[i])
		for _, text := range warnings {
			warn.Warn(text, "source", questions[i].Source)
		}
		cases = append(cases, questions[i].Values())
		show.Sources, show.Warned = append(show.Sources, questions[i].Source), append(show.Warned, warnings)
	}
	return cases, show, nil
}
