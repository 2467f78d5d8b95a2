package main

import (
	"github.com/spf13/pflag"

	"secc.example/secc/runtime/store"
)

// runFolder is where prepared runs are kept.
type runFolder struct {
	dir, key string
	size     byteSize
}

// What a server keeps at most, unless it is told otherwise.
const (
	runsOnDisk = 16 << 30
	runsInRAM  = 1 << 30
)

func (f *runFolder) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.dir, "store", "", "folder, encrypted, in which prepared inferences are kept for later sessions (both sides keep them; never back it up, never copy it; server without one: in memory)")
	fl.StringVar(&f.key, "store-key", "", "file of its key, made at the first use (default: the folder's name with .key; or "+store.KeyVariable+" in the environment)")
	fl.Var(&f.size, "store-size", "bytes of prepared inferences that are kept at most: 2GiB, 500M (default: 16 GiB; in memory 1 GiB)")
}

func (f *runFolder) check() error {
	if f.dir == "" && f.key != "" {
		return usage("--store-key needs --store")
	}
	return nil
}

// open opens the folder; without one there is no store.
func (f *runFolder) open() (*store.Store, error) {
	if f.dir == "" {
		return nil, nil
	}
	size := int64(f.size)
	if size == 0 {
		size = runsOnDisk
	}
	s, err := store.OpenFolder(f.dir, f.key, size)
	if err != nil {
		return nil, usage("--store: %w", err)
	}
	return s, nil
}

// serverStore is open at a server, which keeps runs in memory without a folder. It tells how much
// memory they may take.
func (f *runFolder) serverStore() (s *store.Store, memory int64, err error) {
	if f.dir != "" {
		s, err = f.open()
		return s, 0, err
	}
	if memory = int64(f.size); memory == 0 {
		memory = runsInRAM
	}
	return store.Memory(memory), memory, nil
}
