//go:build !unix

package onnx

import "time"

var began = time.Now()

func processorTime() time.Duration { return time.Since(began) }
