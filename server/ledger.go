package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// errBudget is why a client may not ask any more for now.
var errBudget = errors.New("the budget is used up")

// errNever is why it never may.
var errNever = errors.New("a session of yours may not ask for so much at once")

// ledger is what clients have used of their budgets, on the disk. It is kept by the hour (or
// a twenty-fourth of the window), and an hour counts until all of it lies outside of the window:
// no window holds more than the budget, some hold less.
type ledger struct{ db *bbolt.DB }

var spent = []byte("spent")

// openLedger opens a ledger, which one server at a time may use.
func openLedger(path string) (*ledger, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("%s: another server uses it", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(spent)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &ledger{db}, nil
}

// amount is a number of inferences and their bytes.
type amount struct{ inferences, bytes int64 }

// exceeds tells whether a client that has used so much may not have more. What is more than all of
// its budget it never may (errNever).
func (c *Client) exceeds(used, more amount, window time.Duration) (err error) {
	for _, b := range []struct {
		what             string
		most, used, more int64
	}{{"inferences", c.Sessions, used.inferences, more.inferences}, {"bytes", c.Bytes, used.bytes, more.bytes}} {
		switch {
		case b.most <= 0 || b.used <= b.most-b.more:
		case b.more > b.most:
			return fmt.Errorf("%w: %d %s, the whole budget are %d in %v", errNever, b.more, b.what, b.most, window)
		default:
			err = fmt.Errorf("%w: %d of %d %s in %v, and the session asks for %d more", errBudget, b.used, b.most, b.what, window, b.more)
		}
	}
	return err
}

func (a amount) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(a.inferences))
	return binary.BigEndian.AppendUint64(b, uint64(a.bytes))
}

func decodeAmount(b []byte) amount {
	if len(b) != 16 {
		return amount{}
	}
	return amount{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}
}

// prefixOf begins a client's keys; the beginning of an hour follows.
func prefixOf(client string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(client))), client...)
}

// take counts a session's inferences and bytes, or says in what time there may be room for it.
// refund undoes it.
func (l *ledger) take(c *Client, window time.Duration, more amount, now time.Time) (refund func() error, wait time.Duration, err error) {
	if !c.limited() {
		return func() error { return nil }, 0, nil
	}
	width := window / 24
	prefix := prefixOf(c.Name)
	key := binary.BigEndian.AppendUint64(append([]byte(nil), prefix...), uint64(now.Truncate(width).UnixNano()))
	err = l.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(spent)
		used, oldest, err := sum(b, prefix, now.Add(-window-width))
		if err != nil {
			return err
		}
		if err := c.exceeds(used, more, window); err != nil {
			wait = oldest.Add(window + width).Sub(now)
			return err
		}
		at := decodeAmount(b.Get(key))
		return b.Put(key, amount{at.inferences + more.inferences, at.bytes + more.bytes}.encode())
	})
	if err != nil {
		return nil, after(err, wait), err
	}
	return func() error {
		return l.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(spent)
			at := decodeAmount(b.Get(key))
			return b.Put(key, amount{max(0, at.inferences-more.inferences), max(0, at.bytes-more.bytes)}.encode())
		})
	}, 0, nil
}

// after is when to ask again for what was refused; 0: never.
func after(err error, wait time.Duration) time.Duration {
	if errors.Is(err, errNever) {
		return 0
	}
	return max(wait, time.Second)
}

// sum adds up what was spent since, says when the first of it was, and forgets what is older.
func sum(b *bbolt.Bucket, prefix []byte, since time.Time) (all amount, oldest time.Time, err error) {
	var old [][]byte
	c := b.Cursor()
	for k, v := c.Seek(prefix); len(k) == len(prefix)+8 && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		at := time.Unix(0, int64(binary.BigEndian.Uint64(k[len(prefix):])))
		if !at.After(since) {
			old = append(old, bytes.Clone(k))
			continue
		}
		if oldest.IsZero() {
			oldest = at
		}
		a := decodeAmount(v)
		all.inferences, all.bytes = all.inferences+a.inferences, all.bytes+a.bytes
	}
	for _, k := range old {
		if err := b.Delete(k); err != nil {
			return all, oldest, err
		}
	}
	return all, oldest, nil
}

func (l *ledger) Close() error {
	if l == nil {
		return nil
	}
	return l.db.Close()
}
