//go:build !unix && !js

package kerneltest

import "time"

// CPU is zero: this system does not tell processor time.
func CPU() time.Duration { return 0 }
