//go:build !purego

package kernel

const assembly = true
