// Package remote is the client's side of a service's address: it fetches plans and opens
// sessions over HTTP, through whatever proxies stand in between.
package remote

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/receipt"
	"secc.example/secc/runtime/transport"
)

// SessionHeader is in which header the server says what it calls a session.
const SessionHeader = "Secc-Session"

// VersionHeader is in which header it says which version of the model answers.
const VersionHeader = "Secc-Version"

// InferencesHeader is in which header the client says how many inferences it wants.
const InferencesHeader = "Secc-Inferences"

// PrepareHeader is in which header it says how many prepared runs it wants to be left with.
const PrepareHeader = "Secc-Prepare"

// ReceiptHeader is in which header it says by which key a session's receipt is signed.
const ReceiptHeader = "Secc-Receipt-Key"

// ClientKeyHeader is in which header the client announces by which key it is going to sign that
// receipt too, and the server that it takes this.
const ClientKeyHeader = "Secc-Client-Key"

// Model is a model, or a version of it, at an address.
type Model struct {
	URL      *url.URL    // https://host/v2/models/m[/versions/v]
	TLS      *tls.Config // nil: the system's authorities
	Token    string      // bearer token, if the server wants one
	Insecure bool        // in the clear to other machines too
	Signer   string      // public key by which this client signs receipts; empty: it does not

	Timeout time.Duration // of connecting, and of every answer's beginning; 0: 30 s
}

// Parse reads an address. ws and wss stand for http and https; a name alone stands for a
// model of that name.
func Parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	case "http", "https":
	default:
		return nil, fmt.Errorf("%q is no address of a model: https://HOST/v2/models/NAME", text)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.Contains(u.Path, "/v2/models/") {
		return nil, fmt.Errorf("%q is no address of a model: https://HOST/v2/models/NAME", text)
	}
	return u, nil
}

// StatusError is a refusal of the server's.
type StatusError struct {
	Status  int
	After   string // when to try again, as the server says it
	Message string
	Session string
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("the server refused: %s (HTTP %d", e.Message, e.Status)
	if e.Session != "" {
		text += ", session " + e.Session
	}
	if e.After != "" {
		text += ", try again in " + e.After + " s"
		if d, err := time.ParseDuration(e.After + "s"); err == nil && d >= 2*time.Minute {
			text += ", that is " + d.String()
		}
	}
	return text + ")"
}

// Unwrap sorts refusals in with the ends of connections.
func (e *StatusError) Unwrap() error {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return transport.ErrAuth
	case http.StatusPreconditionFailed:
		return transport.ErrMismatch
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return transport.ErrBusy
	}
	return transport.ErrPeerFailed
}

// ProxyError says that a proxy does not pass a connection on.
type ProxyError struct {
	Proxy  string // host and port
	Status int
}

func (e *ProxyError) Error() string {
	return fmt.Sprintf("the proxy %s does not pass this on: %s (HTTP %d)", e.Proxy, http.StatusText(e.Status), e.Status)
}

// limit is how long anything may take.
func (m *Model) limit() time.Duration {
	if m.Timeout > 0 {
		return m.Timeout
	}
	return 30 * time.Second
}

// client makes HTTP requests as the model wants them. HTTPS_PROXY and NO_PROXY are honoured.
func (m *Model) client() *http.Client {
	limit := m.limit()
	d, proxy := &net.Dialer{Timeout: limit}, http.ProxyFromEnvironment
	if m.URL.Scheme == "http" && !m.Insecure {
		proxy = nil // one on this machine would pass on to others
		d.Control = func(_, addr string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(addr)
			if err != nil {
				return err
			}
			return transport.OnThisMachine(net.TCPAddrFromAddrPort(at))
		}
	}
	conf := m.TLS
	if conf == nil {
		conf = &tls.Config{MinVersion: tls.VersionTLS13}
	}
	t := &http.Transport{
		Proxy: proxy, DialContext: d.DialContext, TLSClientConfig: conf,
		TLSHandshakeTimeout: limit, ResponseHeaderTimeout: limit + 2*time.Minute, // a session may wait for room
		DisableCompression: true, Protocols: new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, _ *http.Request, r *http.Response) error {
		if r.StatusCode != http.StatusOK {
			return &ProxyError{proxy.Host, r.StatusCode}
		}
		return nil
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (m *Model) header() http.Header {
	h := http.Header{}
	if m.Token != "" {
		h.Set("Authorization", "Bearer "+m.Token)
	}
	return h
}

// Plan fetches the plan, of which known is a version already at hand; nil: none.
func (m *Model) Plan(ctx context.Context, known []byte) (p *plan.Plan, encoded []byte, err error) {
	h := m.header()
	if len(known) > 0 {
		if p, err = plan.Decode(known); err == nil {
			if d, err := p.Digest(); err == nil {
				h.Set("If-None-Match", `"`+hex.EncodeToString(d[:])+`"`)
			}
		}
	}
	status, b, err := m.get(ctx, "plan", h, plan.MaxEncoded)
	if err != nil {
		return nil, nil, err
	}
	if status == http.StatusNotModified && p != nil {
		return p, known, nil
	}
	if p, err = plan.Decode(b); err != nil {
		return nil, nil, fmt.Errorf("the server's plan: %w", err)
	}
	return p, b, nil
}

// Ready asks whether the service takes sessions.
func (m *Model) Ready(ctx context.Context) error {
	_, _, err := m.get(ctx, "ready", m.header(), 4<<10)
	return err
}

// Forward passes requests on to a part of the model's address ("" is the model itself), with
// this client's credentials and without whoever asked being told apart.
func (m *Model) Forward(what string) http.Handler {
	return &httputil.ReverseProxy{
		Transport: m.client().Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL, r.Out.Host = m.URL.JoinPath(what), ""
			for _, h := range []string{"Origin", "Cookie", "Referer", "Authorization"} {
				r.Out.Header.Del(h)
			}
			if m.Token != "" {
				r.Out.Header.Set("Authorization", "Bearer "+m.Token)
			}
		},
	}
}

// Signature fetches the plan's signature.
func (m *Model) Signature(ctx context.Context) ([]byte, error) {
	_, b, err := m.get(ctx, "plan/signature", m.header(), 4<<10)
	return b, err
}

// get reads something of the model's that has no more than most bytes.
func (m *Model) get(ctx context.Context, what string, h http.Header, most int64) (status int, b []byte, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL.JoinPath(what).String(), nil)
	if err != nil {
		return 0, nil, err
	}
	r.Header = h
	c := m.client()
	defer c.CloseIdleConnections()
	resp, err := c.Do(r)
	if err != nil {
		return 0, nil, transport.Refusal(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusNotModified:
	default:
		return 0, nil, refused(resp)
	}
	quiet := time.AfterFunc(m.limit(), func() { cancel(fmt.Errorf("%w: the %s stopped coming for %v", transport.ErrTimeout, what, m.limit())) })
	defer quiet.Stop()
	if b, err = io.ReadAll(io.LimitReader(&heard{resp.Body, quiet, m.limit()}, most+1)); err != nil {
		return 0, nil, cmp.Or(context.Cause(ctx), err)
	}
	if int64(len(b)) > most {
		return 0, nil, transport.Violation("more than %d bytes of a %s", most, what)
	}
	return resp.StatusCode, b, nil
}

// heard reads what comes, and puts a timer off whenever something does.
type heard struct {
	io.Reader
	quiet *time.Timer
	limit time.Duration
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.quiet.Reset(h.limit)
	}
	return n, err
}

