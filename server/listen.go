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

// limited is a listener that hangs up on more connections than it can hold.
type limited struct {
	net.Listener
	free chan struct{} // one a connection
	log  *slog.Logger
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.free <- struct{}{}:
			return &counted{Conn: c, release: sync.OnceFunc(func() { <-l.free })}, nil
		default:
			l.log.Warn("refused", "peer", c.RemoteAddr().String(), "err", "too many connections")
			c.Close()
		}
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
