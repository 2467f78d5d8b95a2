// Package server is what stands between the network and the sessions of a service: models
// in folders, one port of HTTP/1.1 and WebSocket, who may ask how much, and how it all ends.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"aead.dev/minisign"

	"secc.example/secc/runtime"
	"secc.example/secc/runtime/receipt"
	"secc.example/secc/runtime/service"
	"secc.example/secc/runtime/store"
)

// Config is what an operator chooses. Of what is zero there is a default.
type Config struct {
	Models  string // the folder
	Canary  bool   // versions answer their canary before they serve
	Session runtime.Config
	Log     *slog.Logger
	Version string // of this program

	Clients string // file of those who may ask; empty: everybody
	// Origins are those of pages that other servers serve and that may ask this one.
	Origins []string
	Data    string // folder for what must outlast the server
	// Receipts is the file of the key that signs receipts of sessions; empty: there are none.
	Receipts string
	// Demand refuses clients that do not announce a key by which they sign receipts too.
	Demand bool
	// Database holds in PostgreSQL what several servers share; its address.
	Database string
	Signed   string // file of the public key that must have signed all plans; empty: none must

	// TLS is read when the server starts and at every reload; nil: in the clear.
	TLS func() (*tls.Config, error)

	// Proxies are those that say, by the PROXY protocol, whose connection they pass on.
	Proxies []netip.Prefix

	// Prepare is how many inferences a client may have prepared ahead, and how many it may leave
	// behind for later sessions in Runs, which take RunsMemory bytes of Memory at most. 0: none.
	Prepare    int
	Runs       *store.Store
	RunsMemory int64

	Memory      int64         // for all sessions; default: four fifths of what is free
	MaxSessions int           // at once; default: sessionsACore a core, if the memory holds so many
	AtOnce      int           // of one client, unless the file of clients says otherwise; default: any number
	Queue       int           // sessions that may wait for room
	Wait        time.Duration // how long
	Grace       time.Duration // how long sessions may go on once the server is to stop
	Poll        time.Duration // how often the models' folder is looked at
}

// sessionsACore is how many sessions at once a core is given to. Half of a session or more is
// waiting for the other party, so a few keep a core busy; many only make all of them slow, until
// the first are taken for standing still.
const sessionsACore = 4

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Memory <= 0 {
		if c.Memory = service.FreeMemory() / 5 * 4; c.Memory == 0 {
			c.Memory = 4 << 30 // nobody tells
		}
	}
	if c.MaxSessions <= 0 {
		threads := c.Session.Threads
		if threads <= 0 {
			threads = goruntime.GOMAXPROCS(0)
		}
		c.MaxSessions = sessionsACore * threads
	}
	for d, v := range map[*time.Duration]time.Duration{&c.Wait: 30 * time.Second, &c.Grace: time.Minute, &c.Poll: 5 * time.Second} {
		if *d <= 0 {
			*d = v
		}
	}
	if c.Queue <= 0 {
		c.Queue = 256
	}
	return c
}

// Server serves models.
type Server struct {
	cfg    Config
	models *Catalogue
	gate   *gate
	first  runtime.Gate // inferences of all sessions go before what any prepares

	clients  atomic.Pointer[clients]
	state    state
	receipts *receipt.Key  // nil: there are none
	awaiting chan struct{} // one a client that waits for a receipt
	refusals refusals
	metrics  *metrics

	hello time.Duration // helloTime
	send  time.Duration // sendTime

	tls  atomic.Pointer[tls.Config]
	stop context.Context // ends sessions
	cut  context.CancelFunc

	mu       sync.Mutex
	draining bool
	sessions sync.WaitGroup // begun while it was not draining
}

// begin counts a session, if any may still begin.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.sessions.Add(1)
	}
	return !s.draining
}

// end takes no session any more.
func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
}

// ready tells whether sessions may begin.
func (s *Server) ready() bool {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	return !draining && s.state.ready() == nil
}

