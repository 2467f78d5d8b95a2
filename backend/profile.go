package backend

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"secc/backend/plan"
)

// Profile is the network and the machines a plan is made for.
type Profile struct {
	Name      string
	RTT       time.Duration
	Bandwidth float64 // bits a second, each way
	Threads   int     // cores each party uses
	UnitNanos [plan.NumUnits]float64
}

// units prices one unit of work on one core of a server of 2023 with AVX-512,
// in nanoseconds.
var units = [plan.NumUnits]float64{
	plan.UnitNTT: 6000, plan.UnitMAC: 1000, plan.UnitEncrypt: 40000, plan.UnitRespond: 50000,
	plan.UnitDecrypt: 25000, plan.UnitSwitch: 60000, plan.UnitCOT: 60, plan.UnitAND: 20,
	plan.UnitMux: 20, plan.UnitElem: 2,
}

// ParseProfile reads "lan", "wan", "loopback", or "rtt=40ms,bw=400M[,threads=2]".
func ParseProfile(s string) (Profile, error) {
	p := Profile{Name: s, Threads: 1, UnitNanos: units}
	switch s {
	case "", "lan":
		p.Name, p.RTT, p.Bandwidth = "lan", 300*time.Microsecond, 3e9
		return p, nil
	case "wan":
		p.RTT, p.Bandwidth = 40*time.Millisecond, 400e6
		return p, nil
	case "loopback":
		p.RTT, p.Bandwidth = 50*time.Microsecond, 20e9
		return p, nil
	}
	for _, part := range strings.Split(s, ",") {
		key, value, _ := strings.Cut(part, "=")
		var err error
		switch key {
		case "rtt":
			p.RTT, err = time.ParseDuration(value)
		case "bw":
			p.Bandwidth, err = parseRate(value)
		case "threads":
			p.Threads, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("unknown key %q", key)
		}
		if err != nil {
			return p, fmt.Errorf("profile %q: %w", s, err)
		}
	}
	if p.Bandwidth <= 0 || p.RTT < 0 || p.Threads < 1 {
		return p, fmt.Errorf("profile %q: bandwidth, rtt or threads out of range", s)
	}
	return p, nil
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

// Seconds prices a cost: work on both sides one after the other, the flights'
// bytes, and half a round trip a flight.
func (p Profile) Seconds(c plan.Cost) float64 {
	var nanos float64
	for u := range plan.NumUnits {
		nanos += (c.Work.Server[u] + c.Work.Client[u]) * p.UnitNanos[u]
	}
	t := nanos / 1e9 / float64(max(p.Threads, 1))
	for _, f := range c.Flights {
		t += p.RTT.Seconds()/2 + 8*float64(max(f.ToServer, f.ToClient))/p.Bandwidth
	}
	return t
}

// Price fills in the seconds of a report.
func (p Profile) Price(r *plan.Report) {
	online := 0.0
	for i := range r.Operators {
		r.Operators[i].Seconds = p.Seconds(r.Operators[i].Cost)
		online += r.Operators[i].Seconds
	}
	r.Total.Online.Seconds = online
	r.Total.Setup.Seconds = p.Seconds(r.Total.Setup.Cost)
	r.Total.Seconds = r.Total.Setup.Seconds + online
}
