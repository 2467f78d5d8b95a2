package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/transport"
)

// Recording is a recording that was read, but for what the peer said, which stays in the file.
type Recording struct {
	Head
	file   io.ReaderAt
	seed   []byte
	inputs [][]span // by inference and place
	heard  [][]transport.Line
	said   []transport.Said
}

// span is a piece of the file.
type span struct{ at, size int64 }

var (
	// ErrDamaged says that a recording is not one of a whole session.
	ErrDamaged = errors.New("the recording is damaged")
	// ErrOther says that a recording is of another session than the transcript.
	ErrOther = errors.New("the recording is not of this session")
	// ErrDeviates says that a client did not say what its seed, its inputs and the protocol prescribe.
	ErrDeviates = errors.New("the client did not follow the protocol")
)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// maxSmall bounds parts that are read whole.
const maxSmall = 1 << 20

// Open reads a recording.
func Open(file io.ReaderAt) (*Recording, error) {
	r := &Recording{file: file}
	in := &counting{Reader: bufio.NewReaderSize(io.NewSectionReader(file, 0, math.MaxInt64), 1<<20)}
	line := make([]byte, len(Format)+1)
	if err := in.full(line); err != nil || string(line) != Format+"\n" {
		return nil, damaged("it does not begin with %q", Format)
	}
	for r.said == nil {
		if err := r.part(in); err != nil {
			return nil, err
		}
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return nil, damaged("something stands behind its end")
	}
	if r.Plan == "" || len(r.inputs) != r.Inferences {
		return nil, damaged("it has the inputs of %d inferences of %d", len(r.inputs), r.Inferences)
	}
	return r, nil
}

// counting knows how far a reader has come.
type counting struct {
	*bufio.Reader
	at int64
}

func (c *counting) full(p []byte) error {
	n, err := io.ReadFull(c.Reader, p)
	c.at += int64(n)
	return err
}

func (c *counting) skip(n int64) error {
	m, err := io.CopyN(io.Discard, c.Reader, n)
	c.at += m
	return err
}

// part reads the next part.
func (r *Recording) part(in *counting) error {
	var head [partLen]byte
	if err := in.full(head[:]); err != nil {
		return damaged("it ends before the session did")
	}
	kind := part(head[0])
	a, b, n := binary.LittleEndian.Uint32(head[1:]), binary.LittleEndian.Uint32(head[5:]), int64(binary.LittleEndian.Uint32(head[9:]))
	at := in.at
	if kind == partInput || kind == partHeard {
		if err := in.skip(n); err != nil {
			return damaged("it ends before the session did")
		}
		if kind == partInput {
			return r.input(int(a), int(b), span{at, n})
		}
		return r.line(int(a), transport.Line{Depth: int(b), At: at, Size: n})
	}
	if n > maxSmall {
		return damaged("a part of %d bytes at %d", n, at)
	}
	data := make([]byte, n)
	if err := in.full(data); err != nil {
		return damaged("it ends before the session did")
	}
	return r.small(kind, data, at)
}

// small takes in a part that was read whole.
func (r *Recording) small(kind part, data []byte, at int64) (err error) {
	switch {
	case kind == partHead && r.Plan == "":
		err = json.Unmarshal(data, &r.Head)
	case kind == partSeed && r.seed == nil && len(data) == runtime.SeedSize:
		r.seed = data
	case kind == partEnd && r.seed != nil:
		err = json.Unmarshal(data, &r.said)
		if err == nil && r.said == nil {
			err = errors.New("nothing was said")
		}
	default:
		err = errors.New("no part can be there")
	}
	if err != nil {
		return damaged("%q at %d: %v", string(rune(kind)), at, err)
	}
	return nil
}

func (r *Recording) input(inference, place int, s span) error {
	if inference == len(r.inputs) && place == 0 {
		r.inputs = append(r.inputs, nil)
	}
	if inference != len(r.inputs)-1 || place != len(r.inputs[inference]) || s.size%8 != 0 {
		return damaged("an input out of turn at %d", s.at)
	}
	r.inputs[inference] = append(r.inputs[inference], s)
	return nil
}

func (r *Recording) line(channel int, l transport.Line) error {
	if channel > math.MaxUint8 || l.Size == 0 || l.Depth > 1<<30 {
		return damaged("data of no frame at %d", l.At)
	}
	for len(r.heard) <= channel {
		r.heard = append(r.heard, nil)
	}
	r.heard[channel] = append(r.heard[channel], l)
	return nil
}

