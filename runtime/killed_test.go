//go:build unix

package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// Environment of a party in a process of its own: where its peer listens, whose part it has, and the
// folder of both stores.
const (
	partyAddress = "SECC_TEST_PARTY"
	partyRole    = "SECC_TEST_PARTY_ROLE"
	partyFolder  = "SECC_TEST_PARTY_FOLDER"
)

// witness writes down which runs a party reserved, and forbids nothing.
type witness struct{ log *os.File }

func (w witness) Reserve(_ context.Context, n store.Name) error {
	_, err := fmt.Fprintf(w.log, "%x/%d\n", n.Session, n.Number)
	return err
}

// party is one of two with stores on the disk.
type party struct {
	*duo
	role transport.Role
	log  *os.File
}

func newParty(t *testing.T, dir string, role transport.Role) *party {
	t.Helper()
	d := newDuo(t)
	var err error
	if d.stores[role], err = store.Open(filepath.Join(dir, role.String()), store.Key{1, 2, 3}, 0); err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(dir, role.String()+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	d.stores[role].Watched(witness{log})
	return &party{d, role, log}
}

func (p *party) close() error { return errors.Join(p.stores[p.role].Close(), p.log.Close()) }

// live is this party's side of a session of two inferences, after which three runs are kept.
func (p *party) live(t *testing.T, conn net.Conn, see func(Progress)) (*plan.Report, error) {
	cfg := p.config(p.role, 3)
	cfg.Prepare, cfg.Progress = 1, see
	if p.role == transport.Server {
		return p.g.Serve(t.Context(), conn, p.w, cfg)
	}
	return p.g.RunMany(t.Context(), conn, p.asks(2), cfg)
}

// A party in a process of its own: TestPartiesAreKilled starts it, and kills it.
func TestParty(t *testing.T) {
	address := os.Getenv(partyAddress)
	if address == "" {
		return
	}
	role := transport.Server
	if os.Getenv(partyRole) == transport.Client.String() {
		role = transport.Client
	}
	p := newParty(t, os.Getenv(partyFolder), role)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.live(t, conn, nil); err != nil {
		t.Error(err)
	}
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
}

// fuse is a connection that blows once so many bytes have passed, both ways together.
type fuse struct {
	net.Conn
	left atomic.Int64
	once sync.Once
	blow func()
}

func (f *fuse) passed(n int) {
	if f.left.Add(-int64(n)) <= 0 {
		f.once.Do(f.blow)
	}
}

func (f *fuse) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	f.passed(n)
	return n, err
}

func (f *fuse) Write(b []byte) (n int, err error) {
	if left := f.left.Load(); int64(len(b)) > left {
		n, err = f.Conn.Write(b[:max(left, 0)])
		f.passed(len(b))
		return n, errors.Join(err, net.ErrClosed)
	}
	n, err = f.Conn.Write(b)
	f.passed(n)
	return n, err
}

// Where a session was when its end came.
const (
	beforeInference = iota
	inInference
	afterInferences
	numStages
)

// scene is two parties that meet again and again, one of them in a process of its own.
type scene struct {
	dir    string
	online int64 // bytes until the inferences of a session that has runs are over
	all    int64
}

// meet runs a session whose party of the given role has its own process, and ends it, by a kill of that process or of
// the connection, when so many bytes have passed.
func (s *scene) meet(t *testing.T, child transport.Role, after int64, kill bool) (stage int32, report *plan.Report, err error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := exec.Command(os.Args[0], "-test.run=^TestParty$")
	c.Env = append(os.Environ(), partyAddress+"="+l.Addr().String(), partyRole+"="+child.String(), partyFolder+"="+s.dir)
	var said strings.Builder
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p := newParty(t, s.dir, child.Peer())
	var at, end atomic.Int32
	blown := false
	f := &fuse{Conn: conn, blow: func() {
		blown = true
		end.Store(at.Load())
		if kill {
			_ = c.Process.Kill()
		} else {
			_ = conn.Close()
		}
	}}
	f.left.Store(after)
	report, err = p.live(t, f, func(now Progress) {
		at.Store(inInference)
		if now.Next == nil && now.Inference == now.Inferences-1 {
			at.Store(afterInferences)
			s.online = after - f.left.Load()
		}
	})
	s.all = after - f.left.Load()
	if died := c.Wait(); died != nil && err == nil && !blown {
		err = fmt.Errorf("%w: %s", died, said.String())
	}
	if strings.Contains(said.String(), "want") {
		t.Errorf("an answer is wrong: %s", said.String())
	}
	return end.Load(), report, errors.Join(err, p.close())
}

// A party that is killed, or whose connection is, at any byte of using and preparing runs loses runs, but uses
// none twice, and what it answers from then on is right.
func TestPartiesAreKilled(t *testing.T) {
	kills := 4
	if slow {
		kills = 50
	}
	s := &scene{dir: t.TempDir()}
	whole := func() *plan.Report {
		t.Helper()
		_, r, err := s.meet(t, transport.Server, math.MaxInt64, false)
		if err != nil {
			t.Fatal(err)
		}
		s.noneTwice(t)
		return r
	}
	whole()
	whole() // of a session that finds runs
	online, all := s.online, s.all
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d bytes a session, %d until its inferences are over; seed %d", all, online, seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var stages [numStages]int
	used := 0
	for i := range kills {
		after := 1 + rnd.Int64N(online)
		if i%4 >= 2 {
			after = online + rnd.Int64N(all-online)
		}
		stage, _, _ := s.meet(t, transport.Role(i%2), after, i%8 < 4)
		stages[stage]++
		s.noneTwice(t)
		if i%5 == 4 { // what is left after a kill meets another one
			continue
		}
		used += whole().Runs.Used
	}
	t.Logf("%d kills before an inference, %d in one, %d after all; %d runs that were prepared before a kill were used after it",
		stages[beforeInference], stages[inInference], stages[afterInferences], used)
	if r := whole(); r.Runs.Used != 2 {
		t.Errorf("runs of a session that nobody disturbed: %+v", r.Runs)
	}
	if s.noneTwice(t) < used {
		t.Error("the client used runs that it did not reserve")
	}
	if slow && (used < kills/5 || min(stages[inInference], stages[afterInferences]) < kills/5) {
		t.Error("one of the phases was hardly hit, or runs are not used any more")
	}
}

// noneTwice holds both parties to have reserved each run once, and says how many the client has.
func (s *scene) noneTwice(t *testing.T) (used int) {
	t.Helper()
	for _, role := range [2]transport.Role{transport.Server, transport.Client} {
		b, err := os.ReadFile(filepath.Join(s.dir, role.String()+".log"))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, name := range strings.Fields(string(b)) {
			if seen[name] {
				t.Fatalf("the %v used %s twice", role, name)
			}
			seen[name] = true
		}
		used = len(seen)
	}
	return used
}
