//go:build !js || !simd128

package prg

//go:generate go -C _asm run ./wasm -source ../soft.go -out ../vectors.wasm

// byVectors runs rounds where there are vectors of 128 bits beside Go: in WebAssembly.
func (*sliced) byVectors([]sliced, int, int) bool { return false }
