package he

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/transport"
)

// session is what both parties hold.
type session struct {
	spec   wire.LinearKeys
	ring   *poly.Ring
	public poly.Seed // expands to every uniform polynomial of the session
	secret poly.Seed // expands to all that is secret in it
	calls  uint64    // turns given so far: no two operators share a uniform polynomial
	ahead  uint64    // turns given to operators that are prepared
	packer *poly.Packer
	levels map[int]*level
}

// level is one level of folding: X -> X^(1+2N/2^j) and the shift X^(2^(j-1)).
type level struct {
	auto  *poly.Automorphism
	shift []uint64 // transformed
}

// Numbering of the uniform polynomials that the public seed expands to.
const (
	indexPublicKey = uint64(0)
	indexSwitch    = uint64(1) << 32
	indexUpload    = uint64(1) << 62
)

func switchIndex(digits, level, d int) uint64 {
	return indexSwitch | uint64(digits)<<16 | uint64(level)<<8 | uint64(d)
}

// uploadIndex numbers the uniform half of input block i of a set in a call.
func uploadIndex(call uint64, set, blocks, i int) uint64 {
	return indexUpload | call<<32 | uint64(set*blocks+i)
}

func newSession(spec wire.LinearKeys, rand io.Reader) (*session, error) {
	if err := validateKeys(spec); err != nil {
		return nil, err
	}
	ring, err := newRing(spec.N, spec.Modulus)
	if err != nil {
		return nil, err
	}
	s := &session{spec: spec, ring: ring, packer: poly.NewPacker(wire.QBits, ring.Variant()), levels: map[int]*level{}}
	if _, err := io.ReadFull(rand, s.secret[:]); err != nil {
		return nil, fmt.Errorf("he: randomness: %w", err)
	}
	for _, levels := range spec.Levels {
		for _, j := range levels {
			if s.levels[j] == nil {
				if s.levels[j], err = newLevel(ring, j); err != nil {
					return nil, err
				}
			}
		}
	}
	return s, nil
}

func newLevel(r *poly.Ring, j int) (*level, error) {
	auto, err := r.NewAutomorphism(1 + 2*r.N()>>j)
	if err != nil {
		return nil, fmt.Errorf("he: %w", err)
	}
	l := &level{auto: auto, shift: r.NewPoly()}
	l.shift[1<<(j-1)] = 1
	r.NTT(l.shift)
	return l, nil
}

// agree fixes the public seed from both contributions: neither party alone
// chooses the uniform polynomials.
func (s *session) agree(server, client []byte) {
	h := sha256.New()
	h.Write([]byte("secc linear engine, public randomness, 1"))
	h.Write(server)
	h.Write(client)
	h.Sum(s.public[:0])
}

func (s *session) sampler() *poly.Sampler { return poly.NewSampler(s.public) }

// Turn is one use of the session's uniform polynomials: every operator takes one.
type Turn struct {
	number uint64
	spent  bool
}

// indexedTurns is how many turns uploadIndex tells apart. Beyond that, uploads would share
// uniform polynomials, and their difference would show that of the inputs.
const indexedTurns = 1 << 30

// MaxTurns is how many operators of either kind, prepared or not, a session may have.
const MaxTurns = indexedTurns / 2

// Turn gives the next one. Both parties must give theirs to the same operators
// in the same order; the operators themselves may run side by side.
func (s *session) Turn() *Turn {
	if s.calls >= MaxTurns {
		panic("BUG: he: more operators than a session has uniform polynomials for")
	}
	t := &Turn{number: s.calls}
	s.calls++
	return t
}

// aheadTurns begins the turns of operators that are prepared.
const aheadTurns = MaxTurns

// TurnAhead gives the next turn of those that are prepared, which are in no order with the others.
// One goroutine may take these while another takes those.
func (s *session) TurnAhead() *Turn {
	if s.ahead >= MaxTurns {
		panic("BUG: he: more prepared operators than a session has uniform polynomials for")
	}
	t := &Turn{number: aheadTurns | s.ahead}
	s.ahead++
	return t
}

