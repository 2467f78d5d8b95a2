//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgres is a cluster of a test run's own, in a temporary folder, that listens on a socket in
// it and nowhere else.
type postgres struct {
	bin, dir string
	as       *syscall.SysProcAttr
	server   *exec.Cmd
	n        int
}

var cluster = sync.OnceValues(func() (*postgres, error) {
	p := &postgres{as: &syscall.SysProcAttr{}}
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is good
	if len(bins) == 0 {
		return nil, errors.New("PostgreSQL is not installed (apt-get install postgresql)")
	}
	p.bin = bins[len(bins)-1]
	var err error
	if p.dir, err = os.MkdirTemp("", "secc-postgres-"); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // as whom it does not run
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		p.as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(p.dir, uid, gid); err != nil {
			return nil, err
		}
	}
	out, err := p.command("initdb", "-D", filepath.Join(p.dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return p, p.start()
})

func (p *postgres) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(p.bin, name), args...)
	c.Dir, c.SysProcAttr = p.dir, p.as
	return c
}

func (p *postgres) start() error {
	p.server = p.command("postgres", "-D", "data", "-k", p.dir, "-h", "", "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60")
	if err := p.server.Start(); err != nil {
		return err
	}
	for range 200 {
		if c, err := pgx.Connect(context.Background(), p.url("postgres")); err == nil {
			return c.Close(context.Background())
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("PostgreSQL does not answer within 10 s")
}

// stop ends it with all its connections.
func (p *postgres) stop() error {
	if err := p.server.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	_ = p.server.Wait() // whatever it says
	return nil
}

func (p *postgres) url(database string) string {
	return fmt.Sprintf("postgres:///%s?host=%s&user=postgres", database, p.dir)
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childTask); name != "" {
		if err := children[name](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if p, err := cluster(); err == nil && p.server != nil {
		_ = p.stop()
		_ = os.RemoveAll(p.dir)
	}
	os.Exit(code)
}

// databaseT is an empty database.
func databaseT(t *testing.T) (p *postgres, url string) {
	t.Helper()
	p, err := cluster()
	if err != nil {
		t.Skip(err)
	}
	c, err := pgx.Connect(t.Context(), p.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	p.n++
	name := fmt.Sprintf("test%d", p.n)
	if _, err := c.Exec(t.Context(), "create database "+name); err != nil {
		t.Fatal(err)
	}
	return p, p.url(name)
}

// lines are what a child has written, whole ones only.
func lines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	all := strings.Split(string(b), "\n")
	return all[:len(all)-1]
}
