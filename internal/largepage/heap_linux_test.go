package largepage

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

var kept []byte

// What the heap grows by lies on large pages, and takes no memory before it is touched, whatever
// was used before and is garbage, nor when it is asked for again.
func TestHeap(t *testing.T) {
	const n, used = 256 << 20, 48 << 20
	kept = make([]byte, used)
	for i := 0; i < len(kept); i += 4096 {
		kept[i] = 1
	}
	kept = nil
	runtime.GC()
	before := resident(t)
	for range 2 {
		Heap(n)
	}
	if grown := resident(t) - before; grown > n/8 {
		t.Errorf("%d bytes are resident that nobody has touched", grown)
	}
	var all [8][]byte
	for i := range all {
		all[i] = make([]byte, n/64)
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(all[i]))); !advised(t, at) {
			t.Errorf("memory at %x is on small pages", at)
		}
	}
}

// A system that does not give so many addresses away keeps small pages.
func TestAvailable(t *testing.T) {
	if available(1<<62) || !available(1<<20) {
		t.Error("addresses that no system has, or too few that all have")
	}
}

// advised looks up whether the system was told to use large pages at an address.
func advised(t *testing.T, at uintptr) bool {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip("without /proc nothing is known of pages: ", err)
	}
	defer f.Close()
	here := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var lo, hi uintptr
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x ", &lo, &hi); err == nil {
			here = lo <= at && at < hi
		}
		if flags, ok := strings.CutPrefix(lines.Text(), "VmFlags:"); ok && here {
			return strings.Contains(flags+" ", " hg ")
		}
	}
	t.Fatalf("no mapping holds %x", at)
	return false
}

// resident is how many bytes of memory the process has.
func resident(t *testing.T) int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("without /proc nothing is known of pages: ", err)
	}
	var all, pages int
	if _, err := fmt.Sscan(string(b), &all, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
