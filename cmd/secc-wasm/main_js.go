package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"syscall/js"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/frontend/input"
	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime/transport"
)

func main() {
	debug.SetTraceback("none") // a trace prints arguments, which here are keys and shares
	js.Global().Set("secc", js.ValueOf(map[string]any{
		"infer":   js.FuncOf(infer),
		"digest":  js.FuncOf(digest),
		"preview": js.FuncOf(preview),
		"kernels": kernel.Summary(),
	}))
	select {}
}

// infer is
//
//	secc.infer(plan, url, files, {progress, warn, protocols, signal}) -> Promise of the report
//
// plan is a Uint8Array; url the address of the model's sessions (wss://host/v2/models/NAME/session);
// files a Uint8Array, or a list of {name, bytes}, one for each input; progress(part, next)
// and warn(text) are called along the way; protocols go with the WebSocket;
// signal is an AbortSignal. The report is JSON, as secc-client --json prints it. An
// error has a hint where there is one.
func infer(_ js.Value, args []js.Value) any {
	return promise(func() (any, error) {
		if len(args) < 3 {
			return nil, errors.New("secc.infer(plan, url, files, options)")
		}
		options := js.Global().Get("Object").New()
		if len(args) > 3 && args[3].Type() == js.TypeObject {
			options = args[3]
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		defer onAbort(options.Get("signal"), func() { cancel(errors.New("interrupted")) })()
		q := question{warn: func(string) {}, done: func(float64, string) {}}
		var err error
		if q.plan, err = bytesOf(args[0]); err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
		if q.files, err = filesOf(args[2]); err != nil {
			return nil, err
		}
		if f := options.Get("progress"); f.Type() == js.TypeFunction {
			q.done = func(part float64, next string) { f.Invoke(part, next) }
		}
		if f := options.Get("warn"); f.Type() == js.TypeFunction {
			q.warn = func(text string) { f.Invoke(text) }
		}
		url, protocols := socketURL(args[1].String()), stringsOf(options.Get("protocols"))
		q.connect = func(ctx context.Context) (net.Conn, error) {
			return transport.DialWebSocket(ctx, url, protocols...)
		}
		r, err := ask(ctx, q)
		if err != nil {
			return nil, err
		}
		b, err := json.Marshal(r)
		return string(b), err
	})
}

// digest is secc.digest(plan) -> Promise of the plan's SHA-256, as services and logs name it.
func digest(_ js.Value, args []js.Value) any {
	return promise(func() (any, error) {
		if len(args) != 1 {
			return nil, errors.New("secc.digest(plan)")
		}
		b, err := bytesOf(args[0])
		if err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
		p, err := plan.Decode(b)
		if err != nil {
			return nil, err
		}
		d, err := p.Digest()
		return d.String(), err
	})
}

// preview is secc.preview(plan, files) -> Promise of a Uint8Array with a PNG of the first input
// that is a picture, as the network is given it, or null.
func preview(_ js.Value, args []js.Value) any {
	return promise(func() (any, error) {
		if len(args) != 2 {
			return nil, errors.New("secc.preview(plan, files)")
		}
		b, err := bytesOf(args[0])
		if err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
		files, err := filesOf(args[1])
		if err != nil {
			return nil, err
		}
		picture, err := draw(b, files)
		if picture == nil || err != nil {
			return nil, err
		}
		out := js.Global().Get("Uint8Array").New(len(picture))
		js.CopyBytesToJS(out, picture)
		return out, nil
	})
}

// promise runs f beside the page and settles with what it returns.
func promise(f func() (any, error)) js.Value {
	var start js.Func
	start = js.FuncOf(func(_ js.Value, args []js.Value) any {
		start.Release()
		resolve, reject := args[0], args[1]
		go func() {
			v, err := f()
			if err != nil {
				e := js.Global().Get("Error").New(err.Error())
				e.Set("hint", exit.Hint(err))
				e.Set("code", exit.Code(exit.OfClient(err)))
				reject.Invoke(e)
				return
			}
			resolve.Invoke(v)
		}()
		return nil
	})
	return js.Global().Get("Promise").New(start)
}

// onAbort calls f when the signal says so, until it is undone.
func onAbort(signal js.Value, f func()) (undo func()) {
	if signal.Type() != js.TypeObject {
		return func() {}
	}
	listen := js.FuncOf(func(js.Value, []js.Value) any { f(); return nil })
	signal.Call("addEventListener", "abort", listen)
	if signal.Get("aborted").Bool() {
		f()
	}
	return func() {
		signal.Call("removeEventListener", "abort", listen)
		listen.Release()
	}
}

// socketURL lets http and https stand for ws and wss, as they do elsewhere.
func socketURL(url string) string {
	if rest, ok := strings.CutPrefix(url, "http"); ok {
		return "ws" + rest
	}
	return url
}

func bytesOf(v js.Value) ([]byte, error) {
	if v.Type() != js.TypeObject || !v.InstanceOf(js.Global().Get("Uint8Array")) {
		return nil, errors.New("not a Uint8Array")
	}
	b := make([]byte, v.Length())
	js.CopyBytesToGo(b, v)
	return b, nil
}

// filesOf reads one file, or a list of them with their names.
func filesOf(v js.Value) ([]input.Held, error) {
	if b, err := bytesOf(v); err == nil {
		return []input.Held{{Bytes: b}}, nil
	}
	if v.Type() != js.TypeObject || v.Get("length").Type() != js.TypeNumber {
		return nil, errors.New("files: neither a Uint8Array nor a list of {name, bytes}")
	}
	files := make([]input.Held, v.Length())
	for i := range files {
		f := v.Index(i)
		if f.Type() != js.TypeObject {
			return nil, fmt.Errorf("file %d: not {name, bytes}", i+1)
		}
		b, err := bytesOf(f.Get("bytes"))
		if err != nil {
			return nil, fmt.Errorf("file %d: %w", i+1, err)
		}
		files[i] = input.Held{Bytes: b}
		if name := f.Get("name"); name.Type() == js.TypeString {
			files[i].Name = name.String()
		}
	}
	return files, nil
}

func stringsOf(v js.Value) (s []string) {
	if v.Type() != js.TypeObject {
		return nil
	}
	for i := range v.Length() {
		s = append(s, v.Index(i).String())
	}
	return s
}
