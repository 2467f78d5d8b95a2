//go:build !amd64 || purego

package kernel

func hasVAES() bool { return false }
