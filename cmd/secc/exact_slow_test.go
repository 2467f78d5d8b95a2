//go:build slow

package main

import "testing"

// Clips, depthwise convolutions and nine million values.
func TestExactRunOfMobileNet(t *testing.T) { checkExact(t, "tm_cxr_mobilenetv2_035") }
