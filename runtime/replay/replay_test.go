package replay_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"testing"

	"secc.example/secc"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/replay"
	"secc.example/secc/runtime/transport"
)

// network is one that reads digits, made ready.
type network struct {
	*runtime.Program
	weights runtime.Weights
	images  []input.Case
}

func compiled(t *testing.T, bits int) *network {
	t.Helper()
	const at = "../../testdata/models/mnist_cntk_8/"
	model, err := os.ReadFile(at + "model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	n, err := secc.Compile(t.Context(), model, secc.Options{Calibration: secc.Files(at + "images.u8"), Preprocess: plan.Preprocess{Preset: "raw"}, Bits: bits})
	if err != nil {
		t.Fatal(err)
	}
	g, err := runtime.Prepare(n.Plan)
	if err != nil {
		t.Fatal(err)
	}
	set, err := input.Examples(t.Context(), at+"images.u8", input.Specs(n.Plan))
	if err != nil {
		t.Fatal(err)
	}
	return &network{g, n.Weights, set.Cases[:2]}
}

// record runs a session of two inferences over a client's connection, and gives the client's
// recording and what the server has heard and said.
func (n *network) record(t *testing.T, prepare int, over func(net.Conn) net.Conn) ([]byte, []transport.Said) {
	t.Helper()
	a, b := net.Pipe()
	said := new(transport.Transcript)
	served := make(chan error, 1)
	go func() {
		_, err := n.Serve(t.Context(), a, n.weights, runtime.Config{Prepare: prepare, Transport: transport.Config{Transcript: said}})
		served <- err
	}()
	var file bytes.Buffer
	r, cfg := replay.Record(&file, "a session", n.Program, len(n.images), runtime.Config{Prepare: prepare, Threads: 2})
	_, err := n.RunMany(t.Context(), over(b), r.Inferences(runtime.Inferences{
		N:      len(n.images),
		Input:  func(i int) ([]runtime.Vec, error) { return runtime.Encode(n.Plan(), n.images[i]) },
		Answer: func(int, []runtime.Vec, *plan.Report) error { return nil },
	}), cfg)
	if err := errors.Join(err, <-served, r.End()); err != nil {
		t.Fatal(err)
	}
	return file.Bytes(), said.Said(transport.Server)
}

func straight(c net.Conn) net.Conn { return c }

// replayed opens a recording and holds it to a transcript.
func (n *network) replayed(ctx context.Context, file []byte, said []transport.Said) error {
	r, err := replay.Open(bytes.NewReader(file))
	if err != nil {
		return err
	}
	return r.Replay(ctx, n.Program, runtime.Config{}, transport.SumOf(said))
}

// A client that followed the protocol is found to have, with inferences that were prepared and
// without; one whose recording has another input or another seed than the session had is not, nor
// one whose recording is of another session; files that are not whole, of another plan or changed
// where the server speaks are told apart from those.
func TestReplay(t *testing.T) {
	n := compiled(t, 0)
	ahead, said := n.record(t, 2, straight)
	if err := n.replayed(t.Context(), ahead, said); err != nil {
		t.Errorf("prepared: %v", err)
	}
	file, said := n.record(t, 0, straight)
	if err := n.replayed(t.Context(), file, said); err != nil {
		t.Error(err)
	}
	parts := partsOf(t, file)
	changed := func(kind byte, at int) []byte {
		b := bytes.Clone(file)
		b[parts[kind]+at] ^= 1
		return b
	}
	claims := func(old, text string) []byte {
		b := bytes.Replace(file, []byte(old), []byte(text), 1)
		if len(b) != len(file) || bytes.Equal(b, file) {
			t.Fatalf("the recording does not say %s", old)
		}
		return b
	}
	version := runtime.ProtocolVersion()
	other := compiled(t, 18)
	for name, x := range map[string]struct {
		by   *network
		file []byte
		want error
	}{
		"another seed":       {n, changed('s', 31), replay.ErrDeviates},
		"another input":      {n, changed('i', 8*400), replay.ErrDeviates},
		"no ring element":    {n, changed('i', 7), replay.ErrDamaged},
		"the server's words": {n, changed('f', 70), replay.ErrDamaged},
		"another session":    {n, ahead, replay.ErrOther},
		"another plan":       {other, file, transport.ErrMismatch},
		"another version":    {n, claims(fmt.Sprintf(`"protocol":%d,`, version), fmt.Sprintf(`"protocol":%d,`, version-1)), transport.ErrVersion},
		"inputs are missing": {n, claims(`"inferences":2,`, `"inferences":3,`), replay.ErrDamaged},
	} {
		if err := x.by.replayed(t.Context(), x.file, said); !errors.Is(err, x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, size := range []int{0, 10, 40, parts['s'] + 5, parts['i'] + 100, parts['f'] + 7, len(file) / 2, parts['e'] - 13, len(file) - 1} {
		if err := n.replayed(t.Context(), file[:size], said); !errors.Is(err, replay.ErrDamaged) {
			t.Errorf("%d of %d bytes: %v", size, len(file), err)
		}
	}
	if err := n.replayed(t.Context(), append(bytes.Clone(file), 0), said); !errors.Is(err, replay.ErrDamaged) {
		t.Errorf("a byte more: %v", err)
	}
	full := errors.New("the disk is full")
	r, cfg := replay.Record(writes(func([]byte) (int, error) { return 0, full }), "a session", n.Program, 1, runtime.Config{})
	cfg.Transport.Heard(0, 0, make([]byte, 2<<20)) // the session goes on
	if err := r.End(); !errors.Is(err, full) {
		t.Error(err)
	}
}

// partsOf gives the place of the content of the last part of each kind, of inputs and frames of the
// first.
func partsOf(t *testing.T, file []byte) map[byte]int {
	t.Helper()
	parts := map[byte]int{}
	for at := len(replay.Format) + 1; at < len(file); {
		kind, size := file[at], int(binary.LittleEndian.Uint32(file[at+9:]))
		if at += 13; parts[kind] == 0 {
			parts[kind] = at
		}
		at += size
	}
	return parts
}

// A client that sends one bit that is not what the protocol prescribes is found, also if its
// recording tells the truth of what it sent.
func TestReplayFindsALiar(t *testing.T) {
	n := compiled(t, 0)
	liar := new(liar)
	file, said := n.record(t, 0, func(c net.Conn) net.Conn { liar.Conn = c; return liar })
	if !liar.lied {
		t.Fatal("no bit was changed")
	}
	if err := n.replayed(t.Context(), file, said); !errors.Is(err, replay.ErrOther) {
		t.Errorf("with its own idea of the transcript: %v", err)
	}
	end, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	at := partsOf(t, file)['e']
	file = append(file[:at-4], binary.LittleEndian.AppendUint32(nil, uint32(len(end)))...)
	if err := n.replayed(t.Context(), append(file, end...), said); !errors.Is(err, replay.ErrDeviates) {
		t.Errorf("with the server's: %v", err)
	}
}

// liar changes a bit of the tenth small frame of data that it sends on channel 0.
type liar struct {
	net.Conn
	seen int
	lied bool
}

func (l *liar) Write(p []byte) (int, error) {
	const head = 20 // transport/frame.go
	if len(p) > head && p[4] == 0 && p[5] == 0 && int(binary.LittleEndian.Uint32(p)) == len(p)-head {
		if l.seen++; l.seen == 10 {
			p = bytes.Clone(p)
			p[head] ^= 1
			table := crc32.MakeTable(crc32.Castagnoli)
			binary.LittleEndian.PutUint32(p[16:], crc32.Checksum(p[head:], table))
			p[6], p[7] = 0, 0
			binary.LittleEndian.PutUint16(p[6:], uint16(crc32.Checksum(p[:head], table)))
			l.lied = true
		}
	}
	return l.Conn.Write(p)
}

type writes func([]byte) (int, error)

func (w writes) Write(p []byte) (int, error) { return w(p) }
