// Package replay keeps what a client drew, was given and heard in a session, and makes the
// client's half again from that: whether every byte that it sent is what the protocol prescribes
// shows in the transcript, which the server has signed.
package replay

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/transport"
)

// Format names the shape of a recording.
const Format = "secc.recording/1"

// A recording is a line with Format, then parts: a kind, two numbers whose meaning is the
// kind's, a length (u8, u32, u32, u32, little-endian) and so many bytes. What is secret in it, seed
// and inputs, is what an auditor of the client is to see.
type part byte

const (
	partHead  part = 'h' // JSON: Head
	partSeed  part = 's' // the client's seed
	partInput part = 'i' // inference, place: ring elements, 8 bytes each
	partHeard part = 'f' // channel, depth: data of the peer's
	partEnd   part = 'e' // JSON: []transport.Said
)

const partLen = 1 + 3*4

// Head is what a recording says of its session.
type Head struct {
	Session    string `json:"session"`
	Plan       string `json:"plan_digest"`
	Protocol   int    `json:"protocol"`
	Inferences int    `json:"inferences"`
	Prepare    int    `json:"prepare"` // inferences that the client wanted prepared ahead
}

// Recorder writes a recording of one session.
type Recorder struct {
	said *transport.Transcript

	mu  sync.Mutex
	w   *bufio.Writer
	err error // what failed first
}

// Record begins a recording of a session that g is run in with cfg, and gives the session's
// configuration.
func Record(w io.Writer, session string, g *runtime.Program, inferences int, cfg runtime.Config) (*Recorder, runtime.Config) {
	r := &Recorder{said: cfg.Transport.Transcript, w: bufio.NewWriterSize(w, 1<<20)}
	if r.said == nil {
		r.said = new(transport.Transcript)
		cfg.Transport.Transcript = r.said
	}
	_, r.err = r.w.WriteString(Format + "\n")
	r.json(partHead, Head{session, g.Digest().String(), runtime.ProtocolVersion(), inferences, min(cfg.Prepare, plan.MaxInferences)})
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	cfg.Rand = &drawn{cfg.Rand, r}
	cfg.Transport.Heard = func(channel uint8, depth int, data []byte) { r.put(partHeard, int(channel), depth, data) }
	return r, cfg
}

// drawn keeps what a session draws: its seed.
type drawn struct {
	from io.Reader
	r    *Recorder
}

func (d *drawn) Read(p []byte) (int, error) {
	n, err := d.from.Read(p)
	d.r.put(partSeed, 0, 0, p[:n])
	return n, err
}

// Inferences gives q with its inputs being kept.
func (r *Recorder) Inferences(q runtime.Inferences) runtime.Inferences {
	from := q.Input
	q.Input = func(i int) ([]runtime.Vec, error) {
		in, err := from(i)
		for at, v := range in {
			b := make([]byte, 0, 8*len(v))
			for _, x := range v {
				b = binary.LittleEndian.AppendUint64(b, x)
			}
			r.put(partInput, i, at, b)
		}
		return in, err
	}
	return q
}

// End ends the recording of a session that ended well. Its error is the first of writing.
func (r *Recorder) End() error {
	r.json(partEnd, r.said.Said(transport.Client))
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.err, r.w.Flush())
}

func (r *Recorder) json(kind part, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: " + err.Error()) // texts and numbers
	}
	r.put(kind, 0, 0, b)
}

// put writes a part. A session goes on when its recording fails.
func (r *Recorder) put(kind part, a, b int, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	head := binary.LittleEndian.AppendUint32([]byte{byte(kind)}, uint32(a))
	head = binary.LittleEndian.AppendUint32(head, uint32(b))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(data)))
	if _, r.err = r.w.Write(head); r.err == nil {
		_, r.err = r.w.Write(data)
	}
}
