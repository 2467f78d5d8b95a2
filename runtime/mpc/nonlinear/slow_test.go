//go:build slow

package nonlinear

import "testing"

// TestSignOfManyElements takes some minutes: 10^8 elements.
func TestSignOfManyElements(t *testing.T) { checkStatistics(t, 20, 1<<20) }
