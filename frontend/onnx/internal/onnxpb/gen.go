// Package onnxpb holds the generated messages of the ONNX model format
// (onnx.proto). Nothing here interprets them.
package onnxpb

//go:generate protoc --go_out=. --go_opt=paths=source_relative onnx.proto
