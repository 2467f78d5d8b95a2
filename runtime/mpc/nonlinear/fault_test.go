package nonlinear

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/transport"
)

// tampered is a connection whose at-th message part is changed on the way out.
type tampered struct {
	*mpctest.PipeConn
	at     int
	change func(p []byte) []byte
	n      int
}

func (c *tampered) Send(p []byte) error {
	if c.n++; c.n == c.at {
		p = c.change(append([]byte(nil), p...))
	}
	return c.PipeConn.Send(p)
}

// everything runs each protocol once, so that a fault can hit any message.
func everything(ctx context.Context, p *Party, x []uint64) error {
	s := Sign{Bits: 16, Hi: 16, Tree: wire.Tree{Leaf: 2}}
	y, err := p.Relu(ctx, x, s, nil, s.Bits)
	if err != nil {
		return err
	}
	if y, err = p.ExtendNonNeg(ctx, y, 16, 27); err != nil {
		return err
	}
	if y, err = p.TruncateExact(ctx, y, 27, 8, 16, wire.Tree{Leaf: 3}); err != nil {
		return err
	}
	if y, err = p.Clip(ctx, y, s, -5, 9); err != nil {
		return err
	}
	net := wire.Network{Inputs: 5, Levels: [][][2]int32{{{0, 1}, {2, 3}}, {{5, 6}}, {{7, 4}}}, Outputs: []int32{8}}
	if _, _, err = p.Select(ctx, y, len(y)/5, net, s, 3); err != nil {
		return err
	}
	_, err = p.Mul(ctx, y, y, 16)
	return err
}

// parts counts the message parts of a party in an undisturbed run.
func parts(t *testing.T, role transport.Role) int {
	t.Helper()
	c := &tampered{}
	if s, cl := faulty(t, role, c); s != nil || cl != nil {
		t.Fatal(s, cl)
	}
	return c.n
}

// faulty runs everything with the given party's connection replaced by c. A run
// that lasts longer than a few seconds hangs.
func faulty(t *testing.T, role transport.Role, c *tampered) (server, client error) {
	t.Helper()
	pair := mpctest.NewPair(7)
	for _, conn := range pair.Conn {
		conn.Timeout = time.Second
	}
	c.PipeConn = pair.Conn[role]
	r := rand.New(rand.NewPCG(8, 9))
	in := mpctest.Share(r, draw(r, 35, 15, 16), 16) // 35 is no multiple of 8: every part has padding
	done := make(chan struct{})
	go func() {
		server, client = pair.RunBoth(func(ctx context.Context, me transport.Role) error {
			p := &Party{Role: me, Conn: pair.Conn[me], Corr: From(pair.Sources(me))}
			if me == role {
				p.Conn = c
			}
			return everything(ctx, p, in[me])
		})
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("hangs")
	}
	return server, client
}

func TestPaddingThatIsNotZeroIsAViolation(t *testing.T) {
	set := func(p []byte) []byte { p[len(p)-1] |= 0x80; return p }
	for _, role := range []transport.Role{transport.Server, transport.Client} {
		n, found := parts(t, role), 0
		for at := 1; at < n-80; at += 7 { // the peer of the last messages may be done already
			errs := [2]error{}
			errs[0], errs[1] = faulty(t, role, &tampered{at: at, change: set})
			if err := errs[role.Peer()]; err != nil && !errors.Is(err, transport.ErrViolation) {
				t.Errorf("%v's part %d: its peer reports %v", role, at, err)
			}
			if errs[role.Peer()] != nil {
				found++
				if errs[role] == nil {
					t.Errorf("%v's part %d: its peer failed and it did not notice", role, at)
				}
			}
		}
		if found < 5 {
			t.Errorf("%v: only %d changes were noticed", role, found)
		}
	}
}

// said is a connection on which one message comes in, whatever goes out.
type said struct {
	script
	message []byte
}

func (s *said) Recv(p []byte) error { copy(p, s.message); return nil }

// Numbers too: three of five bits leave one bit of their two bytes, which must be zero.
func TestPaddingOfNumbersIsChecked(t *testing.T) {
	for last, want := range map[byte]error{0x7f: nil, 0x80: transport.ErrViolation} {
		p := &Party{Conn: &said{message: []byte{0xff, last}}}
		if err := p.recvWords(make([]uint64, 3), 5); !errors.Is(err, want) {
			t.Errorf("numbers whose last byte is %#x: %v, want %v", last, err, want)
		}
	}
}

func TestShortMessageIsAnErrorOnBothSides(t *testing.T) {
	short := func(p []byte) []byte { return p[:len(p)-1] }
	for _, role := range []transport.Role{transport.Server, transport.Client} {
		n := parts(t, role)
		for at := 1; at <= n; at += n / 5 {
			server, client := faulty(t, role, &tampered{at: at, change: short})
			errs := [2]error{server, client}
			if errs[role.Peer()] == nil {
				t.Errorf("%v's part %d was short and its peer did not notice", role, at)
			}
			if errs[role] == nil && at < n-80 { // after the last messages it may be done already
				t.Errorf("%v's part %d was short and it did not learn that its peer failed", role, at)
			}
		}
	}
}

func TestPeerThatLeaves(t *testing.T) {
	for _, role := range []transport.Role{transport.Server, transport.Client} {
		n := parts(t, role)
		for at := 1; at < n; at += n / 9 {
			c := &tampered{at: at}
			c.change = func(p []byte) []byte { c.Close(); return p }
			server, client := faulty(t, role, c)
			if server == nil || client == nil {
				t.Errorf("%v left at part %d: server %v, client %v", role, at, server, client)
			}
		}
	}
}

// A batch of correlations is used once: the dealer panics on a second reading,
// and what a protocol takes is what it counts, so two runs never share any.
func TestRunsTakeFreshCorrelations(t *testing.T) {
	pair := mpctest.NewPair(3)
	r := rand.New(rand.NewPCG(1, 1))
	in := mpctest.Share(r, draw(r, 100, 15, 16), 16)
	var taken [3]int64
	for i := range taken {
		err := pair.Run(func(ctx context.Context, role transport.Role) error {
			p := &Party{Role: role, Conn: pair.Conn[role], Corr: From(pair.Sources(role))}
			_, err := p.Relu(ctx, in[role], Sign{16, 0, 16, wire.Tree{Leaf: 2}}, nil, 16)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		taken[i] = pair.Counts().ClientSends
	}
	if taken[1] != 2*taken[0] || taken[2] != 3*taken[0] {
		t.Errorf("taken %v", taken)
	}
}

// Bytes, rounds and correlations depend on sizes only.
func TestNothingOnTheWireDependsOnValues(t *testing.T) {
	const n = 70
	var first mpctest.Counts
	for i, v := range []uint64{0, 1, 1<<16 - 1, 1 << 14, 0x5555} {
		var in [2][]uint64
		for role := range in {
			in[role] = make([]uint64, n)
			for j := range in[role] {
				in[role][j] = v
			}
		}
		_, c := run(t, func(ctx context.Context, p *Party) (int, error) { return 0, everything(ctx, p, in[p.Role]) })
		if i == 0 {
			first = c
		} else if c != first {
			t.Errorf("all shares %d: %+v, all zero: %+v", v, c, first)
		}
	}
}
