//go:build slow

package main

// slowTests: runs that move more than a GiB are made too.
const slowTests = true
