// Package out is where commands write. Whatever they print of a plan, a model or a
// peer comes from a stranger: nothing of it may move the cursor, set colours or turn
// the direction of text. And what cannot be written is an error that no command
// needs to look for.
package out

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Writer passes text on with everything that is not text spelled out, as \u202e.
// In JSON, where control characters are escaped already, that is the same string.
type Writer struct {
	mu   sync.Mutex
	w    io.Writer
	tail []byte // the beginning of a rune
	err  error  // the first that writing gave
}

// New wraps a writer.
func New(w io.Writer) *Writer { return &Writer{w: w} }

// Write takes text in pieces of any size.
func (o *Writer) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	text := append(o.tail, p...)
	whole := len(text) - unfinished(text)
	o.tail = bytes.Clone(text[whole:])
	if _, err := io.WriteString(o.w, spelled(string(text[:whole]), "\n\t")); err != nil {
		o.err = err
		return 0, err
	}
	return len(p), nil
}

// Err is why something could not be written, if so.
func (o *Writer) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// unfinished is the length of a rune's beginning at the end of b.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// Line makes a stranger's string one line of text.
func Line(s string) string { return spelled(s, "") }

// spelled spells out what is not text, but for some characters.
func spelled(s, keep string) string {
	odd := func(r rune) bool { return !strings.ContainsRune(keep, r) && (unicode.IsControl(r) || turns(r)) }
	if utf8.ValidString(s) && strings.IndexFunc(s, odd) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s { // bytes that are no UTF-8 come out as U+FFFD
		if odd(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// turns reports whether a character changes the direction of those around it, or
// ends a line where \n does not.
func turns(r rune) bool {
	return unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// File is the file behind a writer, if there is one: for what only terminals take.
func File(w io.Writer) (*os.File, bool) {
	if o, ok := w.(*Writer); ok {
		w = o.w
	}
	f, ok := w.(*os.File)
	return f, ok
}

// JSON writes a value on one line.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