// New loads the models and certificates. Models that cannot be loaded are logged; without any
// that can there is no server. It must be served, which closes what it has open.
func New(ctx context.Context, cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	var key *minisign.PublicKey
	if cfg.Signed != "" {
		k, err := minisign.PublicKeyFromFile(cfg.Signed)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.Signed, err)
		}
		key = &k
	}
	s := &Server{cfg: cfg, hello: helloTime, send: sendTime, awaiting: make(chan struct{}, maxAwaited), refusals: refusals{of: map[string]*refusedClient{}}, models: NewCatalogue(cfg.Models, cfg.Canary, key, cfg.Log), gate: newGate(max(1, cfg.Memory-cfg.RunsMemory), cfg.MaxSessions, cfg.Queue)}
	var err error
	if err := checkOrigins(cfg.Origins); err != nil {
		return nil, err
	}
	if s.receipts, err = readReceiptKey(cfg.Receipts); err != nil {
		return nil, err
	}
	if cfg.Demand && s.receipts == nil {
		return nil, errors.New("clients can only sign receipts that there are: a key for receipts is needed")
	}
	s.stop, s.cut = context.WithCancel(context.Background())
	s.metrics = newMetrics(s)
	if err := s.credentials(); err != nil {
		return nil, err
	}
	if err := s.scan(ctx); err != nil {
		return nil, err
	}
	if len(s.models.Models()) == 0 {
		return nil, fmt.Errorf("%s: no model can be served: a version lies in MODEL/VERSION/ as %s, %s and, if you like, %s", cfg.Models, planFile, weightsFile, cardFile)
	}
	if err := s.open(ctx); err != nil {
		s.models.Close()
		return nil, err
	}
	return s, nil
}

// credentials reads anew who may ask, and by what certificate the server is known.
func (s *Server) credentials() error {
	known, err := readClients(s.cfg.Clients)
	if err != nil {
		return err
	}
	if known.limited() && s.cfg.Data == "" && s.cfg.Database == "" {
		return errNoData
	}
	var conf *tls.Config
	if s.cfg.TLS != nil {
		if conf, err = s.cfg.TLS(); err != nil {
			return err
		}
		conf.NextProtos = []string{"http/1.1"} // a WebSocket begins there
		if known != nil && conf.ClientCAs != nil {
			conf.ClientAuth = tls.VerifyClientCertIfGiven // or a token
		}
	}
	if conf != nil {
		s.runsOut(conf)
	}
	s.tls.Store(conf)
	s.clients.Store(known)
	return nil
}

// soon is how long before its end a certificate is warned of.
const soon = 14 * 24 * time.Hour

// runsOut warns of a certificate that has run out or is about to.
func (s *Server) runsOut(conf *tls.Config) {
	if end := endOf(conf); !end.IsZero() && time.Until(end) < soon {
		s.cfg.Log.Warn("the server's certificate runs out, or has: clients refuse it then", "at", end.UTC().Format(time.RFC3339))
	}
}

// endOf is until when a server's certificate holds; zero if it comes from elsewhere.
func endOf(conf *tls.Config) time.Time {
	if conf == nil || len(conf.Certificates) == 0 || conf.Certificates[0].Leaf == nil {
		return time.Time{}
	}
	return conf.Certificates[0].Leaf.NotAfter
}

var errNoData = errors.New("clients have budgets: a folder or a database is needed to count them in (--data, --database)")

// Reload reads models, clients and certificates anew. Sessions go on as they began, and what
// cannot be read leaves what was there.
func (s *Server) Reload(ctx context.Context) error {
	err := s.credentials()
	return errors.Join(err, s.scan(ctx))
}

// open opens what the server keeps.
func (s *Server) open(ctx context.Context) error {
	if s.cfg.Database != "" {
		d, err := openDatabase(ctx, s.cfg.Database, s.cfg.Log)
		if err != nil {
			return err
		}
		s.state = d
		return s.watchRuns(ctx, d)
	}
	e, err := openEmbedded(s.cfg.Data, s.cfg.Log)
	if err != nil {
		return err
	}
	s.state = e
	return nil
}

