//go:build !slow

package runtime

// slow: every width with every length.
const slow = false
