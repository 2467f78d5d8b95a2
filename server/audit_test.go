package server

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A chain holds over restarts; whatever is done to it is found.
func TestAudit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	log := new(journal)
	write := func(names ...string) {
		t.Helper()
		a, err := openAudit(path, slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if err := a.write(AuditRecord{Event: EventOpen, Client: n}); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	write("a", "b")
	first, err := VerifyAudit(bytes.NewReader(read(t, path)), AuditCheck{})
	if err != nil || first.Records != 2 {
		t.Fatal(first, err)
	}
	// A crash left half a record, longer than the next one is.
	half := `{"number":3,"client":"` + strings.Repeat("x", 4000)
	if err := os.WriteFile(path, append(read(t, path), half...), 0o600); err != nil {
		t.Fatal(err)
	}
	write("c", "d")
	if !strings.Contains(log.text(), "incomplete") {
		t.Error("the log does not tell of the record that was removed")
	}
	whole := read(t, path)
	if a, err := VerifyAudit(bytes.NewReader(whole), AuditCheck{Head: first.Head}); err != nil || a.Records != 4 || a.Torn {
		t.Fatal(a, err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	join := func(l ...[]byte) []byte { return bytes.Join(l, nil) }
	last, err := VerifyAudit(bytes.NewReader(whole), AuditCheck{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		b    []byte
		head string
		want string
	}{
		"changed":        {bytes.Replace(whole, []byte(`"client":"b"`), []byte(`"client":"x"`), 1), "", "record 3 does not follow"},
		"taken out":      {join(lines[0], lines[2], lines[3]), "", "record 2 does not follow"},
		"exchanged":      {join(lines[1], lines[0]), "", "record 1 does not follow"},
		"cut off":        {join(lines[0], lines[1], lines[2]), last.Head, "no record has the hash"},
		"begun anew":     {join(lines[1]), "", "record 1 does not follow"},
		"something else": {[]byte("{}\n"), "", "record 1 does not follow"},
		"no JSON":        {[]byte("number\n"), "", "record 1 is none"},
		"one more field": {bytes.Replace(whole, []byte(`{`), []byte(`{"x":1,`), 1), "", "record 1 is none"},
	} {
		if _, err := VerifyAudit(bytes.NewReader(c.b), AuditCheck{Head: c.head}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(path, lines[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openAudit(path, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a server goes on with an audit that was tampered with")
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Sessions and refusals are on record; a session that cannot be recorded does not begin.
func TestSessionsAreRecorded(t *testing.T) {
	root, data := t.TempDir(), t.TempDir()
	put(t, root, "a", "1", 3)
	s := start(t, Config{Models: root, Data: data})
	if _, err := ask(t.Context(), s.model(t, "a")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(data, "audit.jsonl")
	within(t, "the end on record", func() bool { return bytes.Contains(read(t, path), []byte(`"event":"done"`)) })
	other, err := scaling(5).Digest()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.model(t, "a").Session(t.Context(), other, 1); err == nil {
		t.Fatal("another plan")
	}
	within(t, "the refusal on record", func() bool { return bytes.Contains(read(t, path), []byte(`"event":"refused"`)) })
	text := string(read(t, path))
	for _, want := range []string{`"event":"open"`, `"status":412`, `"bytes":5`, `"client":"127.0.0.1"`, `"weights_digest":"` + s.models.Find("a", "").Weights.Checksum()} {
		if !strings.Contains(text, want) {
			t.Errorf("the audit lacks %s:\n%s", want, text)
		}
	}
	if a, err := VerifyAudit(strings.NewReader(text), AuditCheck{}); err != nil || a.Records != 3 {
		t.Errorf("%v, %v", a, err)
	}
	if err := s.state.(*embedded).audit.file.Close(); err != nil {
		t.Fatal(err)
	}
	if v, err := ask(t.Context(), s.model(t, "a")); err == nil {
		t.Errorf("a session that cannot be recorded: %v", v)
	}
}

// fullDisk takes half of a record, or cannot put it on the disk.
type fullDisk struct {
	*os.File
	full, lost bool
}

func (f *fullDisk) Write(p []byte) (int, error) {
	if !f.full {
		return f.File.Write(p)
	}
	n, err := f.File.Write(p[:len(p)/2])
	return n, errors.Join(err, errors.New("no space left"))
}

func (f *fullDisk) Sync() error {
	if f.lost {
		return errors.New("input/output error")
	}
	return f.File.Sync()
}

// A record that could not be written leaves nothing: the next takes its place in the chain.
func TestAuditOnAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	a, err := openAudit(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	disk := &fullDisk{File: a.file.(*os.File)}
	a.file = disk
	for i, fails := range []bool{false, true, true, false, false} {
		disk.full, disk.lost = fails && i%2 == 1, fails && i%2 == 0
		if err := a.write(AuditRecord{Event: EventOpen, Client: "clinic"}); (err != nil) != fails {
			t.Errorf("record %d: %v", i, err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := VerifyAudit(bytes.NewReader(b), AuditCheck{}); err != nil || got.Records != 3 || got.Torn {
		t.Errorf("%+v, %v", got, err)
	}
}
