//go:build !slow

package onnx_test

const slow = false
