package out

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

const hostile = "a\x1b[31mred\x1b[0m\rb\x00c\u202egnp.exe\u2066d\u200ee\u0085f\u2028g\x7f"

// Nothing of a hostile string reaches the terminal as a command, however the text
// is cut into writes; other text passes as it is.
func TestWriterSpellsOut(t *testing.T) {
	text := "naïve Übung 漢字 🩻\n\ttable │ ├─┤\n" + hostile + "\n"
	want := "naïve Übung 漢字 🩻\n\ttable │ ├─┤\n" +
		`a\u001b[31mred\u001b[0m\u000db\u0000c\u202egnp.exe\u2066d\u200ee\u0085f\u2028g\u007f` + "\n"
	for size := 1; size <= len(text); size++ {
		var b bytes.Buffer
		w := New(&b)
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			if m, err := w.Write(rest[:n]); m != n || err != nil {
				t.Fatal(m, err)
			}
			rest = rest[n:]
		}
		if b.String() != want {
			t.Fatalf("in pieces of %d: %q", size, b.String())
		}
	}
	if got := Line("one\ntwo\x9b\xff"); got != "one\\u000atwo\ufffd\ufffd" {
		t.Errorf("%q", got)
	}
}

// JSON stays the same string for whoever reads it.
func TestWriterKeepsJSON(t *testing.T) {
	var b bytes.Buffer
	if err := json.NewEncoder(New(&b)).Encode(map[string]string{"label": hostile}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\u202e\u2066\x1b\u0085\x7f") {
		t.Errorf("%q", b.String())
	}
	var back map[string]string
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back["label"] != hostile {
		t.Errorf("%v: %q", err, back["label"])
	}
}

// The first error stays, though nobody looked at it.
func TestWriterRemembersErrors(t *testing.T) {
	w := New(full{})
	if w.Write([]byte("a")); !errors.Is(w.Err(), errFull) {
		t.Error(w.Err())
	}
	if f, ok := File(New(os.Stderr)); !ok || f != os.Stderr {
		t.Error("the file behind is not found")
	}
	if _, ok := File(w); ok {
		t.Error("a file was found where there is none")
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
