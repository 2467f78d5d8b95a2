package he

import (
	"maps"
	"testing"

	"secc.example/secc/backend/plan/wire"
)

// TestModulusTableIsPinned: the table is that of the guidelines it names, and
// what is used keeps to it.
func TestModulusTableIsPinned(t *testing.T) {
	want := map[int]int{1024: 26, 2048: 53, 4096: 106, 8192: 214}
	if !maps.Equal(maxModulusBits, want) {
		t.Errorf("largest moduli %v, the guidelines say %v", maxModulusBits, want)
	}
	if wire.QBits != 50 {
		t.Errorf("modulus of %d bits", wire.QBits)
	}
}
