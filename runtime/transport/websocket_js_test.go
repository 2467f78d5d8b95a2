package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall/js"
	"testing"
	"time"
)

// imitation is a WebSocket that does what a test tells it.
const imitation = `(class {
	constructor(url, protocols) {
		if (url == "bad") throw new SyntaxError("bad address");
		this.url = url; this.protocols = protocols; this.listeners = {}; this.sent = []; this.bufferedAmount = 0;
		globalThis.imitated = this;
	}
	addEventListener(e, f) { (this.listeners[e] ??= []).push(f); }
	removeEventListener(e, f) { this.listeners[e] = this.listeners[e].filter((g) => g !== f); }
	fire(e, data) { for (const f of this.listeners[e] ?? []) f({ data }); }
	message(...bytes) { this.fire("message", new Uint8Array(bytes).buffer); }
	send(data) { if (this.broken) throw new Error("broken"); this.sent.push(...data); }
	close() { this.closed = true; }
})`

// dialed opens an imitated socket.
func dialed(t *testing.T) (net.Conn, js.Value) {
	t.Helper()
	was := js.Global().Get("WebSocket")
	js.Global().Set("WebSocket", js.Global().Call("eval", imitation))
	t.Cleanup(func() { js.Global().Set("WebSocket", was) })
	time.AfterFunc(time.Millisecond, func() { js.Global().Get("imitated").Call("fire", "open") })
	c, err := DialWebSocket(t.Context(), "ws://x/session", "secc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, js.Global().Get("imitated")
}

// What arrived before the end is read before the end is told.
func TestWebSocketReadsToTheEnd(t *testing.T) {
	c, s := dialed(t)
	s.Call("message", 1, 2, 3)
	s.Call("message")
	s.Call("message", 4)
	s.Call("fire", "close")
	p := make([]byte, 2)
	if n, err := c.Read(p); n != 2 || err != nil || p[1] != 2 {
		t.Fatalf("%d bytes %v, %v", n, p, err)
	}
	rest, err := io.ReadAll(c)
	if err != nil || string(rest) != "\x03\x04" {
		t.Errorf("the rest is %v, %v", rest, err)
	}
	if _, err := c.Write(p); err == nil {
		t.Error("wrote after the end")
	}
}

func TestWebSocketReadWaits(t *testing.T) {
	c, s := dialed(t)
	time.AfterFunc(5*time.Millisecond, func() { s.Call("message", 9) })
	p := make([]byte, 4)
	if n, err := c.Read(p); n != 1 || err != nil || p[0] != 9 {
		t.Errorf("%d bytes %v, %v", n, p, err)
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	if _, err := c.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("beyond the deadline: %v", err)
	}
	_ = c.SetDeadline(time.Time{})
	time.AfterFunc(5*time.Millisecond, func() { c.Close() })
	if _, err := c.Read(p); err == nil {
		t.Error("read from a closed connection")
	}
}

// A writer waits while the browser has much to send still.
func TestWebSocketWriteWaits(t *testing.T) {
	c, s := dialed(t)
	s.Set("bufferedAmount", unsentMost)
	time.AfterFunc(20*time.Millisecond, func() { s.Set("bufferedAmount", 0) })
	start := time.Now()
	if n, err := c.Write([]byte{5, 6}); n != 2 || err != nil || time.Since(start) < 20*time.Millisecond {
		t.Errorf("%d bytes, %v after %v", n, err, time.Since(start))
	}
	if got := s.Get("sent"); got.Length() != 2 || got.Index(1).Int() != 6 {
		t.Errorf("%d bytes were sent", got.Length())
	}
	s.Set("bufferedAmount", unsentMost)
	_ = c.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
	if _, err := c.Write([]byte{7}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("beyond the deadline: %v", err)
	}
	_ = c.SetWriteDeadline(time.Time{})
	s.Set("bufferedAmount", 0)
	s.Set("broken", true)
	if _, err := c.Write([]byte{7}); err == nil {
		t.Error("what the browser throws is no error")
	}
}

func TestWebSocketFails(t *testing.T) {
	_, s := dialed(t) // the imitation stays
	if s.Get("url").String() != "ws://x/session" || s.Get("protocols").Index(0).String() != "secc" {
		t.Error("opened with another address or protocol")
	}
	if _, err := DialWebSocket(t.Context(), "bad"); err == nil {
		t.Error("a bad address opened")
	}
	time.AfterFunc(time.Millisecond, func() { js.Global().Get("imitated").Call("fire", "error") })
	if _, err := DialWebSocket(t.Context(), "ws://y"); !errors.Is(err, ErrPeerClosed) {
		t.Errorf("refused: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := DialWebSocket(ctx, "ws://y"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beyond the context: %v", err)
	}
	if !js.Global().Get("imitated").Get("closed").Truthy() {
		t.Error("the socket stays open")
	}
}

// A text is no part of a stream of bytes.
func TestWebSocketRefusesText(t *testing.T) {
	c, s := dialed(t)
	s.Call("fire", "message", "text")
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ErrViolation) {
		t.Errorf("a text: %v", err)
	}
}