// spend returns the turn's number, once.
func (t *Turn) spend() uint64 {
	if t.spent {
		panic("BUG: he: turn used twice")
	}
	t.spent = true
	return t.number
}

// secretSampler is the secret randomness of one purpose: "keys", or that of a turn. It is
// expanded from what was drawn at the set-up, so that it does not depend on the order in which
// operators that run side by side ask.
func (s *session) secretSampler(purpose string) (*poly.Sampler, poly.Seed, error) {
	b, err := hkdf.Expand(sha256.New, s.secret[:], "secc linear engine, secret randomness, 1: "+purpose, len(poly.Seed{}))
	if err != nil {
		return nil, poly.Seed{}, fmt.Errorf("he: randomness: %w", err)
	}
	seed := poly.Seed(b)
	return poly.NewSampler(seed), seed, nil
}

// ofTurn names the secret randomness of a turn; no two turns have the same.
func ofTurn(call uint64) string { return fmt.Sprintf("turn %d", call) }

// eachKey visits the polynomials of the client's key message in wire order:
// public keys first (digits 0), then switching keys.
func (s *session) eachKey(visit func(digits, level, d, secret int) error) error {
	for k := range s.spec.Secrets {
		if err := visit(0, 0, 0, k); err != nil {
			return err
		}
	}
	for digits, levels := range s.spec.Levels {
		for _, j := range levels {
			for d := range digits {
				for k := range s.spec.Secrets {
					if err := visit(digits, j, d, k); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// keyID names one polynomial of the key message.
type keyID struct{ digits, level, d, secret int }

// uniformOf is the index of the uniform half that belongs to a key.
func (k keyID) uniformOf() uint64 {
	if k.digits == 0 {
		return indexPublicKey
	}
	return switchIndex(k.digits, k.level, k.d)
}

// Server holds the client's public and switching keys. Operators may run side by
// side, each with a turn of its own.
type Server struct {
	*session
	publicA []uint64
	keys    map[keyID][]uint64 // all transformed
	switchA map[keyID][]uint64 // secret is 0 here: shared by all
}

// NewServer is the server's side of the session's set-up.
//
// Functionality: the server gets, for every secret s_k of the client, a public
// key (a, -a*s_k + e) and, per level j and digit d, a switching key
// (a', -a'*s_k + e + 2^(drop+base*d)*s_k(X^g)), g = 1+2N/2^j. The uniform halves
// come from a seed both contribute to. Two flights: 32 bytes to the client; 32
// bytes and 50 bits a coefficient to the server. Leakage: none under RLWE with
// circular security of the switching keys.
func NewServer(ctx context.Context, conn transport.Conn, spec wire.LinearKeys, rand io.Reader) (*Server, error) {
	s, err := newSession(spec, rand)
	if err != nil {
		return nil, err
	}
	mine, theirs := make([]byte, wire.SeedBytes), make([]byte, wire.SeedBytes)
	if _, err := io.ReadFull(rand, mine); err != nil {
		return nil, fmt.Errorf("he: randomness: %w", err)
	}
	if err := conn.Send(mine); err != nil {
		return nil, fmt.Errorf("he: set-up: %w", err)
	}
	if err := conn.Recv(theirs); err != nil {
		return nil, fmt.Errorf("he: set-up: %w", err)
	}
	s.agree(mine, theirs)
	srv := &Server{session: s, keys: map[keyID][]uint64{}, switchA: map[keyID][]uint64{}}
	return srv, srv.receiveKeys(ctx, conn)
}

func (s *Server) receiveKeys(ctx context.Context, conn transport.Conn) error {
	r, sampler := s.ring, s.sampler()
	s.publicA = r.NewPoly()
	sampler.Uniform(r, s.publicA, indexPublicKey)
	buf := make([]byte, s.packer.Len(r.N()))
	return s.eachKey(func(digits, level, d, secret int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := conn.Recv(buf); err != nil {
			return fmt.Errorf("he: set-up: %w", err)
		}
		p := r.NewPoly()
		if err := s.packer.Unpack(p, buf); err != nil || !poly.AllBelow(p, r.Q()) {
			return transport.Violation("linear set-up: key for secret %d holds a value out of range", secret)
		}
		id := keyID{digits, level, d, secret}
		s.keys[id] = p
		if digits > 0 && secret == 0 {
			a := r.NewPoly()
			sampler.Uniform(r, a, id.uniformOf())
			s.switchA[id] = a
		}
		return nil
	})
}

// Client holds the secret keys. Operators may run side by side, each with a turn
// of its own.
type Client struct {
	*session
	secrets [][]uint64 // transformed
}

// NewClient is the client's side of the set-up: see NewServer.
func NewClient(ctx context.Context, conn transport.Conn, spec wire.LinearKeys, rand io.Reader) (*Client, error) {
	s, err := newSession(spec, rand)
	if err != nil {
		return nil, err
	}
	mine, theirs := make([]byte, wire.SeedBytes), make([]byte, wire.SeedBytes)
	if _, err := io.ReadFull(rand, mine); err != nil {
		return nil, fmt.Errorf("he: randomness: %w", err)
	}
	if err := conn.Recv(theirs); err != nil {
		return nil, fmt.Errorf("he: set-up: %w", err)
	}
	s.agree(theirs, mine)
	if err := conn.Send(mine); err != nil {
		return nil, fmt.Errorf("he: set-up: %w", err)
	}
	c := &Client{session: s}
	return c, c.makeKeys(ctx, conn)
}

func (c *Client) makeKeys(ctx context.Context, conn transport.Conn) error {
	secret, _, err := c.secretSampler("keys")
	if err != nil {
		return err
	}
	coefficients := c.drawSecrets(secret)
	r, public := c.ring, c.sampler()
	a, e, b := r.NewPoly(), r.NewPoly(), r.NewPoly()
	buf := make([]byte, c.packer.Len(r.N()))
	index := uint64(0)
	err = c.eachKey(func(digits, level, d, k int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if k == 0 {
			public.Uniform(r, a, keyID{digits, level, d, k}.uniformOf())
		}
		secret.Noise(r, e, index)
		index++
		if digits > 0 {
			base, drop := wire.Gadget(digits)
			c.levels[level].auto.Coefficients(b, coefficients[k])
			r.MulScalar(b, b, 1<<(drop+base*d))
			r.Add(e, e, b)
		}
		r.NTT(e)
		r.Mul(b, a, c.secrets[k])
		r.Sub(b, e, b)
		c.packer.Pack(buf, b)
		return conn.Send(buf)
	})
	if err != nil {
		return fmt.Errorf("he: set-up: %w", err)
	}
	return conn.Flush()
}

// drawSecrets draws ternary secrets with at most 3N/4 non-zero coefficients
// each (2N/3 are expected; one in 2^50 is drawn again): the noise bound counts on it.
func (c *Client) drawSecrets(s *poly.Sampler) [][]uint64 {
	r := c.ring
	var coefficients [][]uint64
	for index := uint64(0); len(coefficients) < c.spec.Secrets; index++ {
		p := r.NewPoly()
		s.Ternary(r, p, index)
		if weight(p) > 3*r.N()/4 {
			continue
		}
		coefficients = append(coefficients, p)
		t := append([]uint64(nil), p...)
		r.NTT(t)
		c.secrets = append(c.secrets, t)
	}
	return coefficients
}

// weight counts the non-zero coefficients, in constant time.
func weight(p []uint64) int {
	zeros := uint64(0)
	for _, v := range p {
		zeros += (v - 1) >> 63
	}
	return len(p) - int(zeros)
}
