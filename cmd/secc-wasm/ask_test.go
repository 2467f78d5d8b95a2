package main

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"

	"secc.example/secc"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
)

const digits = "../../testdata/models/mnist_cntk_8/"

// What a page asks with is what a client of files does: the picture is read, the answer named, and
// progress ends at the end.
func TestAsk(t *testing.T) {
	n, q := asked(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		s := secc.Server{Network: n, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		done <- s.Serve(ctx, l)
	}()
	q.connect = func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}
	last, steps := 0.0, 0
	q.done = func(part float64, _ string) {
		if part < last || part > 1 {
			t.Errorf("%v of the work is done after %v", part, last)
		}
		last, steps = part, steps+1
	}
	r, err := ask(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Labels) == 0 || r.Labels[0].Index != 7 || r.Labels[0].Label != "seven" {
		t.Errorf("labels %+v", r.Labels)
	}
	if last != 1 || steps < 2 {
		t.Errorf("progress ended at %v after %d steps", last, steps)
	}
	stop()
	<-done
}

// asked compiles a network that reads digits, and asks for one.
func asked(t *testing.T) (*secc.Network, question) {
	t.Helper()
	model, err := os.ReadFile(digits + "model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	n, err := secc.Compile(t.Context(), model, secc.Options{
		Calibration: secc.Files(digits + "images.u8"), Preprocess: plan.Preprocess{Preset: "raw"},
		Labels: strings.Fields("zero one two three four five six seven eight nine"),
	})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := plan.Encode(n.Plan)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile(digits + "seven.png")
	if err != nil {
		t.Fatal(err)
	}
	return n, question{
		plan: encoded, files: []input.Held{{Name: "seven.png", Bytes: picture}},
		warn: func(text string) { t.Log(text) }, done: func(float64, string) {},
	}
}

// Nothing is connected to before plan and input are known to be right.
func TestAskRefuses(t *testing.T) {
	_, q := asked(t)
	q.connect = func(context.Context) (net.Conn, error) { t.Error("connected"); return nil, io.EOF }
	for name, change := range map[string]func(q *question){
		"plan":     func(q *question) { q.plan = q.plan[:len(q.plan)/2] },
		"no input": func(q *question) { q.files = nil },
		"picture":  func(q *question) { q.files = []input.Held{{Name: "x.png", Bytes: []byte("no picture")}} },
	} {
		bad := q
		change(&bad)
		if _, err := ask(t.Context(), bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The page draws the input as the network is given it.
func TestDraw(t *testing.T) {
	_, q := asked(t)
	b, err := draw(q.plan, q.files)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil || img.Bounds() != image.Rect(0, 0, 28, 28) {
		t.Errorf("%v: %v", err, img)
	}
	if _, err := draw(q.plan, nil); err == nil {
		t.Error("drawn without an input")
	}
}
