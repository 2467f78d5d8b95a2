package nonlinear

import "context"

// beside is what travels with the first flights of a comparison.
type beside interface {
	start(ctx context.Context, p *Party, n int) error // takes OTs and sends
	end(p *Party, n int) error                        // receives
}

// terms are products whose messages travel beside others.
type terms []term

func (t terms) start(ctx context.Context, p *Party, n int) error { return p.startProducts(ctx, n, t) }
func (t terms) end(p *Party, n int) error                        { return p.endProducts(n, t) }

// several are things that travel together.
type several []beside

func (s several) start(ctx context.Context, p *Party, n int) error {
	for _, b := range s {
		if err := b.start(ctx, p, n); err != nil {
			return err
		}
	}
	return nil
}

func (s several) end(p *Party, n int) error {
	for _, b := range s {
		if err := b.end(p, n); err != nil {
			return err
		}
	}
	return nil
}

// travel sends, with what stands beside, and then receives.
func (p *Party) travel(ctx context.Context, n int, with beside, send, receive func() error) error {
	if err := send(); err != nil {
		return err
	}
	if err := with.start(ctx, p, n); err != nil {
		return err
	}
	if err := p.Conn.Flush(); err != nil {
		return err
	}
	if err := receive(); err != nil {
		return err
	}
	return with.end(p, n)
}
