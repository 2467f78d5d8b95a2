package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// handshakeTime bounds a TLS handshake.
const handshakeTime = 20 * time.Second

// Dial opens a TCP connection, with TLS unless conf is nil.
func Dial(ctx context.Context, addr string, conf *tls.Config, link Link) (net.Conn, error) {
	d := net.Dialer{Timeout: handshakeTime}
	raw, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := link.Shape(raw)
	if conf == nil {
		return c, nil
	}
	return handshake(ctx, tls.Client(c, conf))
}

// Accepted prepares a connection that a listener gave out, with TLS unless conf is nil.
func Accepted(ctx context.Context, raw net.Conn, conf *tls.Config, link Link) (net.Conn, error) {
	c := link.Shape(raw)
	if conf == nil {
		return c, nil
	}
	return handshake(ctx, tls.Server(c, conf))
}

func handshake(ctx context.Context, c *tls.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("%w: TLS handshake: %w", ErrAuth, err)
	}
	return c, nil
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
			return nil, fmt.Errorf("tls: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	if f.CA == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls: %s: no certificate found", f.CA)
	}
	if role == Server {
		conf.ClientCAs, conf.ClientAuth = pool, tls.RequireAndVerifyClientCert
	} else {
		conf.RootCAs = pool
	}
	return conf, nil
}

// Loopback reports whether an address can only be reached from this machine.
func Loopback(addr net.Addr) bool {
	t, ok := addr.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}
