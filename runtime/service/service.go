// Package service is a server of many sessions: who may connect, how many are served at
// once, and what happens to the others when one fails.
package service

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/guard"
	"secc.example/secc/runtime/transport"
)

// Config is what a server serves, and to how many.
type Config struct {
	Program *runtime.Program
	Weights runtime.Weights
	Session runtime.Config // its Admit is the server's
	TLS     *tls.Config    // nil: in the clear
	Link    transport.Link
	Log     *slog.Logger // nil: slog.Default

	Runs int64 // bytes of memory that are left to prepared runs (Session.Store)

	MaxSessions int  // 0: Sessions of the machine's memory
	Once        bool // Serve ends with the first client that says hello

	// Done sees the report of every session that succeeded, and that session's log.
	Done func(*slog.Logger, *plan.Report)
}

// Server serves a program. Its methods may be used by one Serve at a time.
type Server struct {
	cfg  Config
	gate runtime.Gate // inferences of all sessions go before what any prepares

	mu     sync.Mutex
	active int  // sessions beyond their hello
	open   int  // connections, greetings included
	used   bool // Once: somebody has been served
}

// greetings is how many connections beyond MaxSessions may be waiting for their hello: each
// holds some kilobytes for some seconds.
const greetings = 256

// New makes a server.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.MaxSessions <= 0 {
		cfg.MaxSessions = sessions(cfg.Program.MemoryAhead(max(cfg.Session.Prepare, min(cfg.Session.Keep, 1))).Server, beside(FreeMemory(), cfg.Runs))
	}
	if cfg.Once {
		cfg.MaxSessions = 1
	}
	return &Server{cfg: cfg}
}

// MaxSessions is how many clients are served at once.
func (s *Server) MaxSessions() int { return s.cfg.MaxSessions }

// beside is what is left of some memory; 0 where nobody tells how much there is.
func beside(memory, taken int64) int64 {
	if memory <= 0 {
		return 0
	}
	return max(1, memory-taken)
}

// sessions is how many of a size fit into some memory, of which a fifth is left to the rest of
// the machine; at least one. Where nobody tells how much there is, it is four.
func sessions(each, memory int64) int {
	if memory <= 0 {
		return 4
	}
	return int(max(1, memory/5*4/each))
}

// Serve accepts clients until the context ends, or with Once until one was served, whose
// error it returns. It closes l; sessions end with it.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var sessions sync.WaitGroup
	err := s.accept(ctx, l, &sessions, cancel)
	sessions.Wait()
	if over := (*onceOver)(nil); errors.As(context.Cause(ctx), &over) {
		return over.err
	}
	return err
}

// onceOver is why a server that serves once has ended.
type onceOver struct{ err error }

func (*onceOver) Error() string { return "one client was served" }

func (s *Server) accept(ctx context.Context, l net.Listener, sessions *sync.WaitGroup, cancel context.CancelCauseFunc) error {
	for id := 1; ; id++ {
		raw, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				raw.Close()
			}
			s.cfg.Log.Info("stopped")
			return nil
		case err != nil && passing(err): // a crowd of clients must not end the server
			s.cfg.Log.Warn("accept", "err", err)
			wait(ctx, 100*time.Millisecond)
			continue
		case err != nil:
			return fmt.Errorf("accept: %w", err)
		}
		sessions.Go(func() {
			if admitted, err := s.connection(ctx, raw, id); admitted && s.cfg.Once {
				cancel(&onceOver{err})
			}
		})
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// passing reports whether an error of Accept goes away by itself: no file
// descriptors are left, or a client hung up before its turn.
func passing(err error) bool {
	ne := net.Error(nil)
	return errors.As(err, &ne) && ne.Timeout() || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED)
}

// connection serves one connection, and tells whether it was a client's: one that has said
// hello. Whatever goes wrong ends it alone.
func (s *Server) connection(ctx context.Context, raw net.Conn, id int) (admitted bool, err error) {
	log := s.cfg.Log.With("session", id, "peer", raw.RemoteAddr().String())
	if !s.enter() {
		raw.Close()
		log.Warn("refused", "err", "too many connections that have not said hello")
		return false, transport.ErrBusy
	}
	defer s.leave()
	var report *plan.Report
	err = guard.Do(func() (err error) {
		conn, err := transport.Accepted(ctx, raw, s.cfg.TLS, s.cfg.Link)
		if err != nil {
			return err
		}
		cfg := s.cfg.Session
		cfg.Peer, cfg.Gate = transport.PeerName(conn), &s.gate
		cfg.Note = func(text string) { log.Info("prepared runs", "note", text) }
		cfg.Admit = func(inferences int) (func(), error) {
			if err := s.admit(); err != nil {
				return nil, err
			}
			admitted = true
			log.Info("open", "inferences", inferences)
			return s.release, nil
		}
		report, err = s.cfg.Program.Serve(ctx, conn, s.cfg.Weights, cfg)
		return err
	})
	if err == nil && s.cfg.Done != nil {
		s.cfg.Done(log, report)
	}
	LogEnd(log, admitted, err)
	return admitted, err
}

// LogEnd logs the error that a connection ended with, if any; a client is admitted that has
// said hello.
func LogEnd(log *slog.Logger, admitted bool, err error) {
	var ended *runtime.Ended
	switch {
	case err == nil:
		return
	case errors.Is(err, transport.ErrMute):
		log.Debug("a connection that said nothing", "err", err)
		return
	case admitted:
		log.Error("failed", "err", err)
	default:
		log.Warn("refused", "err", err)
	}
	if errors.As(err, &ended) {
		log.Debug("the chain of causes", "err", ended.Chain())
	}
}

// enter counts a connection, if there is room for one more greeting.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open-s.active >= greetings {
		return false
	}
	s.open++
	return true
}

// leave gives memory back when nobody is left: the collector would keep it for minutes.
func (s *Server) leave() {
	s.mu.Lock()
	s.open--
	idle := s.open == 0
	s.mu.Unlock()
	if idle {
		debug.FreeOSMemory()
	}
}

// admit counts a session in.
func (s *Server) admit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active >= s.cfg.MaxSessions || s.cfg.Once && s.used {
		return fmt.Errorf("%w: it serves %d of %d sessions", transport.ErrBusy, s.active, s.cfg.MaxSessions)
	}
	s.active++
	s.used = true
	return nil
}

func (s *Server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
}
