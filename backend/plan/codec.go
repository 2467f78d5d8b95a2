package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// magic opens a plan file: a plan can be told from an ONNX model by its first bytes.
const magic = "secc.plan/3\n"

// MaxEncoded bounds a plan file. The largest network tried needs well under a megabyte.
const MaxEncoded = 64 << 20

// Digest identifies a plan: SHA-256 of its encoding.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Encode validates the plan and writes it: the same plan always gives the same
// bytes. It refuses what Decode would refuse.
func Encode(p *Plan) ([]byte, error) {
	b, err := encode(p)
	if err != nil {
		return nil, err
	}
	if err := unmarshal(b[len(magic):], new(Plan)); err != nil {
		return nil, fmt.Errorf("plan: cannot be read again: %w", err)
	}
	return b, nil
}

func encode(p *Plan) ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	body, err := marshal(p)
	if err != nil {
		return nil, fmt.Errorf("plan: encode: %w", err)
	}
	if len(body)+len(magic) > MaxEncoded {
		return nil, fmt.Errorf("plan: encoding takes %d bytes, limit %d", len(body), MaxEncoded)
	}
	return append([]byte(magic), body...), nil
}

// Digest is the digest of the plan's encoding.
func (p *Plan) Digest() (Digest, error) {
	b, err := encode(p)
	if err != nil {
		return Digest{}, err
	}
	return sha256.Sum256(b), nil
}

// IsPlan reports whether a file starts as a plan does.
func IsPlan(b []byte) bool { return bytes.HasPrefix(b, []byte("secc.plan/")) }

// Decode reads a plan that may come from anybody. It accepts exactly what
// Encode writes, and nothing that fails Validate; memory use is proportional to
// len(b), since the CBOR reader checks every length against what is there.
func Decode(b []byte) (*Plan, error) {
	if len(b) > MaxEncoded {
		return nil, fmt.Errorf("plan: file of %d bytes, limit %d", len(b), MaxEncoded)
	}
	if !bytes.HasPrefix(b, []byte(magic)) {
		if IsPlan(b) {
			return nil, errors.New("plan: written by another version of secc")
		}
		return nil, errors.New("plan: not a plan file")
	}
	p := new(Plan)
	if err := unmarshal(b[len(magic):], p); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	p.Remember()
	if err := p.Validate(); err != nil {
		return nil, err
	}
	again, err := encode(p)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, b) {
		return nil, errors.New("plan: not in canonical form")
	}
	return p, nil
}

// stepFile is a step as it is written.
type stepFile struct {
	Proto    Proto
	Op, Name string
	In, Out  []Slot
	W        string          `cbor:",omitempty"`
	Attrs    cbor.RawMessage `cbor:",omitempty"` // of the kind that Proto says
}

// MarshalCBOR writes a step.
func (s Step) MarshalCBOR() ([]byte, error) {
	f := stepFile{s.Proto, s.Op, s.Name, s.In, s.Out, s.W, nil}
	if s.Attrs != nil {
		var err error
		if f.Attrs, err = marshal(s.Attrs); err != nil {
			return nil, err
		}
	}
	return marshal(f)
}

// UnmarshalCBOR reads a step.
func (s *Step) UnmarshalCBOR(b []byte) error {
	var f stepFile
	if err := unmarshal(b, &f); err != nil {
		return err
	}
	*s = Step{f.Proto, f.Op, f.Name, f.In, f.Out, f.W, nil}
	row, ok := protocols[f.Proto]
	switch {
	case !ok || (row.New == nil) != (f.Attrs == nil):
		return fmt.Errorf("step %.40q: unknown protocol %.40q, or not its attributes", s.Name, string(f.Proto))
	case row.New == nil:
		return nil
	}
	s.Attrs = row.New()
	return unmarshal(f.Attrs, s.Attrs)
}

var encoding = sync.OnceValues(func() (cbor.EncMode, error) {
	opt := cbor.CoreDetEncOptions()
	opt.NaNConvert = cbor.NaNConvertReject
	return opt.EncMode()
})

func marshal(v any) ([]byte, error) {
	mode, err := encoding()
	if err != nil {
		return nil, err
	}
	return mode.Marshal(v)
}

var decoding = sync.OnceValues(func() (cbor.DecMode, error) {
	return cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   16,
		MaxArrayElements:  1 << 20,
		MaxMapPairs:       1 << 10,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode()
})

func unmarshal(b []byte, v any) error {
	mode, err := decoding()
	if err != nil {
		return err
	}
	return mode.Unmarshal(b, v)
}
