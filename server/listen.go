package server

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/pires/go-proxyproto"
)

// connections is how many there may be at once, idle ones and greetings included.
const connections = 4096

// limited is a listener that hangs up on more connections than it can hold, and on those of one
// address that has three quarters of them: whatever it is, others can connect.
type limited struct {
	net.Listener
	most int
	log  *slog.Logger

	mu   sync.Mutex
	open int
	of   map[netip.Addr]int
}

func newLimited(l net.Listener, most int, log *slog.Logger) *limited {
	return &limited{Listener: l, most: most, log: log, of: map[netip.Addr]int{}}
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := peerOf(c)
		if l.take(from) {
			return &counted{Conn: c, release: sync.OnceFunc(func() { l.give(from) })}, nil
		}
		l.log.Warn("refused", "peer", c.RemoteAddr().String(), "err", "too many connections")
		c.Close()
	}
}

// peerOf is who a connection is counted for; the zero address if it has none.
func peerOf(c net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return household(at.Addr())
}

func (l *limited) take(from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.most || l.of[from] >= max(1, l.most/4*3) {
		return false
	}
	l.open++
	l.of[from]++
	return true
}

func (l *limited) give(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.of[from]--; l.of[from] == 0 {
		delete(l.of, from)
	}
}

type counted struct {
	net.Conn
	release func()
}

func (c *counted) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// behind reads the PROXY protocol (version 1 or 2) from connections of proxies, which must speak
// it; those of others are taken as they are, so that nobody else says where it comes from.
func behind(l net.Listener, proxies []netip.Prefix) net.Listener {
	return &proxyproto.Listener{Listener: l, ReadHeaderTimeout: helloTime, ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
		at, err := netip.ParseAddrPort(o.Upstream.String())
		if err != nil {
			return proxyproto.REJECT, nil
		}
		from := at.Addr().Unmap()
		if slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(from) }) {
			return proxyproto.REQUIRE, nil
		}
		return proxyproto.SKIP, nil
	}}
}