// watchRuns has the database asked about every run of a store that lies in a folder: a copy of it
// has the same name, and one server at a time has it. A server that was killed a moment ago still
// does, until its lease runs out.
func (s *Server) watchRuns(ctx context.Context, d *database) error {
	if s.cfg.Runs == nil || s.cfg.Runs.ID() == "" {
		return nil
	}
	for begun, told := time.Now(), false; ; told = true {
		w, err := d.Witness(ctx, s.cfg.Runs.ID())
		if err == nil {
			s.cfg.Runs.Watched(w)
			return nil
		}
		if time.Since(begun) > 2*leaseTime || ctx.Err() != nil {
			return errors.Join(fmt.Errorf("prepared runs: %w", err), d.Close())
		}
		if !told {
			s.cfg.Log.Info("waiting for the folder of prepared runs: a server that was killed has it until its lease runs out", "err", err, "at_most", 2*leaseTime)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// Serve answers until the context ends, then lets sessions go on for the grace period. It
// closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler: s.shared(s.routes()), ReadTimeout: s.hello, WriteTimeout: s.send, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog:  log.New(handshakes{s.cfg.Log}, "", 0),
		Protocols: new(http.Protocols),
	}
	h.Protocols.SetHTTP1(true)
	l = newLimited(l, connections, s.cfg.Log)
	if len(s.cfg.Proxies) > 0 {
		l = behind(l, s.cfg.Proxies)
	}
	if s.cfg.TLS != nil {
		l = tls.NewListener(l, &tls.Config{
			MinVersion: tls.VersionTLS13, GetConfigForClient: s.forHello,
		})
	}
	var watching sync.WaitGroup
	watching.Go(func() { s.watch(ctx) })
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	var err error
	select {
	case err = <-ended:
		s.end()
	case <-ctx.Done():
		s.drain(h)
	}
	s.cut()
	s.sessions.Wait()
	watching.Wait()
	s.models.Close()
	s.sumUpAll()
	return errors.Join(err, s.state.Close())
}

// handshakes logs what net/http has to say. What is wrong with a certificate is the operator's
// business or his client's; all else (port scans, connections that broke) is nobody's.
type handshakes struct{ log *slog.Logger }

func (h handshakes) Write(p []byte) (int, error) {
	text, level := strings.TrimSpace(string(p)), slog.LevelDebug
	if strings.Contains(text, "certificate") {
		level = slog.LevelWarn
	}
	h.log.Log(context.Background(), level, text)
	return len(p), nil
}

// helloTime is how long a connection may take to say what it wants, all of it. sendTime is how long
// it may take to take an answer, or a part of a long one.
const (
	helloTime = 10 * time.Second
	sendTime  = 30 * time.Second
)

// drain takes no session any more and waits for those that run.
func (s *Server) drain(h *http.Server) {
	_, running, _ := s.gate.state()
	s.end()
	s.cfg.Log.Info("draining", "sessions", running, "grace", s.cfg.Grace.String())
	after, cancel := context.WithTimeout(context.Background(), s.cfg.Grace)
	defer cancel()
	done := make(chan struct{})
	go func() { s.sessions.Wait(); close(done) }()
	select {
	case <-done:
	case <-after.Done():
		s.cfg.Log.Warn("the grace period is over: sessions are ended")
	}
	s.cut()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if h.Shutdown(ctx) != nil {
		h.Close()
	}
	s.cfg.Log.Info("stopped")
}

// scan looks at the models' folder, and burns what was prepared with weights that are not served any
// more, of plans that are.
func (s *Server) scan(ctx context.Context) error {
	if err := s.models.Scan(ctx); err != nil || s.cfg.Runs == nil {
		return err
	}
	var served []*runtime.Program
	var weights []runtime.Weights
	for _, v := range s.models.all() {
		served, weights = append(served, v.Program), append(weights, v.Weights)
	}
	return runtime.StaleOf(served, weights, s.cfg.Runs)
}

// watch looks at the models' folder until the context ends.
func (s *Server) watch(ctx context.Context) {
	t := time.NewTicker(s.cfg.Poll)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := s.scan(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Log.Error("the models' folder cannot be read", "err", err)
			}
		}
	}
}