// Inputs are the ring elements that the client says it put in, for one inference.
func (r *Recording) Inputs(p *plan.Plan, inference int) ([]runtime.Vec, error) {
	fed := p.Fed()
	if len(r.inputs[inference]) != len(fed) {
		return nil, damaged("%d inputs, the plan encodes %d", len(r.inputs[inference]), len(fed))
	}
	var all []runtime.Vec
	for i, f := range fed {
		t, s := p.Slots[f.Slot], r.inputs[inference][i]
		if s.size != 8*int64(t.N()) {
			return nil, damaged("input %q of %d bytes, the plan has %v", p.ValueName(f.Value), s.size, t.Shape)
		}
		b, v := make([]byte, s.size), make(runtime.Vec, t.N())
		if _, err := r.file.ReadAt(b, s.at); err != nil {
			return nil, err
		}
		for j := range v {
			if v[j] = binary.LittleEndian.Uint64(b[8*j:]); t.Bits < 64 && v[j]>>t.Bits != 0 {
				return nil, damaged("input %q: element %d is none of its ring", p.ValueName(f.Value), j)
			}
		}
		all = append(all, v)
	}
	return all, nil
}

// Replay makes the client's half of a session again and holds it to the transcript that the
// server has signed or has on record. nil: every byte that the client sent is what the protocol
// prescribes for the seed and the inputs of the recording and for what the server sent.
func (r *Recording) Replay(ctx context.Context, g *runtime.Program, cfg runtime.Config, transcript [transport.DigestSize]byte) error {
	if d := g.Digest().String(); r.Plan != d {
		return fmt.Errorf("%w: the recording is of plan %.16s, this one is %.16s", transport.ErrMismatch, r.Plan, d)
	}
	if v := runtime.ProtocolVersion(); r.Protocol != v {
		return fmt.Errorf("%w: the recording speaks version %d of the protocol, this secc version %d", transport.ErrVersion, r.Protocol, v)
	}
	again, err := r.again(ctx, g, cfg)
	if ctx.Err() != nil || errors.Is(err, ErrDamaged) {
		return errors.Join(ctx.Err(), err)
	}
	if err == nil && transport.SumOf(again) == transcript {
		return nil
	}
	if transport.SumOf(r.said) != transcript {
		return fmt.Errorf("%w: it ends with the transcript %x, wanted is %x", ErrOther, transport.SumOf(r.said), transcript)
	}
	return r.explain(again, err)
}

// again runs the client against what was recorded of the server.
func (r *Recording) again(ctx context.Context, g *runtime.Program, cfg runtime.Config) ([]transport.Said, error) {
	said := new(transport.Transcript)
	cfg.Rand, cfg.Prepare, cfg.Transport.Transcript = bytes.NewReader(r.seed), r.Prepare, said
	ours, theirs := net.Pipe()
	recited := make(chan error, 1)
	go func() { recited <- g.Recite(theirs, r.file, r.heard) }()
	_, err := g.RunMany(ctx, ours, runtime.Inferences{
		N:      r.Inferences,
		Input:  func(i int) ([]runtime.Vec, error) { return r.Inputs(g.Plan(), i) },
		Answer: func(int, []runtime.Vec, *plan.Report) error { return nil },
	}, cfg)
	if other := <-recited; err != nil {
		err = errors.Join(err, other)
	}
	return said.Said(transport.Client), err
}

// explain says where a session that was made again is unlike what was said, by the transcript.
func (r *Recording) explain(again []transport.Said, err error) error {
	if bad := r.heardAll(); bad != nil {
		return bad
	}
	if err != nil {
		return fmt.Errorf("%w: made again, its half of the session does not come to an end: %w", ErrDeviates, err)
	}
	for _, s := range r.said {
		if s.From == transport.Client && !slices.Contains(again, s) {
			return fmt.Errorf("%w: its %d bytes on channel %d are not those that its seed, its inputs and what the server said prescribe", ErrDeviates, s.Bytes, s.Channel)
		}
	}
	return fmt.Errorf("%w: it says less than the protocol prescribes", ErrDeviates)
}

// heardAll makes sure that the recording holds what the server said, by the transcript.
func (r *Recording) heardAll() error {
	for _, s := range r.said {
		if s.From != transport.Server {
			continue
		}
		var lines []transport.Line
		if int(s.Channel) < len(r.heard) {
			lines = r.heard[s.Channel]
		}
		h := transport.NewDigest()
		for _, l := range lines {
			if _, err := io.Copy(h, io.NewSectionReader(r.file, l.At, l.Size)); err != nil {
				return err
			}
		}
		if [transport.DigestSize]byte(h.Sum(nil)) != s.Sum {
			return damaged("it does not hold what the server said on channel %d", s.Channel)
		}
	}
	return nil
}
