package largepage

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

var kept []byte

// What the heap grows by lies on large pages, and takes no memory before it is touched.
func TestHeap(t *testing.T) {
	const n = 256 << 20
	before := resident(t)
	Heap(n)
	if grown := resident(t) - before; grown > n/8 {
		t.Errorf("%d bytes are resident that nobody has touched", grown)
	}
	for range 8 {
		kept = make([]byte, n/32)
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(kept))); !advised(t, at) {
			t.Errorf("memory at %x is on small pages", at)
		}
	}
	Heap(1 << 62) // which no system has
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
