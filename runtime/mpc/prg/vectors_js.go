//go:build js && simd128

package prg

import (
	_ "embed"
	"unsafe"

	"secc.example/secc/internal/kernel"
)

// vectors is a module that works in this program's memory, in vectors of 128 bits. What loads the
// program lends the three functions below (clients/web/kernels.js).
//
//go:embed vectors.wasm
var vectors []byte

// loadVectors says 1 if the module could be made, 0 if not.
//
//go:wasmimport secc load
func loadVectors(module unsafe.Pointer, n uint32) uint32

//go:wasmimport secc encrypt
//go:noescape
func encryptVectors(q, keys unsafe.Pointer, n, last uint32)

var vectorRounds = kernel.New("prg.rounds", kernel.When(kernel.WASM, loadVectors(unsafe.Pointer(&vectors[0]), uint32(len(vectors))) == 1))

// byVectors runs n rounds, and a last one if there is to be one, if vectors are what runs.
func (q *sliced) byVectors(keys []sliced, n, last int) bool {
	if vectorRounds.Variant() != kernel.WASM {
		return false
	}
	_ = keys[n+last-1]
	encryptVectors(unsafe.Pointer(q), unsafe.Pointer(&keys[0]), uint32(n), uint32(last))
	return true
}
