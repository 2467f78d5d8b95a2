package server

import (
	"sync"
	"time"
)

// refusals are those of the last minute. A client can be refused as often as it likes, and an audit
// only grows: so many of a client's are on record one by one, the others are counted.
type refusals struct {
	mu sync.Mutex
	of map[string]*refusedClient
}

type refusedClient struct {
	recorded, more int
	last           AuditRecord
}

// A client's refusals are counted once there were maxRefusals in a refusalTime. All those who show
// nothing are one client: addresses are had for nothing.
const (
	maxRefusals = 20
	refusalTime = time.Minute
)

// recordRefusal puts a refusal on record, or counts it.
func (s *Server) recordRefusal(who *Client, e AuditRecord) error {
	client := who.Name
	if who.stranger {
		client = ""
	}
	s.refusals.mu.Lock()
	defer s.refusals.mu.Unlock()
	of := s.refusals.of[client]
	if of == nil {
		of = new(refusedClient)
		s.refusals.of[client] = of
		time.AfterFunc(refusalTime, func() { s.sumUp(client) })
	}
	if of.recorded == maxRefusals {
		of.more, of.last = of.more+1, e
		return nil
	}
	of.recorded++
	return s.state.write(e)
}

// sumUp puts on record how many refusals of a client were counted.
func (s *Server) sumUp(client string) {
	s.refusals.mu.Lock()
	defer s.refusals.mu.Unlock()
	of := s.refusals.of[client]
	delete(s.refusals.of, client)
	if of == nil || of.more == 0 {
		return
	}
	of.last.Omitted = of.more - 1
	if err := s.state.write(of.last); err != nil {
		s.cfg.Log.Error("the audit cannot be written", "err", err)
	}
}

// sumUpAll does so for all clients, before the audit is closed.
func (s *Server) sumUpAll() {
	s.refusals.mu.Lock()
	var all []string
	for client := range s.refusals.of {
		all = append(all, client)
	}
	s.refusals.mu.Unlock()
	for _, client := range all {
		s.sumUp(client)
	}
}
