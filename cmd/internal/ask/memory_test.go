package ask

import (
	"errors"
	"testing"

	"secc.example/secc/runtime/transport"
)

// The key of receipts is remembered beside the plan; one that changes or stays away is told, one
// that is given takes its place, and a new plan does not make it forgotten.
func TestSignerIsRemembered(t *testing.T) {
	m, err := openMemory(t.TempDir(), "https://a.example/v2/models/m")
	if err != nil {
		t.Fatal(err)
	}
	other := &memory{m.dir, "https://b.example/v2/models/m"}
	if err := m.pin("d1", []byte("plan")); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		m                *memory
		given, announced string
		first, bad       bool
	}{
		{m, "", "", false, false},
		{m, "", "k1", true, false},
		{m, "", "k1", false, false},
		{m, "", "k2", false, true},
		{m, "", "", false, true},
		{other, "", "k2", true, false},
		{m, "k2", "k1", false, true},
		{m, "K2", "k2", false, false},
		{m, "", "k2", false, false},
		{m, "", "k1", false, true},
	} {
		first, err := c.m.signer(c.given, c.announced)
		if first != c.first || (err != nil) != c.bad || err != nil && !errors.Is(err, transport.ErrMismatch) {
			t.Errorf("case %d: %v, %v", i, first, err)
		}
		if i == 4 {
			if err := m.pin("d2", []byte("another")); err != nil || m.pinned() != "d2" || m.recall().Receipts != "k1" {
				t.Errorf("after another plan: %v, %+v", err, m.recall())
			}
		}
	}
}
