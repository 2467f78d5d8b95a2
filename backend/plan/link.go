package plan

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Link is a network, and how many cores each party uses.
type Link struct {
	Name      string
	RTT       time.Duration
	Bandwidth float64 // bits a second, each way
	Threads   int
}

// ParseLink reads "lan", "wan", "loopback", or "rtt=40ms,bw=400M[,threads=2]".
func ParseLink(s string) (Link, error) {
	l := Link{Name: s, Threads: 1}
	switch s {
	case "", "lan":
		l.Name, l.RTT, l.Bandwidth = "lan", 300*time.Microsecond, 3e9
		return l, nil
	case "wan":
		l.RTT, l.Bandwidth = 40*time.Millisecond, 400e6
		return l, nil
	case "loopback":
		l.RTT, l.Bandwidth = 50*time.Microsecond, 20e9
		return l, nil
	}
	for _, part := range strings.Split(s, ",") {
		key, value, _ := strings.Cut(part, "=")
		var err error
		switch key {
		case "rtt":
			l.RTT, err = time.ParseDuration(value)
		case "bw":
			l.Bandwidth, err = parseRate(value)
		case "threads":
			l.Threads, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("unknown key %q", key)
		}
		if err != nil {
			return l, fmt.Errorf("profile %q: %w", s, err)
		}
	}
	if !(l.Bandwidth > 0) || l.RTT < 0 || l.Threads < 1 {
		return l, fmt.Errorf("profile %q: bandwidth, rtt or threads out of range", s)
	}
	return l, nil
}

func parseRate(s string) (float64, error) {
	factor := 1.0
	for suffix, f := range map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9} {
		if n, ok := strings.CutSuffix(s, suffix); ok {
			s, factor = n, f
		}
	}
	x, err := strconv.ParseFloat(s, 64)
	return x * factor, err
}

// Limits of what a message less is worth, in bytes. The least is what any link carries while two processes
// wake each other up, and little enough for all.
const (
	leastWorth = 64 << 10
	mostWorth  = 1 << 20
)

// worthOfFlight is how many bytes the online run may send more for each message less that waits for
// another: what takes as long as a latency of the link that the plan was made for, the seven tenths of
// it that are sent beforehand (an eighth of six times as much) and some 50 ns a byte of processors' time
// included.
func (p *Plan) worthOfFlight() int64 {
	l := p.link()
	bytes := l.RTT.Seconds() / 2 / (1.7*8/l.Bandwidth + 50e-9)
	return int64(min(max(bytes, leastWorth), mostWorth))
}

// link is what the plan was made for.
func (p *Plan) link() Link {
	l, err := ParseLink(p.Profile)
	if err != nil { // whoever wrote the plan did not know links as this program does
		l, _ = ParseLink("")
	}
	return l
}

// StockedOTs is how many correlated OTs of a direction, 16 bytes each, are made before they are
// used: while messages are under way there is time to make them.
func (p *Plan) StockedOTs() int { return p.link().StockedOTs() }

// How many OTs are stocked: what two cores make in so many round trips.
const (
	otsPerSecond = 50e6
	stockedTrips = 2
	leastStock   = 1 << 20
	mostStock    = 1 << 22
)

// StockedOTs is that of plans for this link.
func (l Link) StockedOTs() int {
	return int(min(max(otsPerSecond*stockedTrips*l.RTT.Seconds(), leastStock), mostStock))
}
