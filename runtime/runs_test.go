package runtime

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// storedRun is a run of some bytes that its peer has agreed on.
func storedRun(t *testing.T, b []byte) *store.Run {
	t.Helper()
	s := store.Memory(0)
	d, err := s.Put(store.Binding{}, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	run, err := s.Reserve(t.Context(), store.Binding{})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Agree(run.Claim()); err != nil {
		t.Fatal(err)
	}
	return run
}

// duo is two parties with stores that outlast their sessions.
type duo struct {
	g      *Program
	w      Weights
	stores [2]*store.Store
	wraps  [2]func(net.Conn) net.Conn

	mu    sync.Mutex
	notes [2][]string
}

func newDuo(t *testing.T) *duo {
	t.Helper()
	p, w := smallPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	return &duo{g: g, w: w, stores: [2]*store.Store{store.Memory(0), store.Memory(0)}}
}

// config is a party's, which keeps so many runs.
func (d *duo) config(role transport.Role, keep int) Config {
	return Config{Threads: 1, Store: d.stores[role], Keep: keep, Note: func(text string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.notes[role] = append(d.notes[role], text)
	}}
}

// session runs one of so many inferences, whose answers it checks, and gives what both measured.
func (d *duo) session(t *testing.T, n int, client, server Config) (each [2]*plan.Report, errs [2]error) {
	t.Helper()
	a, b := net.Pipe()
	for role, c := range []*net.Conn{&a, &b} {
		if wrap := d.wraps[role]; wrap != nil {
			*c = wrap(*c)
		}
	}
	served := make(chan error, 1)
	go func() {
		r, err := d.g.Serve(t.Context(), a, d.w, server)
		each[transport.Server] = r
		served <- err
	}()
	each[transport.Client], errs[transport.Client] = d.g.RunMany(t.Context(), b, d.asks(n), client)
	errs[transport.Server] = <-served
	return each, errs
}

// asks are so many inferences whose answers are checked.
func (d *duo) asks(n int) Inferences {
	input := func(i int) []Vec {
		in := make(Vec, 16)
		for k := range in {
			in[k] = uint64(k*137-900+i*211) & mask(20)
		}
		return []Vec{in}
	}
	return Inferences{
		N:     n,
		Input: func(i int) ([]Vec, error) { return input(i), nil },
		Answer: func(i int, out []Vec, _ *plan.Report) error {
			want, err := Ideal(d.g.Plan(), d.w, input(i))
			if err != nil {
				return err
			}
			for k, x := range want[0] {
				if diff := Signed(out[0][k]-x, 14); diff < -1 || diff > 1 {
					return fmt.Errorf("inference %d, element %d: %d, want %d", i, k, Signed(out[0][k], 14), Signed(x, 14))
				}
			}
			return nil
		},
	}
}

// does is session with what is to come of it: how many runs are used, made and kept. What both
// measure is what the plan says of it.
func (d *duo) does(t *testing.T, n, prepare, keep int, want plan.RunCount) {
	t.Helper()
	client, server := d.config(transport.Client, keep), d.config(transport.Server, 5)
	client.Prepare, server.Prepare = prepare, prepare
	each, errs := d.session(t, n, client, server)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	predicted, err := d.g.Plan().SessionCost(n)
	if prepared := want != (plan.RunCount{}); prepared {
		predicted, err = d.g.Plan().CostOfRuns(n, want.Made)
	}
	if err != nil {
		t.Fatal(err)
	}
	for role, r := range each {
		if got := r.Runs; got == nil && want != (plan.RunCount{}) || got != nil && *got != want {
			t.Errorf("party %d: runs %+v, want %+v", role, got, want)
		}
		for i, op := range predicted.Operators {
			m := r.Operators[i]
			if m.ClientToServer != op.ClientToServer || m.ServerToClient != op.ServerToClient || m.Rounds != op.Rounds {
				t.Errorf("party %d, %s: %d up, %d down, %d rounds, predicted %d, %d, %d", role, op.Name, m.ClientToServer, m.ServerToClient, m.Rounds, op.ClientToServer, op.ServerToClient, op.Rounds)
			}
		}
		a, b := r.Total, predicted.Total
		if a.Bytes != b.Bytes || a.Rounds != b.Rounds || a.Setup.COTs != b.Setup.COTs || (a.Prepared == nil) != (b.Prepared == nil) {
			t.Errorf("party %d: %d bytes, %d rounds, %d OTs, predicted %d, %d, %d", role, a.Bytes, a.Rounds, a.Setup.COTs, b.Bytes, b.Rounds, b.Setup.COTs)
		}
	}
}

// left counts the runs that both parties have.
func (d *duo) left(t *testing.T, want int) {
	t.Helper()
	for role, s := range d.stores {
		st := s.Stats()
		if st.Ready != want || st.Reserved != 0 {
			t.Errorf("party %d: %+v, want %d ready and none reserved", role, st, want)
		}
		if size := d.g.inTwo.kept[role].size; st.Bytes != int64(want)*size {
			t.Errorf("party %d: %d bytes are held for %d runs of %d", role, st.Bytes, want, size)
		}
	}
}

// Runs that a session kept are used by later ones, each once; what is missing is made in the
// session, or the inference runs in one phase. Bytes, rounds and OTs are those of the plan.
func TestKeptRuns(t *testing.T) {
	d := newDuo(t)
	d.does(t, 0, 0, 3, plan.RunCount{Made: 3, Kept: 3}) // prepare, and no more
	d.left(t, 3)
	d.does(t, 1, 0, 0, plan.RunCount{Used: 1})
	d.left(t, 2)
	d.does(t, 3, 0, 0, plan.RunCount{Used: 2, Made: 1}) // more inputs than runs
	d.left(t, 0)
	d.does(t, 1, 0, 0, plan.RunCount{}) // none: one phase
	d.does(t, 1, 1, 2, plan.RunCount{Made: 3, Kept: 2})
	d.left(t, 2)
	d.does(t, 1, 0, 2, plan.RunCount{Used: 1, Made: 1, Kept: 1}) // and filled up again
	d.left(t, 2)
	d.does(t, 1, 0, 9, plan.RunCount{Used: 1, Made: 4, Kept: 4}) // as many as the server grants
	d.left(t, 5)
}

// A party that does not have a run that the other has says so, and both go on without.
func TestRunsThatAreGone(t *testing.T) {
	for name, lose := range map[string]func(d *duo) error{
		"at the server": func(d *duo) error { d.stores[transport.Server] = store.Memory(0); return nil },
		"of other weights": func(d *duo) error {
			d.w = summed{d.w, "others"}
			return nil
		},
		"no store at the server": func(d *duo) error { d.stores[transport.Server] = nil; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDuo(t)
			d.does(t, 0, 0, 2, plan.RunCount{Made: 2, Kept: 2})
			if err := lose(d); err != nil {
				t.Fatal(err)
			}
			d.does(t, 1, 0, 0, plan.RunCount{})
			if !slices.ContainsFunc(d.notes[transport.Client], func(s string) bool { return strings.Contains(s, "server") }) {
				t.Errorf("the client says %q", d.notes[transport.Client])
			}
			want := 0
			if d.stores[transport.Server] == nil {
				want = 2 // it may come back
			}
			if got := d.stores[transport.Client].Stats().Ready; got != want {
				t.Errorf("%d runs are left at the client, want %d", got, want)
			}
		})
	}
	d := newDuo(t)
	d.does(t, 0, 0, 2, plan.RunCount{Made: 2, Kept: 2})
	client, server := d.config(transport.Client, 0), d.config(transport.Server, 5)
	client.Peer = "another"
	each, errs := d.session(t, 1, client, server)
	if err := errors.Join(errs[:]...); err != nil || each[0].Runs != nil {
		t.Errorf("with another peer: %v, %+v", err, each[0].Runs)
	}
	d.left(t, 2)
}

