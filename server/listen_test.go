package server

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"
)

// A proxy says whose connection it passes on, in either version, and must; nobody else may.
func TestProxyProtocol(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a", "1", 3)
	for _, c := range []struct {
		trusted string
		version byte // 0: no header
		peer    string
		status  int // 0: hung up
	}{
		{"127.0.0.0/8", 1, "203.0.113.7:4711", 404},
		{"127.0.0.0/8", 2, "203.0.113.7:4711", 404},
		{"127.0.0.0/8", 0, "", 0},
		{"192.0.2.0/24", 0, "127.0.0.1:", 404},
		{"192.0.2.0/24", 1, "", 400},
	} {
		s := start(t, Config{Models: root, Proxies: []netip.Prefix{netip.MustParsePrefix(c.trusted)}})
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/v2"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if c.version > 0 {
			from := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 4711}
			if _, err := proxyproto.HeaderProxyFromAddrs(c.version, from, conn.RemoteAddr()).WriteTo(conn); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprint(conn, "GET /v2/models/none HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		switch {
		case c.status == 0 && err == nil, c.status != 0 && (err != nil || resp.StatusCode != c.status):
			t.Errorf("%+v: %v, %v", c, resp, err)
		}
		if c.peer == "" {
			continue
		}
		fmt.Fprintf(conn, "GET /v2/models/a/session HTTP/1.1\r\nHost: x\r\nIf-Match: \"x\"\r\n\r\n")
		within(t, "the peer's address in the log", func() bool { return strings.Contains(s.log.text(), "peer="+c.peer) })
	}
}
