//go:build unix

package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Environment of a child: the folder of both parties' stores, and after how many operations on
// the disk it is to be killed (0: never).
const (
	childFolder = "SECC_TEST_STORE"
	childOps    = "SECC_TEST_STORE_OPS"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		if err := live(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// live is a life of two parties in one process: they use what runs they have, prepare some, use
// most of those, and write down each before its bytes are looked at.
func live(dir string) error {
	last, err := strconv.Atoi(os.Getenv(childOps))
	if err != nil {
		return err
	}
	ops := 0
	step := func(string) {
		if ops++; ops == last {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	var parties [2]*Store
	for i := range parties {
		if parties[i], err = openWith(filepath.Join(dir, strconv.Itoa(i)), testKey, 0, step); err != nil {
			return err
		}
	}
	used, err := os.OpenFile(filepath.Join(dir, "used"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	f := binding(0, 0).For
	if err := useAll(parties, used, parties[0].Ready(f)); err != nil {
		return err
	}
	var session [32]byte
	copy(session[:], fmt.Sprint(time.Now().UnixNano()))
	for i := range uint64(3) {
		for _, s := range parties {
			if err := putRun(s, Binding{f, Name{session, i}}, 70000); err != nil {
				return err
			}
		}
	}
	if err := useAll(parties, used, parties[0].Ready(f)[:2]); err != nil {
		return err
	}
	fmt.Println(ops)
	return nil
}

func useAll(parties [2]*Store, used *os.File, names []Name) error {
	for _, n := range names {
		err := use(parties[0], parties[1], Binding{binding(0, 0).For, n}, func() error {
			_, err := fmt.Fprintf(used, "%x %d\n", n.Session, n.Number)
			return err
		})
		if err != nil && !errors.Is(err, ErrNone) { // the other party lost it
			return err
		}
	}
	return nil
}

func child(dir string, ops int) *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childFolder+"="+dir, childOps+"="+strconv.Itoa(ops))
	return c
}

// A party that is killed at any point of preparing and using loses runs, but uses none twice;
// half of the kills hit an operation on the disk, half a moment.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	begun := time.Now()
	out, err := child(dir, 0).Output()
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	ops, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || ops < 40 {
		t.Fatalf("%q: %v", out, err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d operations a life, seed %d", ops, seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range 50 {
		c := child(dir, 0)
		if i%2 == 0 {
			c = child(dir, 1+r.IntN(ops))
		}
		var said bytes.Buffer
		c.Stderr = &said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			time.Sleep(time.Duration(r.Int64N(int64(took))))
			_ = c.Process.Kill() // it may have ended
		}
		if err := c.Wait(); err != nil && said.Len() > 0 {
			t.Fatalf("kill %d: %v: %s", i, err, &said)
		}
		noneTwice(t, dir)
	}
	if out, err := child(dir, 0).CombinedOutput(); err != nil {
		t.Errorf("a life after all that: %v: %s", err, out)
	}
	noneTwice(t, dir)
}

// noneTwice holds what was used to be used once, and not to be there any more.
func noneTwice(t *testing.T, dir string) {
	t.Helper()
	used := map[string]bool{}
	b, err := os.ReadFile(filepath.Join(dir, "used"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, line := range strings.Fields(strings.ReplaceAll(string(b), " ", "/")) {
		if used[line] {
			t.Fatalf("%s was used twice", line)
		}
		used[line] = true
	}
	for i := range 2 {
		s := openT(t, filepath.Join(dir, strconv.Itoa(i)), 0)
		for _, n := range s.Ready(binding(0, 0).For) {
			if used[fmt.Sprintf("%x/%d", n.Session, n.Number)] {
				t.Fatalf("%v was used and can be reserved", n)
			}
		}
		s.Close()
	}
}

// An old copy of a party's folder gives nothing that was used, to either side, and is refused
// once it is seen to be one.
func TestRestored(t *testing.T) {
	for party := range 2 {
		dir := t.TempDir()
		at := func(i int) string { return filepath.Join(dir, strconv.Itoa(i)) }
		var s [2]*Store
		for i := range s {
			s[i] = openT(t, at(i), 0)
			for n := range uint64(6) {
				put(t, s[i], binding(1, n), 1000)
			}
		}
		copied := filepath.Join(dir, "copy")
		if err := os.CopyFS(copied, os.DirFS(at(party))); err != nil {
			t.Fatal(err)
		}
		for n := range uint64(3) {
			if err := use(s[0], s[1], binding(1, n)); err != nil {
				t.Fatal(err)
			}
		}
		s[party].Close()
		if err := errors.Join(os.RemoveAll(at(party)), os.Rename(copied, at(party))); err != nil {
			t.Fatal(err)
		}
		s[party] = openT(t, at(party), 0)
		if n := len(s[party].Ready(binding(1, 0).For)); n != 6 {
			t.Fatalf("%d runs in the copy", n)
		}
		if err := use(s[0], s[1], binding(1, 0)); !errors.Is(err, ErrNone) {
			t.Errorf("party %d restored: a run that was used: %v", party, err)
		}
		if err := use(s[0], s[1], binding(1, 4)); !errors.Is(err, ErrRestored) {
			t.Errorf("party %d restored: a run that was not: %v", party, err)
		}
		if n := len(s[1-party].Ready(binding(1, 0).For)); n != 0 {
			t.Errorf("party %d restored: the other would still use %d runs", party, n)
		}
		if err := s[party].Void(); err != nil || s[party].Stats().Ready != 0 {
			t.Errorf("%v, %+v", err, s[party].Stats())
		}
	}
}
