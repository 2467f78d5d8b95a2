package runtime

import (
	"errors"
	"testing"

	"secc.example/secc/runtime/transport"
)

func TestUnpackRefusesPadding(t *testing.T) {
	if err := unpack(make(Vec, 1), []byte{0x20}, 5); !errors.Is(err, transport.ErrViolation) {
		t.Errorf("got %v, want a violation", err)
	}
}