// Runs that were made in another version of the protocol are not offered.
func TestRunsOfAnotherProtocol(t *testing.T) {
	d := newDuo(t)
	for _, of := range []plan.Digest{spentBy(d.g.digest, protocolVersion-1), d.g.digest} {
		for role, s := range d.stores {
			draft, err := s.Put(store.Binding{For: store.For{Plan: of}, Name: store.Name{Session: of}}, d.g.inTwo.kept[role].size)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := draft.Write(make([]byte, d.g.inTwo.kept[role].size)); err != nil {
				t.Fatal(err)
			}
			if err := draft.Commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.does(t, 1, 0, 0, plan.RunCount{})
	d.left(t, 2)
}

// summed are weights with a name.
type summed struct {
	Weights
	name string
}

func (n summed) Checksum() string { return n.name }

// against lets an honest party with runs meet a peer that says hello, what follows about runs, and
// hangs up. It gives the honest party's error and how many runs it is left with.
func (d *duo) against(t *testing.T, honest transport.Role, w wish, say func(c transport.Conn, mine []store.Name) error) (left int, err error) {
	t.Helper()
	mine := d.stores[honest].Ready(store.For{Plan: spentBy(d.g.digest, protocolVersion)})
	a, b := net.Pipe()
	told := make(chan struct{})
	go func() {
		defer close(told)
		m := transport.NewMux(t.Context(), b, transport.Config{Channels: numChannels})
		defer m.Close()
		_, err := hello(m.Channel(chanControl), honest.Peer(), d.g.digest, w)
		c := m.Channel(chanRuns)
		if err == nil {
			err = errors.Join(say(c, mine), c.Flush())
		}
		if err != nil && m.Err() == nil {
			t.Error(err)
		}
		time.Sleep(50 * time.Millisecond) // the honest party may wait for more
	}()
	if honest == transport.Server {
		_, err = d.g.Serve(t.Context(), a, d.w, d.config(honest, 5))
	} else {
		_, err = d.g.RunMany(t.Context(), a, Inferences{N: 1, Input: func(int) ([]Vec, error) { return []Vec{make(Vec, 16)}, nil }}, d.config(honest, 5))
	}
	<-told
	return d.stores[honest].Stats().Ready, err
}

// Runs that a client does not name (another machine of its has them, say) make room for new ones,
// and for nothing else; the session makes no more than the server lets it.
func TestUnnamedRuns(t *testing.T) {
	d := newDuo(t)
	d.does(t, 0, 0, 2, plan.RunCount{Made: 2, Kept: 2})
	other := d.stores[transport.Client]
	d.stores[transport.Client] = store.Memory(0)
	ready := func(want int) {
		t.Helper()
		if got := d.stores[transport.Server].Stats().Ready; got != want {
			t.Errorf("%d runs at the server, want %d", got, want)
		}
	}
	d.does(t, 1, 0, 0, plan.RunCount{})
	ready(2)
	d.does(t, 0, 0, 3, plan.RunCount{Made: 3, Kept: 3})
	ready(5) // of 5 at most
	d.does(t, 0, 0, 4, plan.RunCount{Made: 1, Kept: 1})
	ready(5) // the oldest is gone
	client, server := d.config(transport.Client, 5), d.config(transport.Server, 5)
	for _, most := range []int{-1, 1} { // four are there; each session uses one
		server.MostKept = most
		if _, errs := d.session(t, 1, client, server); errors.Join(errs[:]...) != nil {
			t.Fatal(errs)
		}
		if got := d.stores[transport.Client].Stats().Ready; got != 3 {
			t.Errorf("at most %d: %d runs at the client", most, got)
		}
	}
	d.stores[transport.Client] = other
	d.does(t, 1, 0, 0, plan.RunCount{Used: 1})
}

// A server that only prepares makes no inference, whatever the client's hello says.
func TestPreparesOnly(t *testing.T) {
	d := newDuo(t)
	for n, want := range map[int]error{0: nil, 1: transport.ErrViolation} {
		client, server := d.config(transport.Client, 1), d.config(transport.Server, 1)
		server.Most = -1
		if _, errs := d.session(t, n, client, server); !errors.Is(errs[transport.Server], want) || (errs[transport.Client] == nil) != (want == nil) {
			t.Errorf("%d inferences: %v", n, errs)
		}
	}
}

// ticketOf is a ticket's bytes.
func ticketOf(verdict byte, c store.Claim) []byte { return append([]byte{verdict}, c.Encode()...) }

// Whatever a client says of runs, the server ends the session or goes on without them; a run that
// was named wrongly is burned, and nothing is left reserved.
func TestHostileClientOfRuns(t *testing.T) {
	names := func(all ...store.Name) (b []byte) {
		for _, n := range all {
			b = append(append(b, n.Session[:]...), byte(n.Number), 0, 0, 0, 0, 0, 0, 0)
		}
		return b
	}
	answered := func(c transport.Conn) error { return c.Recv(make([]byte, answerSize)) }
	ticket := func(c transport.Conn) (store.Claim, error) {
		b := make([]byte, ticketSize)
		if err := c.Recv(b); err != nil {
			return store.Claim{}, err
		}
		return store.DecodeClaim(b[1:])
	}
	offering := func(reply func(theirs store.Claim) []byte) func(transport.Conn, []store.Name) error {
		return func(c transport.Conn, mine []store.Name) error {
			if err := errors.Join(c.Send(names(mine[0], mine[0])), answered(c)); err != nil {
				return err
			}
			theirs, err := ticket(c)
			if err != nil {
				return err
			}
			return c.Send(reply(theirs))
		}
	}
	nothing := func(transport.Conn, []store.Name) error { return nil }
	for name, c := range map[string]struct {
		w    wish
		say  func(transport.Conn, []store.Name) error
		want error
		left int
	}{
		"too many names":           {wish{inferences: 1, offers: maxOffers + 1}, nothing, transport.ErrViolation, 2},
		"too many to be kept":      {wish{inferences: 1, keep: maxOffers + 1}, nothing, transport.ErrViolation, 2},
		"room for more than wants": {wish{inferences: 1, keep: 1, room: 2}, nothing, transport.ErrViolation, 2},
		"nothing at all":           {wish{}, nothing, transport.ErrViolation, 2},
		"names that do not come":   {wish{inferences: 1, offers: 3}, nothing, transport.ErrPeerClosed, 2},
		"another number": {wish{inferences: 1, offers: 2}, offering(func(c store.Claim) []byte {
			c.Number++
			return ticketOf(ticketRun, c)
		}), transport.ErrViolation, 1},
		"another session": {wish{inferences: 1, offers: 2}, offering(func(c store.Claim) []byte {
			c.Session[5]++
			return ticketOf(ticketRun, c)
		}), transport.ErrViolation, 1},
		"a counter of nothing": {wish{inferences: 1, offers: 2}, offering(func(c store.Claim) []byte {
			c.Counter = 0
			return ticketOf(ticketRun, c)
		}), store.ErrRestored, 0},
		"a ticket of no kind": {wish{inferences: 1, offers: 2}, offering(func(c store.Claim) []byte { return ticketOf(ticketStale+1, c) }), transport.ErrViolation, 1},
		"no such run":         {wish{inferences: 1, offers: 2}, offering(func(c store.Claim) []byte { return ticketOf(ticketNone, c) }), nil, 1},
		"a restored copy":     {wish{inferences: 1, offers: 2}, offering(func(c store.Claim) []byte { return ticketOf(ticketStale, c) }), nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDuo(t)
			d.does(t, 0, 0, 2, plan.RunCount{Made: 2, Kept: 2})
			left, err := d.against(t, transport.Server, c.w, c.say)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if st := d.stores[transport.Server].Stats(); left != c.left || st.Reserved != 0 {
				t.Errorf("%d runs are left and %d reserved, want %d", left, st.Reserved, c.left)
			}
		})
	}
}

// Whatever a server says of runs, the client ends the session.
func TestHostileServerOfRuns(t *testing.T) {
	answer := func(have, bits, keep byte) []byte {
		b := make([]byte, answerSize)
		b[0], b[1], b[17] = have, bits, keep
		return b
	}
	taken := func(have, bits, taken byte) []byte {
		b := answer(have, bits, 0)
		b[9] = taken
		return b
	}
	claims := func(change func(*store.Claim)) func(mine []store.Name) []byte {
		return func(mine []store.Name) []byte {
			c := store.Claim{Name: mine[0], Counter: 1}
			change(&c)
			return append(answer(1, 3, 0), ticketOf(ticketRun, c)...)
		}
	}
	for name, c := range map[string]struct {
		say  func(mine []store.Name) []byte
		want error
		left int
	}{
		"runs that were not named":      {func([]store.Name) []byte { return answer(1, 4, 0) }, transport.ErrViolation, 2},
		"more to keep than wanted":      {func([]store.Name) []byte { return answer(1, 3, 6) }, transport.ErrViolation, 2},
		"a run that is there and taken": {func([]store.Name) []byte { return taken(1, 1, 3) }, transport.ErrViolation, 2},
		"others that are taken":         {func([]store.Name) []byte { return taken(1, 0, 4) }, transport.ErrViolation, 2},
		"one taken, one gone":           {func([]store.Name) []byte { return taken(1, 0, 2) }, nil, 1},
		"runs without a store":          {func([]store.Name) []byte { return answer(0, 1, 0) }, transport.ErrViolation, 2},
		"an answer of no kind":          {func([]store.Name) []byte { return answer(2, 0, 0) }, transport.ErrViolation, 2},
		"a verdict before a claim":      {func([]store.Name) []byte { return append(answer(1, 3, 0), ticketOf(ticketStale, store.Claim{})...) }, transport.ErrViolation, 2},
		"another number":                {claims(func(c *store.Claim) { c.Number = 1 }), transport.ErrViolation, 1},
		"another session":               {claims(func(c *store.Claim) { c.Session[0]++ }), transport.ErrViolation, 1},
		"no run after the other":        {func([]store.Name) []byte { return append(answer(1, 1, 0), ticketOf(ticketNone, store.Claim{})...) }, nil, 1},
		"a counter that was before":     {claims(func(c *store.Claim) { c.Counter = 0 }), nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDuo(t)
			d.does(t, 0, 0, 2, plan.RunCount{Made: 2, Kept: 2})
			left, err := d.against(t, transport.Client, wish{}, func(conn transport.Conn, mine []store.Name) error {
				in := make([]byte, 2*offerSize)
				return errors.Join(conn.Recv(in), conn.Send(c.say(mine)))
			})
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if st := d.stores[transport.Client].Stats(); left != c.left || st.Reserved != 0 {
				t.Errorf("%d runs are left and %d reserved, want %d", left, st.Reserved, c.left)
			}
		})
	}
}

