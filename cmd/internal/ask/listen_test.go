package ask

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"secc.example/secc/cmd/internal/exit"
)

// listener runs the command with --listen, and gives the address of its model.
func listener(t *testing.T) string {
	t.Helper()
	return "http://" + started(t, `msg=listening addr=(\S+)`, serving(t), "--listen", "127.0.0.1:0", "--parallel", "2") + "/v2/models/digits"
}

// started runs the command until the test ends, and gives what it says of itself.
func started(t *testing.T, says string, args ...string) string {
	t.Helper()
	c := new(Command)
	fl := pflag.NewFlagSet("ask", pflag.ContinueOnError)
	c.Register(fl)
	if err := fl.Parse(append(args, "--state", t.TempDir())); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, fl, fl.Args(), strings.NewReader(""), io.Discard, w); w.Close() }()
	t.Cleanup(func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	var said []byte
	for b := make([]byte, 4096); ; {
		n, err := r.Read(b)
		if err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		said = append(said, b[:n]...)
		if m := regexp.MustCompile(says).FindSubmatch(said); m != nil {
			go func() { _, _ = io.Copy(io.Discard, r) }()
			return string(m[1])
		}
	}
}

// post sends a request and gives the answer's JSON and what stands behind it.
func post(t *testing.T, url string, head []byte, tail []byte, header ...string) (status int, answer map[string]any, behind []byte) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/infer", bytes.NewReader(append(bytes.Clone(head), tail...)))
	if err != nil {
		t.Fatal(err)
	}
	if tail != nil {
		q.Header.Set(jsonLength, strconv.Itoa(len(head)))
	}
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	c := http.Client{Timeout: time.Minute}
	resp, err := c.Do(q)
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	n := len(body)
	if text := resp.Header.Get(jsonLength); text != "" {
		n, _ = strconv.Atoi(text)
	}
	if err := json.Unmarshal(body[:n], &answer); err != nil {
		t.Errorf("%v: %s", err, body[:n])
	}
	return resp.StatusCode, answer, body[n:]
}

// best is the class with the greatest value of an output.
func best(values []float64) (at int) {
	for i, v := range values {
		if v > values[at] {
			at = i
		}
	}
	return at
}

func floats(t *testing.T, of any) (values []float64) {
	t.Helper()
	list, ok := of.([]any)
	if !ok {
		t.Fatalf("no data: %v", of)
	}
	for _, x := range list {
		values = append(values, x.(float64))
	}
	return values
}

