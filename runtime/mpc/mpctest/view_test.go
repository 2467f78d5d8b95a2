package mpctest

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// Three planes that are balanced, each and by pairs, and sum to a constant are seen.
func TestDependentPlanes(t *testing.T) {
	const n = 1024
	r := rand.New(rand.NewPCG(1, 2))
	plane := func() []byte {
		var b []byte
		for range n / 64 {
			b = binary.LittleEndian.AppendUint64(b, r.Uint64())
		}
		return b
	}
	sound := &Recorder{Received: [][]byte{plane(), plane(), plane(), plane()}}
	if d := sound.Dependent(n); d != 0 {
		t.Errorf("%d of 4 planes are sums of others", d)
	}
	sum := make([]byte, n/8)
	for i := range sum {
		sum[i] = ^(sound.Received[0][i] ^ sound.Received[1][i] ^ sound.Received[3][i])
	}
	leaking := &Recorder{Received: append(sound.Received, sum)}
	if worst, planes := leaking.Bias(n); worst > 6 || planes != 5 {
		t.Errorf("%d planes, off by %.1f standard deviations", planes, worst)
	}
	if d := leaking.Dependent(n); d != 1 {
		t.Errorf("%d planes are sums of others, want 1", d)
	}
}