// Opened is a session's connection, and what the server says of the session.
type Opened struct {
	Conn          net.Conn
	Name          string // what the server calls it
	Version       string // of the model, as the server calls it
	ReceiptKey    string // by which its receipt is going to be signed; empty: there is none
	Countersigned bool   // the server wants this client's signature too
}

// Session opens a session of so many inferences for a plan, and says what the server calls it.
func (m *Model) Session(ctx context.Context, d plan.Digest, inferences int) (net.Conn, string, error) {
	o, err := m.Open(ctx, d, inferences, 0)
	if err != nil {
		return nil, "", err
	}
	return o.Conn, o.Name, nil
}

// Open opens a session of so many inferences for a plan.
func (m *Model) Open(ctx context.Context, d plan.Digest, inferences, keep int) (*Opened, error) {
	h := m.header()
	h.Set(InferencesHeader, strconv.Itoa(inferences))
	if keep > 0 {
		h.Set(PrepareHeader, strconv.Itoa(keep))
	}
	h.Set("If-Match", `"`+d.String()+`"`)
	if m.Signer != "" {
		h.Set(ClientKeyHeader, m.Signer)
	}
	c, resp, err := websocket.Dial(ctx, m.URL.JoinPath("session").String(), &websocket.DialOptions{HTTPClient: m.client(), HTTPHeader: h})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, refused(resp)
		}
		return nil, transport.Refusal(err)
	}
	said := func(header string) string { return printable(resp.Header.Get(header)) }
	conn := websocket.NetConn(context.WithoutCancel(ctx), c, websocket.MessageBinary)
	return &Opened{Conn: conn, Name: said(SessionHeader), Version: said(VersionHeader), ReceiptKey: said(ReceiptHeader), Countersigned: m.Signer != "" && said(ClientKeyHeader) == m.Signer}, nil
}

// receiptOf is where a session's receipt is, seen from the model's address.
func (m *Model) receiptOf(session string) string {
	_, below, _ := strings.Cut(m.URL.Path, "/v2/models/")
	up := strings.Repeat("../", 2+strings.Count(below, "/"))
	return up + "sessions/" + url.PathEscape(session) + "/receipt"
}

// Receipt fetches the receipt of a session that is done.
func (m *Model) Receipt(ctx context.Context, session string) (*receipt.Signed, error) {
	_, b, err := m.get(ctx, m.receiptOf(session), m.header(), 16<<10)
	if err != nil {
		return nil, err
	}
	s := new(receipt.Signed)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, transport.Violation("the server's receipt: %v", err)
	}
	return s, nil
}

// Countersign gives the server this client's signature of a receipt.
func (m *Model) Countersign(ctx context.Context, session string, c *receipt.Countersignature) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL.JoinPath(m.receiptOf(session)).String(), bytes.NewReader(b))
	if err != nil {
		return err
	}
	r.Header = m.header()
	r.Header.Set("Content-Type", "application/json")
	with := m.client()
	defer with.CloseIdleConnections()
	resp, err := with.Do(r)
	if err != nil {
		return transport.Refusal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return refused(resp)
	}
	return nil
}

// refused reads a refusal.
func refused(resp *http.Response) error {
	e := &StatusError{Status: resp.StatusCode, After: printable(resp.Header.Get("Retry-After")), Session: printable(resp.Header.Get(SessionHeader))}
	var said struct {
		Error string `json:"error"`
	}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what there is will do
	if json.Unmarshal(b, &said) == nil {
		e.Message = printable(said.Error)
	}
	if e.Message == "" {
		e.Message = http.StatusText(resp.StatusCode)
	}
	return e
}

// printable keeps of a stranger's text what a terminal takes as text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r > '~' {
			return -1
		}
		return r
	}, s)
}

// ErrChanged says that a model's plan is not the one that was pinned.
var ErrChanged = errors.New("the model's plan is not the one that was seen before")
