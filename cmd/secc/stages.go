package main

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"secc.example/secc/cmd/internal/process"
	"secc.example/secc/passes"
)

// stages follows a compilation: it says what is being done once that has taken
// two seconds and every five from then on, and notes how long each stage took.
type stages struct {
	w           io.Writer
	what        string
	start       time.Time
	stop, ended chan struct{}

	mu    sync.Mutex
	now   passes.Stage
	since time.Time // when this stage began, and the processor time then
	cpu   float64
	took  []stageTime
}

// stageTime is what a stage took, all its turns together.
type stageTime struct {
	name      string
	wall, cpu float64 // seconds
}

func follow(w io.Writer, what string) *stages {
	s := &stages{w: w, what: what, start: time.Now(), stop: make(chan struct{}), ended: make(chan struct{})}
	s.since, s.cpu = s.start, process.CPUSeconds()
	next := time.NewTimer(2 * time.Second)
	go func() {
		defer close(s.ended)
		defer next.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-next.C:
				fmt.Fprintf(s.w, "secc: %s\n", s)
				next.Reset(5 * time.Second)
			}
		}
	}()
	return s
}

// String says what is going on.
func (s *stages) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.what
	if s.now.Name != "" {
		text += ", " + s.now.Name
	}
	if s.now.Of > 0 {
		text += fmt.Sprintf(": %d of %d", s.now.Done, s.now.Of)
	}
	return fmt.Sprintf("%s, %.0f s so far", text, time.Since(s.start).Seconds())
}

// at is told of every step.
func (s *stages) at(now passes.Stage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Name != s.now.Name {
		s.note()
	}
	s.now = now
}

// note books the time since the stage began.
func (s *stages) note() {
	t, cpu := time.Now(), process.CPUSeconds()
	i := slices.IndexFunc(s.took, func(x stageTime) bool { return x.name == s.now.Name })
	if i < 0 {
		i, s.took = len(s.took), append(s.took, stageTime{name: s.now.Name})
	}
	s.took[i].wall += t.Sub(s.since).Seconds()
	s.took[i].cpu += cpu - s.cpu
	s.since, s.cpu = t, cpu
}

func (s *stages) begin(name string) { s.at(passes.Stage{Name: name}) }

// end stops the talk.
func (s *stages) end() {
	close(s.stop)
	<-s.ended
	s.begin("")
}

// table prints what each stage took, the short ones together.
func (s *stages) table(w io.Writer) {
	var rest, sum stageTime
	for _, x := range s.took {
		sum.wall, sum.cpu = sum.wall+x.wall, sum.cpu+x.cpu
		if x.wall < 0.05 && x.cpu < 0.05 {
			rest.wall, rest.cpu = rest.wall+x.wall, rest.cpu+x.cpu
			continue
		}
		x.print(w)
	}
	rest.name, sum.name = "the rest", "all"
	rest.print(w)
	sum.print(w)
}

func (x stageTime) print(w io.Writer) {
	fmt.Fprintf(w, "%-36s %7.2f s %7.2f CPU s\n", x.name, x.wall, x.cpu)
}
