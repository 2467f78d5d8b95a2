package runtime

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/transport"
)

// transcript is the digest of what the two parties of one small session say, channel by
// channel, with fixed randomness.
const transcript = "protocol 15: 2f988f934c28670f448a334f4cafa1d6"

// A transcript that changed means that two versions of this program, each of which takes
// the other for its like, would misunderstand each other. If the change is meant, count
// protocolVersion up and write the new digest above.
func TestTranscript(t *testing.T) {
	p, w, in := transcriptPlan(t)
	var said [2]recorded
	if err := runRecorded(t, p, w, in, &said); err != nil {
		t.Fatal(err)
	}
	digest, err := p.Digest()
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for role := range said {
		channels, err := said[role].payloads()
		if err != nil {
			t.Fatal(err)
		}
		for id, payload := range channels {
			fmt.Fprintf(h, "%d %d %d\n", role, id, len(payload))
			h.Write(bytes.ReplaceAll(payload, digest[:], make([]byte, len(digest)))) // how plans are written is not of the session
		}
	}
	got := fmt.Sprintf("protocol %d: %s", protocolVersion, hex.EncodeToString(h.Sum(nil)[:16]))
	if got != transcript {
		t.Errorf("the transcript is\n\t%s, was\n\t%s: if the bytes of a session are meant to change, protocolVersion in session.go must change with them", got, transcript)
	}
}

// transcriptPlan is one step of every protocol that sends, on both ways to make correlated OTs.
func transcriptPlan(t *testing.T) (*plan.Plan, Weights, []Vec) {
	r := rand.New(rand.NewPCG(31, 1))
	var cases []stepCase
	for _, proto := range plan.Protos() {
		if row, _ := plan.Lookup(proto); !row.Local && proto != plan.ProtoReveal {
			cases = append(cases, stepOf(t, r, proto))
		}
	}
	p, w, in := planOf(r, cases, plan.OTKind{Kind: wire.SoftSpoken, K: 2})
	p.OT.ClientSends = plan.OTKind{Kind: wire.Ferret, Set: 10}
	return p, w, in
}

// runRecorded runs both parties over connections that are recorded.
func runRecorded(t *testing.T, p *plan.Plan, w Weights, in []Vec, said *[2]recorded) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	config := func(role transport.Role) Config { return Config{Threads: 1, Rand: fixed(role)} }
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = Serve(t.Context(), tap{c, &said[transport.Server]}, p, w, config(transport.Server))
		}
		served <- err
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = Run(t.Context(), tap{c, &said[transport.Client]}, p, in, config(transport.Client))
	return errors.Join(err, <-served)
}

// fixed is randomness that does not depend on who asks first: every read of one length by
// one party gets the same bytes. It is good for nothing but this test.
type fixed transport.Role

func (f fixed) Read(p []byte) (int, error) {
	var seed [32]byte
	seed[0] = byte(f)
	binary.LittleEndian.PutUint64(seed[8:], uint64(len(p)))
	return rand.NewChaCha8(seed).Read(p)
}

// tap keeps what is written to a connection.
type tap struct {
	net.Conn
	said *recorded
}

func (c tap) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.said.mu.Lock()
	defer c.said.mu.Unlock()
	c.said.raw.Write(p[:n])
	return n, err
}

type recorded struct {
	mu  sync.Mutex
	raw bytes.Buffer
}

// payloads takes the frames apart (transport/frame.go) and joins the data of each channel:
// how messages are cut and how channels alternate is a matter of time.
func (r *recorded) payloads() ([][]byte, error) {
	if _, err := r.raw.ReadBytes('\n'); err != nil { // the preface
		return nil, err
	}
	var all [][]byte
	for {
		var head [20]byte
		if _, err := io.ReadFull(&r.raw, head[:]); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		channel, data := int(head[4]), head[5] == 0
		payload := r.raw.Next(int(binary.LittleEndian.Uint32(head[:])))
		for len(all) <= channel {
			all = append(all, nil)
		}
		if data {
			all[channel] = append(all[channel], payload...)
		}
	}
}
