package service

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"os"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"secc.example/secc/runtime"
	"secc.example/secc/runtime/transport"
)

// crowd is how many connections a hostile client opens.
const crowd = 40

// dataFrame is a frame of the transport as it stands on the wire.
func dataFrame(sequence uint32, channel byte, payload []byte) []byte {
	sum := func(p []byte) uint32 { return crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)) }
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	b = append(b, channel, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, sequence)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, sum(payload))
	binary.LittleEndian.PutUint16(b[6:], uint16(sum(b)))
	return append(b, payload...)
}

// heard is what the server says first: its preface and its hello.
func heard(t *testing.T, c net.Conn) (preface, hello []byte) {
	t.Helper()
	r := bufio.NewReader(c)
	preface, err := r.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	header := make([]byte, 20)
	if _, err := io.ReadFull(r, header); err != nil {
		t.Fatal(err)
	}
	hello = make([]byte, binary.LittleEndian.Uint32(header))
	if _, err := io.ReadFull(r, hello); err != nil {
		t.Fatal(err)
	}
	return preface, hello
}

// filling says all that a server takes before a hello, and no hello: a window of every
// channel.
func filling(preface []byte) []byte {
	const window, channels, control = 16 << 10, 4, 3
	b, sequence := bytes.Clone(preface), uint32(0)
	for c := range channels {
		size := window
		if c == control { // where the hello would be: less than that
			size = 4
		}
		b = append(b, dataFrame(sequence, byte(c), make([]byte, size))...)
		sequence++
	}
	return b
}

func alive() (heap uint64, goroutines int) {
	var m goruntime.MemStats
	goruntime.GC()
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse, goruntime.NumGoroutine()
}

// Connections that say nothing, and those that fill every window without a hello, cost the
// server little, take nobody's place, and are thrown out.
func TestCrowdWithoutHello(t *testing.T) {
	g := echo(t)
	addr, log, _ := start(t, Config{Program: g, Weights: slowly{}, MaxSessions: 2, Session: runtime.Config{Hello: 2 * time.Second}})
	if err := ask(t, g, addr); err != nil { // all that is made once
		t.Fatal(err)
	}
	heap, before := alive()
	var conns []net.Conn
	for i := range crowd {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 0 {
			preface, _ := heard(t, c)
			if _, err := c.Write(filling(preface)); err != nil {
				t.Fatal(err)
			}
		}
		conns = append(conns, c)
	}
	within(t, "all connections accepted", func() bool { return goruntime.NumGoroutine() >= before+3*crowd })
	time.Sleep(100 * time.Millisecond) // what was sent is taken in
	now, _ := alive()
	// What was sent (52 KiB of every second one), a buffer for reading (64 KiB), four goroutines.
	if each := (int64(now) - int64(heap)) / crowd; each > 160<<10 {
		t.Errorf("a connection without a hello holds %d KiB", each>>10)
	} else {
		t.Logf("a connection without a hello holds %d KiB", each>>10)
	}
	if err := ask(t, g, addr); err != nil {
		t.Errorf("a client beside them: %v", err)
	}
	for i, c := range conns {
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); errors.As(err, new(net.Error)) && err.(net.Error).Timeout() {
			t.Fatalf("connection %d was not thrown out:\n%s", i, log.text())
		}
		c.Close()
	}
	if err := ask(t, g, addr); err != nil {
		t.Errorf("a client after them: %v", err)
	}
	within(t, "their goroutines gone", func() bool { return goruntime.NumGoroutine() <= before+4 })
}

// Clients that say hello and no more have a place each, until the server misses their signs
// of life; those who come later are served.
func TestHalfOpenClients(t *testing.T) {
	g := echo(t)
	const most = 2
	addr, log, _ := start(t, Config{Program: g, Weights: slowly{}, MaxSessions: most, Session: runtime.Config{Transport: transport.Config{Idle: 4 * time.Second}}})
	for range most {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		preface, hello := heard(t, c)
		binary.LittleEndian.PutUint32(hello[4:], uint32(transport.Client)) // the server's own words, but for the role
		binary.LittleEndian.PutUint32(hello[8:], 1)                        // and how many inferences
		if _, err := c.Write(append(preface, dataFrame(0, 3, hello)...)); err != nil {
			t.Fatal(err)
		}
	}
	within(t, "both admitted", func() bool { return strings.Count(log.text(), "msg=open") == most })
	err := ask(t, g, addr)
	if !errors.Is(err, transport.ErrBusy) {
		t.Errorf("beside them: %v", err)
	}
	for start := time.Now(); err != nil && time.Since(start) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
		err = ask(t, g, addr)
	}
	if err != nil {
		t.Errorf("after them: %v\n%s", err, log.text())
	}
}

// No more connections than that may be waiting for their hello; the next is hung up on, and
// once they are gone there is room again.
func TestGreetingsAreBounded(t *testing.T) {
	g := echo(t)
	addr, log, _ := start(t, Config{Program: g, Weights: slowly{}, MaxSessions: 2, Session: runtime.Config{Hello: time.Minute}})
	conns := make([]net.Conn, greetings)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		heard(t, c) // it is counted
		conns[i] = c
	}
	last, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	if err := last.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := last.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection beyond %d is served: %d bytes, %v", greetings, n, err)
	}
	within(t, "the reason in the log", func() bool { // which is written after it is hung up on
		return strings.Contains(log.text(), "too many connections that have not said hello")
	})
	for _, c := range conns {
		c.Close()
	}
	within(t, "a client served later", func() bool { return ask(t, g, addr) == nil })
}
