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
		if n, ok := available(b); ok {
			least = n
		}
	}
	for _, g := range [2][2]string{
		{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
		{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"},
	} {
		limit, used := number(g[0]), number(g[1])
		if limit > 0 {
			least = min(least, max(limit-used, 1))
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// available reads MemAvailable.
func available(meminfo []byte) (int64, bool) {
	for s := bufio.NewScanner(bytes.NewReader(meminfo)); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) == 3 && f[0] == "MemAvailable:" {
			kib, err := strconv.ParseInt(f[1], 10, 54)
			return kib << 10, err == nil
		}
	}
	return 0, false
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
