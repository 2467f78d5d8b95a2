package ask

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// curled is what curl has of an answer.
type curled struct {
	status int
	header map[string]string // by lower-case name
	body   []byte
}

// curl asks with a client that is none of this project's; without it, the test says so.
func curl(t *testing.T, args ...string) curled {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	head := filepath.Join(t.TempDir(), "head")
	var said bytes.Buffer
	c := exec.Command("curl", append([]string{"--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--dump-header", head}, args...)...)
	c.Stderr = &said
	body, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &said)
	}
	raw, err := os.ReadFile(head)
	if err != nil {
		t.Fatal(err)
	}
	answer := curled{header: map[string]string{}, body: body}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "HTTP/1.1 "); ok { // the last one: behind 100 Continue
			answer.status, _ = strconv.Atoi(rest[:3])
		}
		if name, value, ok := strings.Cut(line, ":"); ok {
			answer.header[strings.ToLower(name)] = strings.TrimSpace(value)
		}
	}
	return answer
}

// conforms holds JSON to what the specification's schema wants: the kind of every field, and
// those that there must be ("!").
func conforms(t *testing.T, what string, body []byte, fields map[string]string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s: %v: %s", what, err, body)
	}
	for name, kind := range fields {
		kind, must := strings.CutSuffix(kind, "!")
		got, is := v[name]
		if !is {
			if must {
				t.Errorf("%s lacks %s: %s", what, name, body)
			}
			continue
		}
		if k := kindOfJSON(got); k != kind {
			t.Errorf("%s: %s is %s, want %s", what, name, k, kind)
		}
	}
	return v
}

func kindOfJSON(v any) string {
	switch x := v.(type) {
	case string:
		return "string"
	case float64:
		if x == math.Trunc(x) {
			return "integer"
		}
		return "number"
	case bool:
		return "boolean"
	case map[string]any:
		return "object"
	case []any:
		kinds := []string{}
		for _, e := range x {
			if k := kindOfJSON(e); !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
		}
		slices.Sort(kinds)
		return "array of " + strings.Join(kinds, ", ")
	}
	return "null"
}

// The schemas of the specification (open_inference_rest.yaml, version 2.0).
var (
	serverSchema = map[string]string{"name": "string!", "version": "string!", "extensions": "array of string!"}
	modelSchema  = map[string]string{"name": "string!", "versions": "array of string", "platform": "string!", "inputs": "array of object", "outputs": "array of object"}
	metaSchema   = map[string]string{"name": "string!", "datatype": "string!", "shape": "array of integer!"}
	inferSchema  = map[string]string{"model_name": "string!", "model_version": "string", "id": "string", "parameters": "object", "outputs": "array of object!"}
	outputSchema = map[string]string{"name": "string!", "shape": "array of integer!", "datatype": "string!", "parameters": "object"}
	errorSchema  = map[string]string{"error": "string!"}
)

// each holds the objects of a list to a schema.
func each(t *testing.T, what string, list any, schema map[string]string) {
	t.Helper()
	for _, v := range list.([]any) {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		conforms(t, what, b, schema)
	}
}

