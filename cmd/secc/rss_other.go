//go:build !unix

package main

import "os"

// peakRSS is not known on this system.
func peakRSS() int64 { return 0 }

// peakRSSOf is not known on this system.
func peakRSSOf(*os.ProcessState) int64 { return 0 }

// cpuSeconds is not known on this system.
func cpuSeconds() float64 { return 0 }
