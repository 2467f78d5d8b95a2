// Package client is the client's side of an inference from its numbers to the
// answer: it connects, runs a session and decodes. It needs no compiler.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/transport"
)

// Client asks a server.
type Client struct {
	Plan     *plan.Plan     // the same as the server's
	Address  string         // host:port
	TLS      *tls.Config    // nil: in the clear, and then only to this machine
	Insecure bool           // in the clear to other machines too
	Link     transport.Link // a network to imitate
	Session  runtime.Config

	// Begin may change a session that is about to begin, for whoever records it.
	Begin func(*runtime.Program, runtime.Inferences, runtime.Config) (runtime.Inferences, runtime.Config)

	// Connect opens the connection in the place of all the above but the plan.
	Connect func(ctx context.Context) (net.Conn, error)
}

// ErrInput says that the inputs are not those that the plan takes.
var ErrInput = errors.New("the inputs do not fit the plan")

// ConnectError says that no connection came about.
type ConnectError struct{ Err error }

func (e *ConnectError) Error() string { return e.Err.Error() }
func (e *ConnectError) Unwrap() error { return e.Err }

// Infer runs one session: inputs holds the values of every input, in row-major
// order. The report holds the answer and what it took.
func (c *Client) Infer(ctx context.Context, inputs [][]float32) (*plan.Report, error) {
	var outputs []plan.OutputValues
	report, err := c.InferMany(ctx, [][][]float32{inputs}, func(_ int, r *plan.Report) error {
		outputs = r.Outputs
		return nil
	})
	if err != nil {
		return nil, err
	}
	report.Outputs = outputs
	return report, nil
}

// InferMany runs one session for several inferences, one after the other: what a session is
// set up with is made once. answer takes each as soon as it is there, with what it took but
// for the set-up; the report is of all together. An error of answer ends the session. There may be
// no case where runs are prepared to be kept (Session.Keep).
func (c *Client) InferMany(ctx context.Context, cases [][][]float32, answer func(i int, r *plan.Report) error) (*plan.Report, error) {
	for i, inputs := range cases { // nobody is asked before all is known to be right
		if _, err := runtime.Encode(c.Plan, inputs); err != nil {
			return nil, errInput(err, i, len(cases))
		}
	}
	g, err := runtime.Prepare(c.Plan)
	if err != nil {
		return nil, err
	}
	conn, err := c.Dial(ctx)
	if err != nil {
		return nil, err
	}
	q, cfg := runtime.Inferences{
		N:     len(cases),
		Input: func(i int) ([]runtime.Vec, error) { return runtime.Encode(c.Plan, cases[i]) },
		Answer: func(i int, out []runtime.Vec, r *plan.Report) (err error) {
			if r.Outputs, err = runtime.Decode(c.Plan, out); err != nil {
				return err
			}
			return answer(i, r)
		},
	}, c.Session
	if cfg.Peer == "" {
		cfg.Peer = c.server()
	}
	if c.Begin != nil {
		q, cfg = c.Begin(g, q, cfg)
	}
	return g.RunMany(ctx, conn, q, cfg)
}

// server is who the server is to this client, once it has connected: the name in its certificate
// or, in the clear, its host.
func (c *Client) server() string {
	if c.TLS != nil && c.TLS.ServerName != "" {
		return "name " + c.TLS.ServerName
	}
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		host = c.Address
	}
	return "host " + host
}

func errInput(err error, i, of int) error {
	if of > 1 {
		return fmt.Errorf("%w: inference %d: %w", ErrInput, i+1, err)
	}
	return fmt.Errorf("%w: %w", ErrInput, err)
}

// Dial connects. What is checked for being on this machine is the address that is
// then connected to, not one that the name had a moment before.
func (c *Client) Dial(ctx context.Context) (net.Conn, error) {
	if c.Connect != nil {
		return c.Connect(ctx)
	}
	d := transport.Dialer{TLS: c.TLS, Link: c.Link}
	if c.TLS == nil && !c.Insecure {
		d.Allow = transport.OnThisMachine
	}
	conn, err := d.Dial(ctx, c.Address)
	if err != nil {
		return nil, &ConnectError{err}
	}
	return conn, nil
}