// curl, as the specification has it, asks --listen: health, metadata, tensors in JSON and binary,
// compressed as Triton's client can, several at once, and what is refused.
func TestCurlAsksByTheSpecification(t *testing.T) {
	model := listener(t)
	base := strings.TrimSuffix(model, "/models/digits")
	dir := t.TempDir()
	file := func(name string, parts ...[]byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes.Join(parts, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		return "@" + path
	}
	for _, at := range []string{"/health/live", "/health/ready", "/models/digits/ready"} {
		if a := curl(t, base+at); a.status != 200 {
			t.Errorf("%s: %d %s", at, a.status, a.body)
		}
	}
	for _, at := range []string{base, base + "/"} {
		conforms(t, "server metadata", curl(t, at).body, serverSchema)
	}
	about := conforms(t, "model metadata", curl(t, model).body, modelSchema)
	each(t, "an input's metadata", about["inputs"], metaSchema)
	each(t, "an output's metadata", about["outputs"], metaSchema)
	version := model + "/versions/" + about["versions"].([]any)[0].(string)
	if a := curl(t, version); a.status != 200 {
		t.Errorf("the version of the metadata: %d %s", a.status, a.body)
	}

	pixels, err := os.ReadFile(digits + "images.u8")
	if err != nil {
		t.Fatal(err)
	}
	pixels = pixels[:784]
	var list []int
	for _, p := range pixels {
		list = append(list, int(p))
	}
	asJSON, err := json.Marshal(map[string]any{"id": "42", "inputs": []any{map[string]any{"name": "Input3", "shape": []int{1, 1, 28, 28}, "datatype": "UINT8", "data": list}}})
	if err != nil {
		t.Fatal(err)
	}
	question := file("q.json", asJSON)
	a := curl(t, version+"/infer", "--data-binary", question)
	answer := conforms(t, "an inference", a.body, inferSchema)
	each(t, "an output", answer["outputs"], outputSchema)
	out := answer["outputs"].([]any)[0].(map[string]any)
	if got := best(floats(t, out["data"])); a.status != 200 || got != 7 || answer["id"] != "42" || a.header["content-type"] != "application/json" {
		t.Errorf("in JSON: %d, class %d: %.200s", a.status, got, a.body)
	}

	// As Triton's client asks when it is told nothing of outputs: all of them come binary.
	head := []byte(`{"inputs":[{"name":"Input3","shape":[1,1,28,28],"datatype":"UINT8","parameters":{"binary_data_size":784}}],"parameters":{"binary_data_output":true,"timeout":1000}}`)
	a = curl(t, model+"/infer", "--header", fmt.Sprintf("Inference-Header-Content-Length: %d", len(head)), "--header", "Content-Type: application/octet-stream", "--data-binary", file("q.bin", head, pixels))
	n, _ := strconv.Atoi(a.header["inference-header-content-length"])
	if a.status != 200 || n <= 0 || n > len(a.body) {
		t.Fatalf("binary: %d, JSON of %d bytes: %.200s", a.status, n, a.body)
	}
	answer = conforms(t, "a binary inference", a.body[:n], inferSchema)
	each(t, "a binary output", answer["outputs"], outputSchema)
	var values []float64
	for b := a.body[n:]; len(b) > 0; b = b[4:] {
		values = append(values, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
	}
	if _, is := answer["id"]; len(values) != 10 || best(values) != 7 || is {
		t.Errorf("binary: %v, %v", values, answer)
	}

	for way, writer := range map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, "deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	} {
		var b bytes.Buffer
		w := writer(&b)
		if _, err := w.Write(asJSON); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if a := curl(t, model+"/infer", "--header", "Content-Encoding: "+way, "--data-binary", file("q."+way, b.Bytes())); a.status != 200 {
			t.Errorf("%s: %d %s", way, a.status, a.body)
		}
	}

	several := []string{"--parallel", "--write-out", `%{http_code}\n`}
	for i := range 4 {
		several = append(several, "--data-binary", question, "--output", filepath.Join(dir, fmt.Sprint("answer", i)), model+"/infer", "--next", "--silent", "--noproxy", "*", "--write-out", `%{http_code}\n`)
	}
	if a := curl(t, append(several, "--output", os.DevNull, model)...); strings.Count(string(a.body), "200") != 5 {
		t.Errorf("several at once: %s", a.body)
	}

	for what, c := range map[string]struct {
		status int
		args   []string
	}{
		"an unknown model":        {404, []string{base + "/models/other"}},
		"an unknown version":      {404, []string{model + "/versions/7"}},
		"to an unknown version":   {404, []string{model + "/versions/7/infer", "--data-binary", question}},
		"no JSON":                 {400, []string{model + "/infer", "--data-binary", "{"}},
		"no inputs":               {400, []string{model + "/infer", "--data-binary", "{}"}},
		"another encoding":        {400, []string{model + "/infer", "--header", "Content-Encoding: br", "--data-binary", question}},
		"not gzip":                {400, []string{model + "/infer", "--header", "Content-Encoding: gzip", "--data-binary", question}},
		"a length that is none":   {400, []string{model + "/infer", "--header", "Inference-Header-Content-Length: x", "--data-binary", question}},
		"a length beyond the end": {400, []string{model + "/infer", "--header", "Inference-Header-Content-Length: 99999999", "--data-binary", question}},
	} {
		if a := curl(t, c.args...); a.status != c.status {
			t.Errorf("%s: %d, want %d", what, a.status, c.status)
		} else {
			conforms(t, what, a.body, errorSchema)
		}
	}
}
