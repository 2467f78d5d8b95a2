package transport

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

// handshakeTime bounds the making of a connection, and then its TLS handshake.
const handshakeTime = 10 * time.Second

// Dialer opens TCP connections.
type Dialer struct {
	TLS   *tls.Config // nil: in the clear
	Link  Link
	Allow func(addr net.Addr) error // asked for every address before anything is sent to it; nil: all are
}

// Dial opens a connection to host:port.
func (o Dialer) Dial(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: handshakeTime}
	if o.Allow != nil {
		d.Control = func(_, addr string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(addr)
			if err != nil {
				return err
			}
			return o.Allow(net.TCPAddrFromAddrPort(at))
		}
	}
	raw, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := o.Link.Shape(raw)
	if o.TLS == nil {
		return c, nil
	}
	return handshake(ctx, tls.Client(c, o.TLS), handshakeTime)
}

// Dial opens a TCP connection, with TLS unless conf is nil.
func Dial(ctx context.Context, addr string, conf *tls.Config, link Link) (net.Conn, error) {
	return Dialer{TLS: conf, Link: link}.Dial(ctx, addr)
}

// Accepted prepares a connection that a listener gave out, with TLS unless conf is nil.
func Accepted(ctx context.Context, raw net.Conn, conf *tls.Config, link Link) (net.Conn, error) {
	c := link.Shape(raw)
	if conf == nil {
		return c, nil
	}
	return handshake(ctx, tls.Server(c, conf), handshakeTime)
}

func handshake(ctx context.Context, c *tls.Conn, limit time.Duration) (net.Conn, error) {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := c.HandshakeContext(within)
	if err == nil {
		return c, nil
	}
	c.Close()
	switch {
	case ctx.Err() == nil && within.Err() != nil:
		return nil, fmt.Errorf("%w: no TLS handshake within %v", ErrTimeout, limit)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return nil, fmt.Errorf("%w during the TLS handshake: %w", ErrMute, err)
	}
	return nil, fmt.Errorf("TLS handshake: %w", refused(err))
}

// Listen opens an address for TCP. One of IPv4 is of IPv4 alone: 0.0.0.0 is not [::], as which it
// would be reached and shown.
func Listen(addr string) (net.Listener, error) {
	network := "tcp"
	if host, _, err := net.SplitHostPort(addr); err == nil {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
			network = "tcp4"
		}
	}
	return net.Listen(network, addr)
}

// PeerName is who the other side of a connection that was accepted has shown to be: the key of
// its certificate or, if it has none, the address that it comes from.
func PeerName(c net.Conn) string {
	if t, ok := c.(*tls.Conn); ok {
		if certs := t.ConnectionState().PeerCertificates; len(certs) > 0 {
			return fmt.Sprintf("key %x", sha256.Sum256(certs[0].RawSubjectPublicKeyInfo))
		}
	}
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		host = c.RemoteAddr().String()
	}
	return "address " + host
}

// Refusal adds to an error of somebody else's connection what it means if it is one of TLS
// that says that the peer, or this side, does not accept the other.
func Refusal(err error) error {
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	if errors.As(err, &cert) || errors.As(err, &op) && op.Op == "remote error" {
		return refused(err)
	}
	return err
}

// refused says what an error of TLS means: a certificate that does not hold and an alert are
// refusals; all else is the network's, or a peer's that does not speak TLS.
func refused(err error) error {
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &cert):
		return fmt.Errorf("%w: %w", ErrAuth, err)
	case errors.As(err, &record):
		return fmt.Errorf("%w: it does not speak TLS: %w", ErrPeerClosed, err)
	case errors.As(err, &op) && op.Op == "remote error" && !damaged(op.Err): // crypto/tls marks the peer's alerts so
		return fmt.Errorf("%w: %w", ErrAuth, err)
	case errors.As(err, &op), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return fmt.Errorf("%w: %w", ErrPeerClosed, err)
	}
	return fmt.Errorf("%w: %w", ErrAuth, err) // no common version, a certificate that was not sent
}

// damaged tells the alerts with which TLS answers bytes that changed on their way.
func damaged(alert error) bool {
	return strings.HasSuffix(alert.Error(), "bad record MAC") || strings.HasSuffix(alert.Error(), "error decoding message")
}

// TLSFiles names PEM files. The server needs Cert and Key; with CA it demands
// client certificates signed by it. The client needs CA (or the system's roots)
// and may show a certificate of its own.
type TLSFiles struct{ Cert, Key, CA string }

// Config reads the files for one role. serverName is what the client expects in
// the server's certificate.
func (f TLSFiles) Config(role Role, serverName string) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: serverName}
	if (f.Cert == "") != (f.Key == "") || role == Server && f.Cert == "" {
		return nil, errors.New("tls: a certificate and its key are needed together")
	}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", f.Cert, f.Key, err)
		}
		if err := usable(pair.Leaf, role); err != nil {
			return nil, fmt.Errorf("%w: certificate %s: %w", ErrAuth, f.Cert, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, f.trust(conf, role)
}

// usable tells why a certificate of this side's is of no use, which the other side would only call
// bad. One of a server that has run out is used all the same: its clients say so, and the server is
// there for who asks why.
func usable(c *x509.Certificate, role Role) error {
	use, what := x509.ExtKeyUsageClientAuth, "clients"
	if role == Server {
		use, what = x509.ExtKeyUsageServerAuth, "servers"
	}
	any := len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0
	for _, u := range c.ExtKeyUsage {
		any = any || u == use || u == x509.ExtKeyUsageAny
	}
	switch now := time.Now(); {
	case !any:
		return fmt.Errorf("it is not one for %s", what)
	case role == Client && now.After(c.NotAfter):
		return fmt.Errorf("it has expired on %s", c.NotAfter.Format(time.DateOnly))
	case role == Client && now.Before(c.NotBefore):
		return fmt.Errorf("it does not hold before %s, or this machine's clock is wrong", c.NotBefore.Format(time.RFC3339))
	}
	return nil
}

// Authority is a server's configuration whose certificates come from elsewhere.
func (f TLSFiles) Authority() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS13}
	return conf, f.trust(conf, Server)
}

// trust has peers' certificates checked against the authority in a file, if there is one.
func (f TLSFiles) trust(conf *tls.Config, role Role) error {
	if f.CA == "" {
		return nil
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("tls: %s: no certificate found", f.CA)
	}
	if role == Server {
		conf.ClientCAs, conf.ClientAuth = pool, tls.RequireAndVerifyClientCert
	} else {
		conf.RootCAs = pool
	}
	return nil
}

// Loopback reports whether an address can only be reached from this machine.
func Loopback(addr net.Addr) bool {
	t, ok := addr.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// ErrClear says that what leaves the machine would leave it in the clear.
var ErrClear = errors.New("TLS is off")

// OnThisMachine refuses addresses of or for other machines.
func OnThisMachine(addr net.Addr) error {
	if Loopback(addr) {
		return nil
	}
	return fmt.Errorf("%v can be reached from other machines and %w", addr, ErrClear)
}
