//go:build !unix

package process

// PeakRSS is not known on this system.
func PeakRSS() int64 { return 0 }

// CPUSeconds is not known on this system.
func CPUSeconds() float64 { return 0 }