func TestListen(t *testing.T) {
	url := listener(t)
	pixels, err := os.ReadFile(digits + "images.u8")
	if err != nil {
		t.Fatal(err)
	}
	seven := pixels[:784]
	numbers := make([]int, 784)
	for i, p := range seven {
		numbers[i] = int(p)
	}
	flat, err := json.Marshal(numbers)
	if err != nil {
		t.Fatal(err)
	}
	var floatBytes []byte
	for _, p := range seven {
		floatBytes = binary.LittleEndian.AppendUint32(floatBytes, math.Float32bits(float32(p)))
	}
	picture, err := os.ReadFile(digits + "seven.png")
	if err != nil {
		t.Fatal(err)
	}
	head := func(format string, args ...any) []byte { return fmt.Appendf(nil, format, args...) }

	t.Run("metadata", func(t *testing.T) {
		for at, want := range map[string]string{"": `"name":"Input3","shape":[1,1,28,28],"datatype":"FP32"`, "/ready": `"ready":true`} {
			resp, err := http.Get(url + at)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK || !bytes.Contains(b, []byte(want)) {
				t.Errorf("%s: %d %s", at, resp.StatusCode, b)
			}
		}
	})
	t.Run("JSON", func(t *testing.T) {
		status, answer, _ := post(t, url, head(`{"id":"a7","inputs":[{"name":"Input3","shape":[1,1,28,28],"datatype":"FP32","data":%s}]}`, flat), nil)
		if status != http.StatusOK || answer["id"] != "a7" {
			t.Fatalf("%d %v", status, answer)
		}
		out := answer["outputs"].([]any)[0].(map[string]any)
		if got := best(floats(t, out["data"])); got != 7 || out["datatype"] != "FP32" {
			t.Errorf("class %d, want 7: %v", got, out)
		}
	})
	t.Run("binary, two inputs", func(t *testing.T) {
		status, answer, tail := post(t, url, head(`{"inputs":[{"name":"Input3","shape":[2,1,28,28],"datatype":"UINT8","parameters":{"binary_data_size":1568}}],"parameters":{"binary_data_output":true}}`), pixels[:1568])
		if status != http.StatusOK || len(tail) != 80 {
			t.Fatalf("%d %v, %d bytes behind", status, answer, len(tail))
		}
		var first []float64
		for i := range 10 {
			first = append(first, float64(math.Float32frombits(binary.LittleEndian.Uint32(tail[4*i:]))))
		}
		if got := best(first); got != 7 {
			t.Errorf("class %d, want 7", got)
		}
	})
	t.Run("a file", func(t *testing.T) {
		status, answer, _ := post(t, url, head(`{"inputs":[{"name":"Input3","shape":[1],"datatype":"BYTES","data":["%s"]}]}`, base64.StdEncoding.EncodeToString(picture)), nil)
		if status != http.StatusOK {
			t.Fatalf("%d %v", status, answer)
		}
		framed := append(binary.LittleEndian.AppendUint32(nil, uint32(len(picture))), picture...)
		status, answer, _ = post(t, url, head(`{"inputs":[{"name":"Input3","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":%d}}]}`, len(framed)), framed)
		if status != http.StatusOK {
			t.Fatalf("%d %v", status, answer)
		}
	})
	t.Run("several at once", func(t *testing.T) {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if status, answer, _ := post(t, url, head(`{"inputs":[{"name":"Input3","shape":[1,1,28,28],"datatype":"FP32","parameters":{"binary_data_size":3136}}]}`), floatBytes); status != http.StatusOK {
					t.Errorf("%d %v", status, answer)
				}
			})
		}
		all.Wait()
	})
	t.Run("refused", func(t *testing.T) {
		for name, c := range map[string]struct {
			status int
			head   string
			tail   []byte
			header []string
		}{
			"no JSON":           {400, `{`, nil, nil},
			"other name":        {400, `{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}`, nil, nil},
			"none":              {400, `{"inputs":[]}`, nil, nil},
			"shape":             {400, `{"inputs":[{"name":"Input3","shape":[1,1,28,27],"datatype":"FP32","data":` + string(flat) + `}]}`, nil, nil},
			"huge shape":        {400, `{"inputs":[{"name":"Input3","shape":[9223372036854775807,4],"datatype":"UINT8","parameters":{"binary_data_size":4}}]}`, []byte{1, 2, 3, 4}, nil},
			"short":             {400, `{"inputs":[{"name":"Input3","shape":[1,1,28,28],"datatype":"FP32","parameters":{"binary_data_size":3136}}]}`, floatBytes[:8], nil},
			"negative":          {400, `{"inputs":[{"name":"Input3","shape":[1,1,28,28],"datatype":"FP32","parameters":{"binary_data_size":-1}}]}`, floatBytes, nil},
			"type":              {400, `{"inputs":[{"name":"Input3","shape":[1,1,28,28],"datatype":"COMPLEX","data":` + string(flat) + `}]}`, nil, nil},
			"objects":           {400, `{"inputs":[{"name":"Input3","shape":[1,1,28,28],"datatype":"FP32","data":[{}]}]}`, nil, nil},
			"a web page":        {403, `{"inputs":[]}`, nil, []string{"Origin", "https://evil.test"}},
			"an unknown output": {400, `{"inputs":[{"name":"Input3","shape":[1,1,28,28],"datatype":"FP32","data":` + string(flat) + `}],"outputs":[{"name":"nothing"}]}`, nil, nil},
		} {
			if status, answer, _ := post(t, url, []byte(c.head), c.tail, c.header...); status != c.status || answer["error"] == "" {
				t.Errorf("%s: %d %v, want %d", name, status, answer, c.status)
			}
		}
		q, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		q.Host = "evil.test"
		if resp, err := http.DefaultClient.Do(q); err != nil || resp.StatusCode != http.StatusForbidden {
			t.Errorf("another host's name: %v %v", resp, err)
		}
	})
}

// The page is served with its settings, and only to itself.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	for name := range pageFiles {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url := serving(t)
	if _, _, err := asked(t.Context(), t, url, "--page", t.TempDir(), "--listen", "127.0.0.1:0"); exit.Code(err) != exit.Usage {
		t.Errorf("a folder without a page: %v", err)
	}
	if _, _, err := asked(t.Context(), t, url, "--page", dir, "--listen", "0.0.0.0:0"); exit.Code(err) != exit.Usage {
		t.Errorf("in the clear to everybody: %v", err)
	}
	base := strings.TrimSuffix(started(t, `msg=page url=(\S+)/ `, url, "--page", dir, "--listen", "127.0.0.1:0"), "/")
	for path, want := range map[string]struct {
		status int
		origin string
		text   string
	}{
		"/":                        {200, "", "index.html"},
		"/secc.wasm":               {200, base, "secc.wasm"},
		"/config.json":             {200, base, `"model":"v2/models/digits"`},
		"/v2/models/digits":        {200, base, `"name":"digits"`},
		"/v2/models/digits/plan":   {403, "https://evil.test", "the page alone"},
		"/v2/models/other":         {404, "", ""},
		"/../secret":               {404, "", ""},
		"/v2/models/digits/plan?x": {200, "", ""},
	} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want.origin != "" {
			q.Header.Set("Origin", want.origin)
		}
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want.status || !bytes.Contains(b, []byte(want.text)) {
			t.Errorf("%s: %d %.100s", path, resp.StatusCode, b)
		}
	}
}
