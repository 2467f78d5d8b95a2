package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// magic opens a plan file: a plan can be told from an ONNX model by its first bytes.
const magic = "secc.plan/2\n"

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

func marshal(v any) ([]byte, error) {
	opt := cbor.CoreDetEncOptions()
	opt.NaNConvert = cbor.NaNConvertReject
	mode, err := opt.EncMode()
	if err != nil {
		return nil, err
	}
	return mode.Marshal(v)
}

func unmarshal(b []byte, v any) error {
	mode, err := cbor.DecOptions{
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
	if err != nil {
		return err
	}
	return mode.Unmarshal(b, v)
}
