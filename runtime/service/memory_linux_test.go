package service

import (
	"os"
	"path/filepath"
	"testing"
)

// What a container may still take is its limit less what is used, but for files' pages.
func TestContainerMemory(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	used, stat := file("used", "700\n"), file("stat", "anon 100\ninactive_file 250\n")
	for limit, want := range map[string]int64{"1000\n": 550, "300\n": 1, "max\n": 0, "": 0} {
		n, ok := cgroup{file("limit", limit), used, stat, "inactive_file"}.free()
		if n != want || ok != (want > 0) {
			t.Errorf("limit %q: %d, %v; want %d", limit, n, ok, want)
		}
	}
	if n := field([]byte("MemTotal: 9 kB\nMemAvailable:   22783244 kB\n"), "MemAvailable:"); n != 22783244 {
		t.Errorf("MemAvailable %d", n)
	}
}