// Sessions of one client side by side use each run once, and all of them answer.
func TestRunsSideBySide(t *testing.T) {
	d := newDuo(t)
	d.does(t, 0, 0, 4, plan.RunCount{Made: 4, Kept: 4})
	var all sync.WaitGroup
	var used [6]plan.RunCount
	for i := range used {
		all.Go(func() {
			each, errs := d.session(t, 1, d.config(transport.Client, 0), d.config(transport.Server, 5))
			if err := errors.Join(errs[:]...); err != nil {
				t.Error(err)
			} else if r := each[0].Runs; r != nil {
				used[i] = *r
			}
		})
	}
	all.Wait()
	sum := 0
	for _, u := range used {
		sum += u.Used
	}
	var spent [2]int64
	for role, s := range d.stores {
		st := s.Stats()
		if spent[role] = st.Spent; st.Ready+st.Reserved != 0 && sum == 4 {
			t.Errorf("party %d: %+v after %d uses", role, st, sum)
		}
	}
	if spent[0] != int64(sum) || spent[1] != int64(sum) || sum == 0 {
		t.Errorf("%d inferences used runs, %v were spent", sum, spent)
	}
}

// A run whose inference fails is burned at both parties, whichever fails and wherever.
func TestFailedInferencesBurnRuns(t *testing.T) {
	for _, role := range []transport.Role{transport.Server, transport.Client} {
		d := newDuo(t)
		d.does(t, 0, 0, 2, plan.RunCount{Made: 2, Kept: 2})
		client, server := d.config(transport.Client, 0), d.config(transport.Server, 5)
		cut := func(p Progress) {
			if p.Call == 2 {
				panic("cut")
			}
		}
		if role == transport.Server {
			server.Progress = cut
		} else {
			client.Progress = cut
		}
		if _, errs := d.session(t, 1, client, server); errs[0] == nil || errs[1] == nil {
			t.Errorf("%v: %v", role, errs)
		}
		d.left(t, 1)
		for r, s := range d.stores {
			if st := s.Stats(); st.Burned != 1 || st.Spent != 0 {
				t.Errorf("%v fails, party %d: %+v", role, r, st)
			}
		}
		d.does(t, 1, 0, 0, plan.RunCount{Used: 1})
	}
}
