package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/process"
	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/receipt"
	"secc.example/secc/runtime/replay"
)

// replayFlags are the flags of secc audit replay.
type replayFlags struct {
	plan, receipt, key, transcript string
	inputs                         []string
	threads                        int
}

func newAuditReplayCmd() *cobra.Command {
	f := new(replayFlags)
	c := &cobra.Command{
		Use:   "replay RECORDING --plan FILE --receipt FILE",
		Short: "Make a client's half of a session again",
		Long: `Make a client's half of a session again, from what it recorded (secc ask --record), and
say whether every byte that it sent is what the protocol prescribes for its seed, its
inputs and what the server said. What it sent shows in the transcript that the server has
signed (--receipt) or has in its audit (--transcript); the recording is not believed in
anything. It holds the inputs: to be read by whoever the client lets see them.`,
		Example: `  secc audit replay 3b9f.record --plan cxr.plan --receipt 3b9f.json --key 5c0e... --input scan.dcm`,
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE:    func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	fl := c.Flags()
	fl.StringVar(&f.plan, "plan", "", "the plan of the session")
	fl.StringVar(&f.receipt, "receipt", "", "the server's receipt of the session")
	fl.StringVar(&f.key, "key", "", "public key (hexadecimal) that must have signed it")
	fl.StringVar(&f.transcript, "transcript", "", "in the place of a receipt: the transcript (hexadecimal) in the server's audit")
	fl.StringArrayVar(&f.inputs, "input", nil, "what the client says it has asked about, as for secc ask: must be what it put in")
	fl.IntVar(&f.threads, "threads", 0, "cores to use (default: all)")
	return c
}

func (f *replayFlags) run(c *cobra.Command, path string) error {
	if f.plan == "" || (f.receipt == "") == (f.transcript == "") {
		return usage("--plan and one of --receipt and --transcript are needed")
	}
	p, err := loadPlan(f.plan)
	if err != nil {
		return err
	}
	g, err := runtime.Prepare(p)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return usage("%w", err)
	}
	defer file.Close()
	recorded, err := replay.Open(file)
	if err != nil {
		return coded(exitUsage, fmt.Errorf("%s: %w", path, err))
	}
	want, by, err := f.said(recorded)
	if err != nil {
		return err
	}
	if err := recorded.Replay(c.Context(), g, runtime.Config{Threads: process.Tune(f.threads)}, want); err != nil {
		return fmt.Errorf("%s: %w", path, replayed(err))
	}
	if err := f.asked(c.Context(), p, recorded); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "the client followed the protocol: session %s (inferences: %d), plan %.16s, transcript %x%s\n", recorded.Session, recorded.Inferences, recorded.Plan, want, by)
	return err
}

// said is the transcript that a recording is held to, and who signed it.
func (f *replayFlags) said(r *replay.Recording) (sum [32]byte, by string, err error) {
	text := strings.ToLower(f.transcript)
	if f.receipt != "" {
		of, signed, err := readReceipt(f.receipt, f.key)
		if err != nil {
			return sum, "", err
		}
		if of.Session != r.Session || of.Inferences != r.Inferences {
			return sum, "", coded(exitAuth, fmt.Errorf("%w: it is of session %s with %d inferences, the recording of session %s with %d",
				receipt.ErrInvalid, of.Session, of.Inferences, r.Session, r.Inferences))
		}
		text, by = of.Transcript, ", signed by "+signed.PublicKey
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(sum) {
		return sum, "", usage("%q is no transcript: %d bytes in hexadecimal", text, len(sum))
	}
	return [32]byte(b), by, nil
}

// replayed gives what was found an exit code.
func replayed(err error) error {
	switch {
	case errors.Is(err, replay.ErrDeviates):
		return coded(exitViolation, err)
	case errors.Is(err, replay.ErrOther):
		return coded(exitAuth, err)
	case errors.Is(err, replay.ErrDamaged):
		return coded(exitUsage, err)
	}
	return err
}

// asked makes sure that the client put in what it says it asked about.
func (f *replayFlags) asked(ctx context.Context, p *plan.Plan, r *replay.Recording) error {
	if len(f.inputs) == 0 {
		return nil
	}
	questions, err := input.Questions(ctx, f.inputs, input.Specs(p))
	if err != nil {
		return usage("%w", err)
	}
	if len(questions) != r.Inferences {
		return coded(exitViolation, fmt.Errorf("the client asked about %d inputs, these are %d", r.Inferences, len(questions)))
	}
	for i := range questions {
		said, err := runtime.Encode(p, questions[i].Values())
		if err != nil {
			return usage("%s: %w", questions[i].Source, err)
		}
		put, err := r.Inputs(p, i)
		if err != nil {
			return err
		}
		if !slices.EqualFunc(said, put, func(a, b runtime.Vec) bool { return slices.Equal(a, b) }) {
			return coded(exitViolation, fmt.Errorf("inference %d: the client put in something else than %s", i+1, questions[i].Source))
		}
	}
	return nil
}
