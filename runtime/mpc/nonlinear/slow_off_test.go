//go:build !slow

package nonlinear

// slow: every width with every length.
const slow = false
