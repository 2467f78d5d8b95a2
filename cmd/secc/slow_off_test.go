//go:build !slow

package main

// slowTests: runs that move more than a GiB are left to -tags=slow.
const slowTests = false
