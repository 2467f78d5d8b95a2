package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// proxy is a program, its arguments before its configuration's file, and the configuration.
type proxy struct {
	program string
	args    []string
	config  string
}

// certificates makes an authority and a certificate for two names.
func (b *bench) certificates() (dir string, pool *x509.CertPool, err error) {
	dir = filepath.Join(b.dir, "certs")
	pool = x509.NewCertPool()
	if _, err := os.Stat(dir); err != nil {
		for _, args := range [][]string{{"cert", "init", "--dir", dir}, {"cert", "issue", "one", "--host", "one.example", "--dir", dir}, {"cert", "issue", "two", "--host", "two.example", "--dir", dir}} {
			if out, err := exec.Command(b.secc, args...).CombinedOutput(); err != nil {
				return "", nil, fmt.Errorf("secc %s: %w: %s", strings.Join(args, " "), err, out)
			}
		}
	}
	for _, name := range []string{"one", "two"} { // haproxy wants both in a file
		cert, err := os.ReadFile(filepath.Join(dir, name+".pem"))
		if err != nil {
			return "", nil, err
		}
		key, err := os.ReadFile(filepath.Join(dir, name+"-key.pem"))
		if err != nil {
			return "", nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name+"-both.pem"), append(cert, key...), 0o600); err != nil {
			return "", nil, err
		}
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return "", nil, err
	}
	pool.AppendCertsFromPEM(ca)
	return dir, pool, nil
}

// through asks a service behind a proxy, twice: as one.example and as two.example.
func (b *bench) through(ctx context.Context, r *result, port int, pool *x509.CertPool, p proxy, of *subject) error {
	path, err := exec.LookPath(p.program)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + p.program); err != nil {
			r.Skipped = p.program + " is not installed"
			return nil
		}
	}
	file := filepath.Join(b.dir, p.program+".conf")
	if err := os.WriteFile(file, []byte(p.config), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append(p.args, file)...)
	var said words
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { cancel(); _ = cmd.Wait() }() // it is killed
	if err := answers(ctx, port); err != nil {
		return fmt.Errorf("%s: %w: %s", p.program, err, said.String())
	}
	for _, host := range []string{"one.example", "two.example"} {
		a := asker{url: fmt.Sprintf("https://127.0.0.1:%d", port), tls: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: host}}
		begun := time.Now()
		if err := a.ask(ctx, of, 0); err != nil {
			return fmt.Errorf("%s through %s: %w: %s", host, p.program, err, tail(said.String()))
		}
		r.note(host+" s", time.Since(begun).Seconds())
	}
	return nil
}

// answers waits until somebody listens.
func answers(ctx context.Context, port int) error {
	for range 200 {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(25 * time.Millisecond):
		}
	}
	return errors.New("it does not start")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// two serves with two servers, which a proxy tells apart by name.
func (b *bench) two(ctx context.Context, flags func(i int) []string) (servers [2]*service, of *subject, err error) {
	if of, err = b.subject("mnist_cntk_8"); err != nil {
		return servers, nil, err
	}
	for i := range servers {
		if servers[i], err = b.serve(ctx, nil, []*subject{of}, flags(i)...); err != nil {
			return servers, nil, err
		}
	}
	return servers, of, nil
}

// split holds that each server had one of the two sessions.
func split(servers [2]*service) (err error) {
	for i, s := range servers {
		err = errors.Join(err, s.stop())
		if n := strings.Count(s.log.String(), "msg=done"); n != 1 {
			err = errors.Join(err, fmt.Errorf("server %d had %d sessions of one", i+1, n))
		}
	}
	return err
}

func nginx(ctx context.Context, b *bench, r *result) error {
	return b.httpProxy(ctx, r, func(certs string, port int, servers [2]*service) proxy {
		text := fmt.Sprintf("daemon off; master_process off; pid %s/nginx.pid; error_log stderr;\nevents {}\nhttp {\n access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;\n", b.dir)
		text += fmt.Sprintf(" map $ssl_server_name $party { one.example %s; two.example %s; }\n", servers[0].addr, servers[1].addr)
		text += " map $http_upgrade $hop { default upgrade; '' close; }\n"
		for _, name := range []string{"one", "two"} {
			text += fmt.Sprintf(" server { listen 127.0.0.1:%d ssl; server_name %s.example; ssl_certificate %s/%s.pem; ssl_certificate_key %s/%s-key.pem; ssl_protocols TLSv1.3;\n", port, name, certs, name, certs, name)
			text += "  location / { proxy_pass http://$party; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $hop; proxy_read_timeout 300s; }\n }\n"
		}
		return proxy{"nginx", []string{"-c"}, text + "}\n"}
	})
}

func haproxyHTTP(ctx context.Context, b *bench, r *result) error {
	return b.httpProxy(ctx, r, func(certs string, port int, servers [2]*service) proxy {
		text := "defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n timeout tunnel 300s\n"
		text += fmt.Sprintf("frontend f\n bind 127.0.0.1:%d ssl crt %s/one-both.pem crt %s/two-both.pem ssl-min-ver TLSv1.3\n use_backend two if { ssl_fc_sni two.example }\n default_backend one\n", port, certs, certs)
		for i, name := range []string{"one", "two"} {
			text += fmt.Sprintf("backend %s\n server s %s\n", name, servers[i].addr)
		}
		return proxy{"haproxy", []string{"-db", "-f"}, text}
	})
}

// httpProxy is a proxy that ends TLS and passes WebSocket on.
func (b *bench) httpProxy(ctx context.Context, r *result, config func(certs string, port int, servers [2]*service) proxy) error {
	certs, pool, err := b.certificates()
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	servers, of, err := b.two(ctx, func(int) []string { return nil })
	if err != nil {
		return err
	}
	if err := b.through(ctx, r, port, pool, config(certs, port, servers), of); err != nil || r.Skipped != "" {
		return err
	}
	return split(servers)
}

// haproxySNI is a proxy that looks at the name that TLS asks for and passes everything on, with
// the client's address in front (PROXY protocol, version 2 to one server and 1 to the other).
func haproxySNI(ctx context.Context, b *bench, r *result) error {
	certs, pool, err := b.certificates()
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	names := []string{"one", "two"}
	servers, of, err := b.two(ctx, func(i int) []string {
		return []string{"--proxy-protocol", "127.0.0.1", "--tls-cert", filepath.Join(certs, names[i]+".pem"), "--tls-key", filepath.Join(certs, names[i]+"-key.pem")}
	})
	if err != nil {
		return err
	}
	text := "defaults\n mode tcp\n timeout connect 5s\n timeout client 300s\n timeout server 300s\n"
	text += fmt.Sprintf("frontend f\n bind 127.0.0.1:%d\n tcp-request inspect-delay 5s\n tcp-request content accept if { req_ssl_hello_type 1 }\n use_backend two if { req_ssl_sni two.example }\n default_backend one\n", port)
	text += fmt.Sprintf("backend one\n server s %s send-proxy-v2\nbackend two\n server s %s send-proxy\n", servers[0].addr, servers[1].addr)
	if err := b.through(ctx, r, port, pool, proxy{"haproxy", []string{"-db", "-f"}, text}, of); err != nil || r.Skipped != "" {
		return err
	}
	return split(servers)
}
