package store

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"secc.example/secc/internal/safefile"
)

// recordKind is what a line of the journal says.
type recordKind byte

const (
	recordReady    recordKind = iota + 1 // a run may be reserved
	recordReserved                       // a run was reserved, the counter-th of its session
	recordCounter                        // so many runs of the session were reserved
	recordSeen                           // the peer has come with this counter at most; in the number's place: with which of those before it
)

type record struct {
	kind    recordKind
	refused bool // Seen: the peer's store is a restored copy
	name    Name
	counter uint64
}

// A record is followed by its authentication, which covers all before it.
const (
	recordSize = 1 + 1 + 6 + 8 + sha256.Size + 8
	lineSize   = recordSize + sha256.Size
	saltSize   = 32
	headSize   = 16 + saltSize
)

var journalMagic = [16]byte{'s', 'e', 'c', 'c', ' ', 'j', 'o', 'u', 'r', 'n', 'a', 'l', ' ', '2', '\n', 0}

func (r record) encode() []byte {
	b := make([]byte, 8, recordSize)
	b[0] = byte(r.kind)
	if r.refused {
		b[1] = 1
	}
	b = binary.LittleEndian.AppendUint64(b, r.counter)
	b = append(b, r.name.Session[:]...)
	return binary.LittleEndian.AppendUint64(b, r.name.Number)
}

func decodeRecord(b []byte) (r record) {
	r.kind, r.refused = recordKind(b[0]), b[1] == 1
	r.counter = binary.LittleEndian.Uint64(b[8:])
	copy(r.name.Session[:], b[16:])
	r.name.Number = binary.LittleEndian.Uint64(b[16+sha256.Size:])
	return r
}

// journal is what happened to a store's runs, appended to and synchronised. It alone says which
// segments hold runs: a segment that was put back is none.
type journal struct {
	path  string
	salt  []byte
	key   []byte
	file  *os.File
	chain []byte // authentication of the last record
	at    int64
	bad   error // it may be behind what happened: nothing more is done
	done  func(op string)
}

const journalName = "journal"

// openJournal reads the journal of a folder, or begins one where there is neither it nor a run.
func openJournal(dir string, key Key, done func(string)) (j *journal, all []record, err error) {
	j = &journal{path: filepath.Join(dir, journalName), done: done}
	b, err := os.ReadFile(j.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		j.salt = make([]byte, saltSize)
		_, _ = rand.Read(j.salt) // never fails
		j.key = key.derive(j.salt, "journal")
		return j, nil, nil
	case err != nil:
		return nil, nil, err
	case len(b) < headSize+sha256.Size || !bytes.Equal(b[:16], journalMagic[:]):
		return nil, nil, fmt.Errorf("%w: %s is no journal", ErrDamaged, j.path)
	}
	j.salt = bytes.Clone(b[16:headSize])
	j.key = key.derive(j.salt, "journal")
	j.chain = j.next(nil, b[:headSize])
	if !hmac.Equal(j.chain, b[headSize:headSize+sha256.Size]) {
		return nil, nil, fmt.Errorf("%s: the store was made with another key, or %w", j.path, ErrDamaged)
	}
	all, err = j.read(b[headSize+sha256.Size:])
	return j, all, err
}

// read follows the chain. The last record may be incomplete: it was being written when the
// process ended, and nobody has acted on it.
func (j *journal) read(b []byte) (all []record, err error) {
	for len(b) >= lineSize {
		mac := j.next(j.chain, b[:recordSize])
		if !hmac.Equal(mac, b[recordSize:lineSize]) {
			if len(b) == lineSize {
				return all, nil
			}
			return nil, fmt.Errorf("%s: record %d: %w", j.path, len(all)+1, ErrDamaged)
		}
		all = append(all, decodeRecord(b))
		j.chain, b = mac, b[lineSize:]
	}
	return all, nil
}

// next authenticates what follows a chain.
func (j *journal) next(chain, b []byte) []byte {
	h := hmac.New(sha256.New, j.key)
	h.Write(chain)
	h.Write(b)
	return h.Sum(nil)
}

// rewrite makes the journal one of these records, whole or not at all, and goes on with it.
func (j *journal) rewrite(all []record) error {
	b := append(bytes.Clone(journalMagic[:]), j.salt...)
	chain := j.next(nil, b)
	b = append(b, chain...)
	for _, r := range all {
		line := r.encode()
		chain = j.next(chain, line)
		b = append(append(b, line...), chain...)
	}
	if err := safefile.Write(j.path, b, safefile.Private); err != nil {
		return err
	}
	j.done("journal rewritten")
	f, err := os.OpenFile(j.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return errors.Join(err, f.Close())
	}
	if j.file != nil {
		_ = j.file.Close() // it was synchronised
	}
	j.file, j.chain, j.at = f, chain, int64(len(b))
	return nil
}

// write appends a record, which is on the disk when it returns. After a failure it cannot be
// told what is, and nothing more is written.
func (j *journal) write(r record) error {
	if j.bad != nil {
		return j.bad
	}
	line := r.encode()
	chain := j.next(j.chain, line)
	_, err := j.file.Write(append(line, chain...))
	j.done("journal written")
	if err == nil {
		err = j.file.Sync()
		j.done("journal synchronised")
	}
	if err != nil {
		j.bad = fmt.Errorf("the journal of prepared runs cannot be written: %w", err)
		return j.bad
	}
	j.chain = chain
	j.at += lineSize
	return nil
}

// renew rewrites a journal that is in use. After a failure nothing more is written either.
func (j *journal) renew(all []record) error {
	if j.bad == nil {
		j.bad = j.rewrite(all)
	}
	return j.bad
}

func (j *journal) close() error {
	j.bad = ErrClosed
	return j.file.Close()
}
