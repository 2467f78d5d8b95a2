package remote

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"secc.example/secc/runtime/transport"
)

// A plan that stops coming ends the wait for it; one that comes slowly does not.
func TestPlanThatStopsComing(t *testing.T) {
	gone := make(chan struct{})
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "7")
		for i := range 7 {
			if r.URL.Path == "/v2/models/frozen/plan" && i == 3 {
				<-gone
				return
			}
			_, _ = w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			time.Sleep(50 * time.Millisecond)
		}
	}))
	defer h.Close()
	defer close(gone)
	for name, want := range map[string]error{"frozen": transport.ErrTimeout, "slow": nil} {
		u, err := Parse(h.URL + "/v2/models/" + name)
		if err != nil {
			t.Fatal(err)
		}
		m := &Model{URL: u, Timeout: 200 * time.Millisecond}
		told := make(chan error, 1)
		go func() { _, _, err := m.get(t.Context(), "plan", http.Header{}, 100); told <- err }()
		select {
		case err := <-told:
			if !errors.Is(err, want) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s: the client waits after 5 s", name)
		}
	}
}
