package server

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"secc.example/secc/backend/plan"
)

// metrics are what the server counts for Prometheus.
type metrics struct {
	registry  *prometheus.Registry
	sessions  *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	bytes     *prometheus.CounterVec
	predicted *prometheus.CounterVec
	compute   *prometheus.CounterVec
}

func newMetrics(s *Server) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		sessions:  counter("secc_sessions_total", "Sessions that have ended, by outcome: done, failed, or mute (no hello came).", "model", "version", "outcome"),
		refusals:  counter("secc_refusals_total", "Sessions that were refused, by HTTP status.", "status"),
		bytes:     counter("secc_session_bytes_total", "Bytes of sessions that were done, as measured.", "model", "version"),
		predicted: counter("secc_session_predicted_bytes_total", "Bytes of the same sessions, as their plans predict them.", "model", "version"),
		compute:   counter("secc_session_predicted_compute_seconds_total", "Seconds that both parties' computing takes on one core each in the same sessions, as their plans predict it.", "model", "version"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "secc_session_seconds", Help: "Seconds of sessions that were done, set-up included.", Buckets: prometheus.ExponentialBuckets(0.1, 2, 14),
		}, []string{"model", "version"}),
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	m.registry.MustRegister(
		m.sessions, m.refusals, m.bytes, m.predicted, m.compute, m.seconds,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("secc_sessions", "Sessions that run.", func() float64 { _, n, _ := s.gate.state(); return float64(n) }),
		gauge("secc_sessions_waiting", "Sessions that wait for room.", func() float64 { _, _, n := s.gate.state(); return float64(n) }),
		gauge("secc_memory_reserved_bytes", "Memory that the plans of running sessions predict.", func() float64 { n, _, _ := s.gate.state(); return float64(n) }),
		gauge("secc_memory_limit_bytes", "Memory that sessions may take.", func() float64 { return float64(s.gate.memory) }),
		gauge("secc_models", "Models that can be asked.", func() float64 { return float64(len(s.models.Models())) }),
		gauge("secc_versions_failed", "Versions in the models' folder that cannot be served.", func() float64 { return float64(s.models.Failures()) }),
		gauge("secc_certificate_end_seconds", "When the server's certificate runs out, in seconds since 1970; 0 if it has none of its own.", func() float64 {
			if end := endOf(s.tls.Load()); !end.IsZero() {
				return float64(end.Unix())
			}
			return 0
		}),
		gauge("secc_ready", "1 while sessions may begin.", func() float64 {
			if s.ready() {
				return 1
			}
			return 0
		}),
	)
	return m
}

// ended counts a session.
func (m *metrics) ended(v *Version, begun bool, report *plan.Report, err error) {
	outcome := "done"
	switch {
	case err != nil && begun:
		outcome = "failed"
	case err != nil:
		outcome = "mute"
	}
	m.sessions.WithLabelValues(v.Model, v.Name, outcome).Inc()
	if report == nil || err != nil {
		return
	}
	m.seconds.WithLabelValues(v.Model, v.Name).Observe(report.Total.Seconds)
	m.bytes.WithLabelValues(v.Model, v.Name).Add(float64(report.Total.Bytes))
	m.predicted.WithLabelValues(v.Model, v.Name).Add(float64(v.Program.Cost().Total.Bytes))
	m.compute.WithLabelValues(v.Model, v.Name).Add(v.Program.Compute().Seconds())
}

func (m *metrics) refused(r *refusal) { m.refusals.WithLabelValues(fmt.Sprint(r.status)).Inc() }

// watched is for those who watch the server from elsewhere: metrics and health.
func (s *Server) watched() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /v2/health/live", s.live)
	mux.HandleFunc("GET /v2/health/ready", s.health)
	return mux
}

// Admin is for the operator alone: metrics, health and profiles. Of the profiles those are left
// out that print arguments, which here may be keys and shares.
func (s *Server) Admin() http.Handler {
	mux := s.watched()
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	for _, name := range []string{"heap", "allocs", "goroutine", "block", "mutex"} {
		mux.HandleFunc("GET /debug/pprof/"+name, func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("debug") == "2" {
				refuse(w, &refusal{http.StatusForbidden, 0, fmt.Errorf("debug=2 prints arguments, which may be secret")})
				return
			}
			pprof.Handler(name).ServeHTTP(w, r)
		})
	}
	return mux
}

// AdminServer is an HTTP server for Admin.
func (s *Server) AdminServer() *http.Server { return aside(s.Admin()) }

// MetricsServer is an HTTP server for metrics and health alone.
func (s *Server) MetricsServer() *http.Server {
	h := aside(s.watched())
	h.WriteTimeout = sendTime
	return h
}

// aside has no limit to writing: a profile takes as long as it is asked for.
func aside(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadTimeout: helloTime, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
}
