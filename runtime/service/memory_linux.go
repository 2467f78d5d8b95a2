package service

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"strconv"
	"strings"
)

// FreeMemory is how much memory this process may still take, by what the machine has and by
// the limit of its container; 0 where that cannot be told.
func FreeMemory() int64 {
	least := int64(math.MaxInt64)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		if n := field(b, "MemAvailable:"); n > 0 {
			least = n << 10
		}
	}
	for _, g := range [2]cgroup{
		{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file"},
		{
			"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
			"/sys/fs/cgroup/memory/memory.stat", "total_inactive_file",
		},
	} {
		if n, ok := g.free(); ok {
			least = min(least, n)
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// cgroup names the files of a container's memory: its limit, what is used, and the line of
// its statistics that tells how much of that is files' pages that would be given up.
type cgroup struct{ limit, used, stat, idle string }

// free is what is left below the limit, if there is one.
func (g cgroup) free() (int64, bool) {
	limit := number(g.limit)
	if limit <= 0 {
		return 0, false
	}
	var idle int64
	if b, err := os.ReadFile(g.stat); err == nil {
		idle = field(b, g.idle)
	}
	return max(limit-number(g.used)+idle, 1), true
}

// field reads the number behind a name, in a file of one such pair a line; 0 without it.
func field(file []byte, name string) int64 {
	for s := bufio.NewScanner(bytes.NewReader(file)); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) >= 2 && f[0] == name {
			if n, err := strconv.ParseInt(f[1], 10, 53); err == nil {
				return n
			}
		}
	}
	return 0
}

// number reads a file that holds one; 0 for anything else ("max").
func number(path string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
