package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall/js"
	"time"
)

// webSocket is a connection over the WebSocket of a browser, or of Node: sockets of
// another kind a page has not. Its messages are pieces of the stream, of any length.
//
// What has arrived is read before the end of the connection is, and what is written waits
// while much lies unsent in the browser, which does not say when it is done.
type webSocket struct {
	socket js.Value
	url    string
	funcs  []listener

	mu      sync.Mutex
	changed chan struct{} // closed when any of the following changes
	opened  bool
	ended   error
	arrived []js.Value // Uint8Arrays
	at      int        // bytes of the first of them that are read
	limits  [2]time.Time
}

// listener is what the socket calls at an event.
type listener struct {
	event    string
	callback js.Func
}

// The numbers of the deadlines.
const (
	toRead = iota
	toWrite
)

// unsentMost is how many bytes may lie unsent in the browser; pollUnsent is how often it is asked.
const (
	unsentMost = 1 << 20
	pollUnsent = 5 * time.Millisecond
)

// DialWebSocket opens the WebSocket at a ws or wss address. A browser sends the origin and the
// cookies of the page with it, checks the server's certificate, and lets no headers be set.
func DialWebSocket(ctx context.Context, url string, protocols ...string) (net.Conn, error) {
	w := &webSocket{url: url, changed: make(chan struct{})}
	if err := w.open(url, protocols); err != nil {
		return nil, err
	}
	for {
		opened, ended, changed := w.state()
		switch {
		case ended != nil:
			w.Close()
			return nil, fmt.Errorf("%s: %w (a browser does not say why)", url, ended)
		case opened:
			return w, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			w.Close()
			return nil, context.Cause(ctx)
		}
	}
}

// open makes the socket; what JavaScript throws is an error.
func (w *webSocket) open(url string, protocols []string) (err error) {
	constructor := js.Global().Get("WebSocket")
	if constructor.IsUndefined() {
		return errors.New("no WebSocket here (Node 20 has it with --experimental-websocket)")
	}
	defer func() {
		if thrown, ok := recover().(js.Error); ok {
			err = fmt.Errorf("%s: %w", url, thrown)
		}
	}()
	wanted := make([]any, len(protocols))
	for i, p := range protocols {
		wanted[i] = p
	}
	w.socket = constructor.New(url, wanted)
	w.socket.Set("binaryType", "arraybuffer")
	bytes := js.Global().Get("Uint8Array")
	w.on("open", func(js.Value) { w.opened = true })
	w.on("close", func(e js.Value) { w.end(io.EOF) })
	w.on("error", func(js.Value) { w.end(ErrPeerClosed) })
	w.on("message", func(e js.Value) {
		if data := e.Get("data"); data.Type() == js.TypeObject {
			w.arrived = append(w.arrived, bytes.New(data))
		} else {
			w.end(Violation("a text in a stream of bytes"))
		}
	})
	return nil
}

// on calls f at an event, with the lock held.
func (w *webSocket) on(event string, f func(e js.Value)) {
	callback := js.FuncOf(func(_ js.Value, args []js.Value) any {
		w.mu.Lock()
		defer w.mu.Unlock()
		f(args[0])
		w.change()
		return nil
	})
	w.funcs = append(w.funcs, listener{event, callback})
	w.socket.Call("addEventListener", event, callback)
}

// end notes the first reason; change wakes whoever waits. Both with the lock held.
func (w *webSocket) end(err error) {
	if w.ended == nil {
		w.ended = err
	}
}

func (w *webSocket) change() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *webSocket) state() (opened bool, ended error, changed chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opened, w.ended, w.changed
}

// Read reads what has arrived, or waits for something.
func (w *webSocket) Read(p []byte) (int, error) {
	for {
		n, err, changed := w.take(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		if err := w.wait(toRead, changed, 0); err != nil {
			return 0, err
		}
	}
}

func (w *webSocket) take(p []byte) (int, error, chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.arrived) > 0 {
		first := w.arrived[0]
		size := first.Length()
		n := min(len(p), size-w.at)
		if n > 0 {
			js.CopyBytesToGo(p[:n], first.Call("subarray", w.at, w.at+n))
		}
		if w.at += n; w.at == size {
			w.arrived, w.at = w.arrived[1:], 0
		}
		if n > 0 || len(p) == 0 {
			return n, nil, nil
		}
	}
	return 0, w.ended, w.changed
}

// wait waits for a change, for a while (0: no matter how long), or until a deadline.
func (w *webSocket) wait(what int, changed chan struct{}, while time.Duration) error {
	w.mu.Lock()
	limit := w.limits[what]
	w.mu.Unlock()
	var late, soon <-chan time.Time
	if !limit.IsZero() {
		left := time.Until(limit)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		t := time.NewTimer(left)
		defer t.Stop()
		late = t.C
	}
	if while > 0 {
		t := time.NewTimer(while)
		defer t.Stop()
		soon = t.C
	}
	select {
	case <-changed:
	case <-soon:
	case <-late:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Write hands p to the browser, once that has sent most of what it was given before.
func (w *webSocket) Write(p []byte) (n int, err error) {
	for {
		_, ended, changed := w.state()
		if ended != nil {
			return 0, net.ErrClosed
		}
		if w.socket.Get("bufferedAmount").Int() < unsentMost {
			break
		}
		if err := w.wait(toWrite, changed, pollUnsent); err != nil {
			return 0, err
		}
	}
	defer func() {
		if thrown, ok := recover().(js.Error); ok {
			n, err = 0, thrown
		}
	}()
	data := js.Global().Get("Uint8Array").New(len(p))
	js.CopyBytesToJS(data, p)
	w.socket.Call("send", data)
	return len(p), nil
}

// Close sends what was written and says goodbye; it does not wait.
func (w *webSocket) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.funcs == nil {
		return net.ErrClosed
	}
	w.end(net.ErrClosed)
	w.change()
	for _, l := range w.funcs {
		w.socket.Call("removeEventListener", l.event, l.callback)
		l.callback.Release()
	}
	w.funcs = nil
	w.socket.Call("close", 1000)
	return nil
}

// SetDeadline and its like end waits that begin from then on, and those under way.
func (w *webSocket) SetDeadline(t time.Time) error {
	w.limit(t, toRead, toWrite)
	return nil
}

func (w *webSocket) SetReadDeadline(t time.Time) error {
	w.limit(t, toRead)
	return nil
}

func (w *webSocket) SetWriteDeadline(t time.Time) error {
	w.limit(t, toWrite)
	return nil
}

func (w *webSocket) limit(t time.Time, which ...int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range which {
		w.limits[i] = t
	}
	w.change()
}

// address is the socket's URL.
type address string

func (address) Network() string  { return "websocket" }
func (a address) String() string { return string(a) }

func (w *webSocket) LocalAddr() net.Addr  { return address("browser") }
func (w *webSocket) RemoteAddr() net.Addr { return address(w.url) }
