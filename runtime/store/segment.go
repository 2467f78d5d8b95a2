package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// A segment is a file that holds one run: a header with the segment's own key, encrypted, and
// the run in chunks that are encrypted with it. Chunks are only appended; the header comes last.
const (
	headerSize = 4096
	chunkSize  = 64 << 10
	tagSize    = 16
	nonceSize  = 12
)

var segmentMagic = []byte("secc prepared 1\n")

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err == nil {
		var a cipher.AEAD
		if a, err = cipher.NewGCM(block); err == nil {
			return a
		}
	}
	panic("BUG: " + err.Error()) // keys have 32 bytes
}

// nonceOf numbers chunks: a segment's key encrypts each once.
func nonceOf(chunk int64) []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, nonceSize-8, nonceSize), uint64(chunk))
}

func chunks(size int64) int64 { return (size + chunkSize - 1) / chunkSize }

// segment is a run on the disk.
type segment struct {
	d    *disk
	path string
	size int64
}

// seal encrypts a header.
func (d *disk) seal(e *entry, key []byte) []byte {
	plain := append([]byte(nil), key...)
	for _, x := range []uint64{uint64(e.size), uint64(e.made), e.Number} {
		plain = binary.LittleEndian.AppendUint64(plain, x)
	}
	plain = append(append(append(plain, e.Plan[:]...), e.Weights[:]...), e.Session[:]...)
	plain = append(binary.LittleEndian.AppendUint16(plain, uint16(len(e.Peer))), e.Peer...)
	plain = append(plain, make([]byte, headerSize-len(segmentMagic)-nonceSize-tagSize-len(plain))...)
	h := append([]byte(nil), segmentMagic...)
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // never fails
	return d.wrap.Seal(append(h, nonce...), nonce, plain, segmentMagic)
}

// unseal reads a header and the key in it.
func (d *disk) unseal(path string) (e *entry, key []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	h := make([]byte, headerSize)
	if _, err := io.ReadFull(f, h); err != nil {
		return nil, nil, fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
	}
	at := len(segmentMagic)
	b, err := d.wrap.Open(nil, h[at:at+nonceSize], h[at+nonceSize:], segmentMagic)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, ErrDamaged)
	}
	e = new(entry)
	key, b = b[:32], b[32:]
	e.size, e.made = int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
	e.Number, b = binary.LittleEndian.Uint64(b[16:]), b[24:]
	for _, to := range [][]byte{e.Plan[:], e.Weights[:], e.Session[:]} {
		b = b[copy(to, b):]
	}
	e.Peer = string(b[2 : 2+binary.LittleEndian.Uint16(b)])
	e.held = e.size + d.overhead(e.size)
	e.content = &segment{d, path, e.size}
	return e, key, nil
}

// segmentDraft is a segment that is being written. Its key is nowhere but here.
type segmentDraft struct {
	segment
	e     entry
	file  *os.File
	key   []byte
	aead  cipher.AEAD
	chunk []byte
	next  int64
}

func (d *disk) begin(b Binding, size int64) (draft, error) {
	path := d.file(rand.Text() + draftSuffix)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	d.done("draft")
	w := &segmentDraft{segment: segment{d, path, size}, e: entry{Binding: b, size: size}, file: f, key: make([]byte, 32), chunk: make([]byte, 0, chunkSize+tagSize)}
	_, _ = rand.Read(w.key) // never fails
	w.aead = gcm(w.key)
	if _, err := f.Seek(headerSize, io.SeekStart); err != nil {
		return nil, errors.Join(err, w.discard())
	}
	return w, nil
}

func (w *segmentDraft) Write(p []byte) (n int, err error) {
	for n < len(p) {
		k := min(chunkSize-len(w.chunk), len(p)-n)
		w.chunk = append(w.chunk, p[n:n+k]...)
		n += k
		if len(w.chunk) == chunkSize {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (w *segmentDraft) available() []byte { return nil }

func (w *segmentDraft) flush() error {
	_, err := w.file.Write(w.aead.Seal(w.chunk[:0], nonceOf(w.next), w.chunk, nil))
	w.next++
	w.chunk = w.chunk[:0]
	return err
}

// finish writes what is left, then the header, then gives the segment its name.
func (w *segmentDraft) finish() (content, int64, error) {
	if len(w.chunk) > 0 {
		if err := w.flush(); err != nil {
			return nil, 0, err
		}
	}
	w.e.made = time.Now().UnixNano()
	if _, err := w.file.WriteAt(w.d.seal(&w.e, w.key), 0); err != nil {
		return nil, 0, err
	}
	w.d.done("segment written")
	if err := errors.Join(w.file.Sync(), w.file.Close()); err != nil {
		return nil, 0, err
	}
	w.d.done("segment synchronised")
	path := w.d.file(rand.Text() + segmentSuffix)
	if err := os.Rename(w.path, path); err != nil {
		return nil, 0, err
	}
	w.path = path
	syncDir(w.d.dir)
	w.d.done("segment named")
	clear(w.key)
	return &segment{w.d, path, w.size}, w.e.made, nil
}

func (w *segmentDraft) discard() error {
	_ = w.file.Close() // closed already, after finish
	return w.erase()
}

// open takes the key out of the segment, which is then in this process's memory alone.
func (g *segment) open() (io.ReaderAt, error) {
	_, key, err := g.d.unseal(g.path)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	f, err := os.OpenFile(g.path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(make([]byte, headerSize), 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	g.d.done("key taken")
	return &reader{file: f, aead: gcm(key), size: g.size, at: -1}, nil
}

// erase overwrites the segment's key, so that what the disk keeps of the file is noise, and
// removes the file.
func (g *segment) erase() error {
	f, err := os.OpenFile(g.path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(make([]byte, headerSize), 0)
		g.d.done("key overwritten")
		err = errors.Join(err, f.Sync(), f.Close())
		g.d.done("key forgotten")
	}
	err = errors.Join(err, os.Remove(g.path))
	g.d.done("segment removed")
	return err
}

// reader decrypts chunks as they are asked for.
type reader struct {
	file *os.File
	size int64

	mu    sync.Mutex
	aead  cipher.AEAD
	at    int64 // chunk at hand
	plain []byte
	raw   [chunkSize + tagSize]byte
}

func (r *reader) ReadAt(p []byte, off int64) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n < len(p) && off >= 0 && off < r.size {
		if err := r.load(off / chunkSize); err != nil {
			return n, err
		}
		k := copy(p[n:], r.plain[off%chunkSize:])
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (r *reader) load(chunk int64) error {
	if chunk == r.at {
		return nil
	}
	r.at = -1
	long := min(chunkSize, r.size-chunk*chunkSize) + tagSize
	if _, err := r.file.ReadAt(r.raw[:long], headerSize+chunk*(chunkSize+tagSize)); err != nil {
		return fmt.Errorf("%w: a prepared run: %w", ErrDamaged, err)
	}
	var err error
	if r.plain, err = r.aead.Open(r.raw[:0], nonceOf(chunk), r.raw[:long], nil); err != nil {
		return fmt.Errorf("%w: a prepared run: %w", ErrDamaged, err)
	}
	r.at = chunk
	return nil
}

func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.raw[:])
	r.at, r.plain, r.aead = -1, nil, nil
	return r.file.Close()
}
