// Package testdata embeds the small network and the X-ray that `secc demo`
// runs, so that an installed binary needs no other file.
package testdata

import "embed"

// Demo holds models/tm_cxr_mobilenetv2_035: model.onnx, meta.json, images.u8
// (for calibration), labels.txt and xray.png.
//
//go:embed models/tm_cxr_mobilenetv2_035
var Demo embed.FS
