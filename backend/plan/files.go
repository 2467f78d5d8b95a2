package plan

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"secc.example/secc/internal/safefile"
)

// ErrOtherPlan says that weights were made with another plan.
var ErrOtherPlan = errors.New("weights of another plan")

// Save writes a plan and its weights; only their owner may read the latter. Both
// are on the disk before either name changes hands, so that a full disk leaves
// the old pair; the weights come first, since a server that finds the new plan
// must find them.
func Save(planPath, weightsPath string, p *Plan, w *Weights) error {
	b, err := Encode(p)
	if err != nil {
		return err
	}
	weights, err := finished(weightsPath, safefile.Private, w.copyTo)
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	defer weights.Discard()
	public, err := finished(planPath, safefile.Public, func(out io.Writer) error {
		_, err := out.Write(b)
		return err
	})
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	defer public.Discard()
	if err := weights.Commit(); err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	return public.Commit()
}

// finished writes a file that has yet to take its place.
func finished(path string, mode fs.FileMode, write func(io.Writer) error) (*safefile.File, error) {
	f, err := safefile.Create(path, mode)
	if err != nil {
		return nil, err
	}
	if err := write(f); err != nil {
		f.Discard()
		return nil, err
	}
	if err := f.Finish(); err != nil {
		f.Discard()
		return nil, err
	}
	return f, nil
}

// OpenWeightsFile opens the weights of a plan and checks all of them. The file
// that was checked stays open until close, whatever its name stands for later.
func OpenWeightsFile(path string, p *Plan) (w *Weights, close func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0) // a pipe that nobody writes to must not hold us up
	if err != nil {
		return nil, nil, err
	}
	if w, err = weightsIn(f, p); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return w, f.Close, nil
}

func weightsIn(f *os.File, p *Plan) (*Weights, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	w, err := OpenWeights(f, info.Size())
	if err != nil {
		return nil, err
	}
	d, err := p.Digest()
	if err != nil {
		return nil, err
	}
	if w.PlanDigest() != d {
		return nil, fmt.Errorf("%w: the weights were made with plan %.16s, this plan is %.16s", ErrOtherPlan, w.PlanDigest(), d)
	}
	return w, w.Verify()
}
