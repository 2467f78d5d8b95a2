package guard

import (
	"errors"
	"strings"
	"testing"
)

type secret [2]uint64

//go:noinline
func useless(key secret, at int) uint64 { return key[at] }

// What a panic becomes names the place, and holds no argument and no value that it was made with.
func TestPanicBecomesAnError(t *testing.T) {
	key := secret{0xdeadbeefdeadbeef, 0x0123456789abcdef}
	at := 5
	for name, f := range map[string]func() error{
		"index":  func() error { useless(key, at); return nil },
		"text":   func() error { panic("BUG: text") },
		"value":  func() error { panic(key) },
		"error":  func() error { panic(errors.New("0xdeadbeefdeadbeef")) },
		"nested": func() error { return Do(func() error { panic("BUG: text") }) },
	} {
		err := Do(f)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if !strings.HasSuffix(e.File, "guard/guard_test.go") || e.Line == 0 {
			t.Errorf("%s: placed at %s:%d", name, e.File, e.Line)
		}
		if s := strings.ToLower(err.Error()); strings.Contains(s, "deadbeef") || strings.Contains(s, "16045690984503098046") {
			t.Errorf("%s: tells the value: %v", name, err)
		}
	}
	if err := Do(func() error { panic("BUG: text") }); !strings.Contains(err.Error(), "BUG: text") {
		t.Errorf("the message is lost: %v", err)
	}
	if err := Do(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestGo(t *testing.T) {
	end := make(chan error)
	Go(func() error { panic("BUG: elsewhere") }, func(err error) { end <- err })
	var e *Error
	if err := <-end; !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
}
