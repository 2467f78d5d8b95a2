package service

import (
	"os"
	goruntime "runtime"
	"testing"
	"time"
)

// The memory of a burst of sessions is given back when the last has gone.
func TestMemoryIsGivenBack(t *testing.T) {
	g := echo(t)
	const burst = 8
	w := slowly{make(chan struct{}), make(chan struct{})}
	addr, _, _ := start(t, Config{Program: g, Weights: ballast{w}, MaxSessions: burst})
	heap := resident(t)
	done := make(chan error, burst)
	for range burst {
		go func() { done <- ask(t, g, addr) }()
	}
	for range burst {
		<-w.reached
	}
	held := resident(t)
	if held-heap < burst*ballastSize/2 {
		t.Fatalf("%d MiB in a burst, %d before: it shows nothing", held>>20, heap>>20)
	}
	close(w.gone)
	for range burst {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	start := time.Now()
	within(t, "memory given back", func() bool { now := resident(t); return now-heap < (held-heap)/4 })
	now := resident(t)
	t.Logf("%d MiB before, %d in the burst, %d after it, %v later", heap>>20, held>>20, now>>20, time.Since(start).Round(time.Millisecond))
}

// ballast is weights that a session reads and keeps until it ends.
type ballast struct{ slowly }

const ballastSize = 16 << 20

func (b ballast) Ints(name string, n int) ([]int64, error) {
	load := make([]byte, ballastSize)
	for i := 0; i < len(load); i += 4096 {
		load[i] = 1
	}
	x, err := b.slowly.Ints(name, n)
	goruntime.KeepAlive(load)
	return x, err
}

// resident is the memory that this process has of the machine's.
func resident(t *testing.T) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	return field(b, "VmRSS:") << 10
}
