// Command seedlight gives a weightless "light" network deterministic, non-trivial
// weights, so that full-size graphs can be compiled and measured where no real
// weights exist.
//
//	go run ./scripts/seedlight light/light_resnet50/model.onnx light/seeded/light_resnet50 out.onnx
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"secc.example/secc/frontend/onnx/onnxtest"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: seedlight MODEL.onnx SEEDED_DIR OUT.onnx")
		os.Exit(2)
	}
	if err := seed(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "seedlight:", err)
		os.Exit(1)
	}
}

func seed(model, dir, out string) error {
	data, err := os.ReadFile(model)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		return err
	}
	var meta struct {
		Gain            float64 `json:"gain"`
		ReferenceTensor string  `json:"reference_tensor"`
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		return err
	}
	if data, err = onnxtest.Seeded(data, meta.Gain, meta.ReferenceTensor); err != nil {
		return err
	}
	return os.WriteFile(out, data, 0o644)
}
