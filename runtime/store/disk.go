package store

import (
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The files of a store's folder, beside the journal.
const (
	lockName      = "lock"
	segmentSuffix = ".run"
	draftSuffix   = ".draft"
)

// disk is a folder that one process at a time uses.
type disk struct {
	dir     string
	lock    *os.File
	wrap    cipher.AEAD // encrypts the keys of segments
	journal *journal
	done    func(op string) // tests end the process after any of them
	state   func() []record // what a journal says of the runs that there are
	long    int64           // a journal that becomes longer is written anew
}

const longJournal = 4 << 20

// Open opens the store in a folder, which is made if there is none, for at most so many bytes (0:
// any number). Runs that were reserved or half written when the process ended are burned.
func Open(dir string, key Key, maxBytes int64) (*Store, error) {
	return openWith(dir, key, maxBytes, func(string) {})
}

func openWith(dir string, key Key, maxBytes int64, done func(op string)) (_ *Store, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d := &disk{dir: dir, done: done, long: longJournal}
	if d.lock, err = lockFile(d.file(lockName)); err != nil {
		return nil, fmt.Errorf("%s: another process uses this store of prepared runs, or it cannot be locked: %w", dir, err)
	}
	s := empty(d, maxBytes)
	if err := d.load(s, key); err != nil {
		if d.journal != nil && d.journal.file != nil {
			err = errors.Join(err, d.journal.file.Close())
		}
		return nil, errors.Join(err, d.lock.Close())
	}
	return s, nil
}

func (d *disk) file(name string) string { return filepath.Join(d.dir, name) }

// load makes the store what the journal says, and the journal and the folder what the store is.
func (d *disk) load(s *Store, key Key) error {
	var all []record
	var err error
	if d.journal, all, err = openJournal(d.dir, key, d.done); err != nil {
		return err
	}
	d.wrap = gcm(key.derive(d.journal.salt, "segments"))
	ready := replay(s, all)
	files, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := d.settle(s, f.Name(), ready, d.journal.chain == nil); err != nil {
			return err
		}
	}
	for session := range s.past {
		s.forget(session)
	}
	d.state = s.records
	return d.journal.rewrite(s.records())
}

// replay follows the journal. It gives the runs that may be reserved.
func replay(s *Store, all []record) (ready map[Name]bool) {
	ready = map[Name]bool{}
	for _, r := range all {
		p := s.past[r.name.Session]
		if p == nil {
			p = &past{finished: true}
			s.past[r.name.Session] = p
		}
		switch r.kind {
		case recordReady:
			ready[r.name] = true
		case recordReserved:
			delete(ready, r.name)
			p.reserved = max(p.reserved, r.counter)
		case recordCounter:
			p.reserved = max(p.reserved, r.counter)
		case recordSeen:
			p.seen, p.refused = seen{r.counter, r.name.Number}, p.refused || r.refused
		}
	}
	return ready
}

// settle keeps a file that holds a run which may be reserved, and erases other runs.
func (d *disk) settle(s *Store, name string, ready map[Name]bool, first bool) error {
	path := d.file(name)
	whole := strings.HasSuffix(name, segmentSuffix)
	if !whole && !strings.HasSuffix(name, draftSuffix) {
		return nil
	}
	if first {
		return fmt.Errorf("%s: %w: there are runs, but no journal that tells which were used: remove the folder", d.dir, ErrDamaged)
	}
	if whole {
		e, key, err := d.unseal(path)
		clear(key)
		if err == nil && ready[e.Name] && s.ready[e.Name] == nil && !s.past[e.Session].refused {
			s.ready[e.Name] = e
			s.stats.Bytes += e.held
			return nil
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
	}
	s.stats.Burned++
	return (&segment{d: d, path: path}).erase()
}

// records is what a new journal has to say.
func (s *Store) records() (all []record) {
	for session, p := range s.past {
		all = append(all, record{kind: recordCounter, name: Name{Session: session}, counter: p.reserved}, p.heard(session))
	}
	for n := range s.ready {
		all = append(all, record{kind: recordReady, name: n})
	}
	return all
}

// log writes a record. The store is locked, and already what the record says but for a run that
// becomes ready.
func (d *disk) log(r record) error {
	if err := d.journal.write(r); err != nil {
		return err
	}
	if d.journal.at < d.long {
		return nil
	}
	all := d.state()
	if r.kind == recordReady {
		all = append(all, r)
	}
	return d.journal.renew(all)
}

func (d *disk) renew() error { return d.journal.renew(d.state()) }

func (*disk) overhead(size int64) int64 { return headerSize + chunks(size)*tagSize }

func (d *disk) id() string { return hex.EncodeToString(d.journal.salt[:16]) }

func (d *disk) close() error { return errors.Join(d.journal.close(), d.lock.Close()) }

// syncDir puts a folder's names on the disk, where the system can.
func syncDir(dir string) {
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync() // some systems cannot
		_ = f.Close()
	}
}
