package secc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/client"
	"secc.example/secc/runtime/service"
	"secc.example/secc/runtime/transport"
)

// Client asks a server: its Infer runs one session.
type Client = client.Client

// Server answers clients. The zero value of every field but Network will do.
type Server struct {
	Network     *Network
	TLS         *tls.Config  // nil: in the clear, and then only on this machine
	Insecure    bool         // in the clear to other machines too
	MaxSessions int          // clients served at once; 0: what fits into memory
	Log         *slog.Logger // nil: slog.Default
	Session     runtime.Config
}

// Serve answers clients until the context ends. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if s.Network.Weights == nil {
		return errors.Join(errors.New("a server needs the weights"), l.Close())
	}
	if s.TLS == nil && !s.Insecure {
		if err := transport.OnThisMachine(l.Addr()); err != nil {
			return errors.Join(err, l.Close())
		}
	}
	program, err := runtime.Prepare(s.Network.Plan)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return service.New(service.Config{
		Program: program, Weights: s.Network.Weights, Session: s.Session, TLS: s.TLS, Log: s.Log, MaxSessions: s.MaxSessions,
	}).Serve(ctx, l)
}

// Local runs both parties in this process, over a connection on this machine.
func Local(ctx context.Context, n *Network, inputs [][]float32) (*plan.Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() {
		served <- (&Server{Network: n, MaxSessions: 1, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	}()
	r, err := (&Client{Plan: n.Plan, Address: l.Addr().String()}).Infer(ctx, inputs)
	cancel()
	if ended := <-served; ended != nil && err != nil {
		err = fmt.Errorf("%w (server: %w)", err, ended)
	}
	return r, err
}

// Headed gives the inputs of the network proper: what the client's are after what it
// computes of them itself.
func Headed(p *plan.Plan, inputs [][]float32) ([]*num.Tensor, error) {
	values, err := runtime.Headed(p, inputs)
	if err != nil {
		return nil, err
	}
	var in []*num.Tensor
	for i, f := range p.Fed() {
		in = append(in, ir.NewReal(p.Slots[f.Slot].Shape, values[i]))
	}
	return in, nil
}

// Simulate computes what Local gives, in the clear and by the owner of the model:
// formats, rounding and comparisons behave as in a secure run, which it takes a
// fraction of. seed drives the roundings.
func Simulate(ctx context.Context, n *Network, inputs [][]float32, seed uint64) ([]plan.OutputValues, error) {
	g, err := n.Fixed()
	if err != nil {
		return nil, err
	}
	if _, err := tensors(input.Case(inputs), input.Specs(n.Plan)); err != nil {
		return nil, err
	}
	in, err := Headed(n.Plan, inputs)
	if err != nil {
		return nil, err
	}
	r, err := ir.Simulate(g, in, ir.SimOptions{Rounding: ir.Stochastic, Seed: seed, Stop: ctx.Err})
	if err != nil {
		return nil, err
	}
	var all []plan.OutputValues
	for i, o := range n.Plan.Outputs {
		all = append(all, plan.OutputValues{Name: o.Name, Shape: o.Shape, Values: r.Outputs[i].Floats()})
	}
	return all, nil
}
