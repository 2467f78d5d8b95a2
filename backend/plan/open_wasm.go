//go:build js || wasip1

package plan

// nonBlocking is what there is no flag for here.
const nonBlocking = 0
