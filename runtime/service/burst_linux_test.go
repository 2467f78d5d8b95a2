package service

import (
	"os"
	goruntime "runtime"
	"testing"
	"time"
)

// What sessions took of the machine's memory is given back when the last has gone, be it one
// or a burst of them.
func TestMemoryIsGivenBack(t *testing.T) {
	g := echo(t)
	for _, burst := range []int{1, 8} {
		w := ballast{slowly{make(chan struct{}), make(chan struct{})}, load / burst}
		addr, _, _ := start(t, Config{Program: g, Weights: w, MaxSessions: burst})
		before := resident(t)
		done := make(chan error, burst)
		for range burst {
			go func() { done <- ask(t, g, addr) }()
		}
		for range burst {
			<-w.reached
		}
		held := resident(t)
		if held-before < load/2 {
			t.Fatalf("%d MiB with %d sessions, %d before: it shows nothing", held>>20, burst, before>>20)
		}
		close(w.gone)
		for range burst {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		start := time.Now()
		within(t, "memory given back", func() bool { return resident(t)-before < (held-before)/16 })
		t.Logf("%d sessions: %d MiB before, %d with them, %d after them, %v later", burst, before>>20, held>>20, resident(t)>>20, time.Since(start).Round(time.Millisecond))
	}
}

// load is what all sessions of a burst take together.
const load = 128 << 20

// ballast is weights for which a session takes some memory, until it ends.
type ballast struct {
	slowly
	bytes int
}

func (b ballast) Ints(name string, n int) ([]int64, error) {
	taken := make([]byte, b.bytes)
	for i := 0; i < len(taken); i += 4096 {
		taken[i] = 1
	}
	x, err := b.slowly.Ints(name, n)
	goruntime.KeepAlive(taken)
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
