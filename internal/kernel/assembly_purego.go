//go:build purego

package kernel

const assembly = false
