//go:build !amd64 || purego

package poly

import "secc.example/secc/internal/kernel"

// Without the assembly no ring selects it: none of these is ever called.

const (
	ifmaMinForward = 64
	ifmaMinInverse = 512
	fmaLanes       = 0
)

type (
	packTables struct{}
	aesKeys    struct{}
)

const absent = "BUG: poly: an assembly kernel was called in a build without them"

func (*Ring) forwardIFMA([]uint64, int)                                 { panic(absent) }
func (*Ring) inverseIFMA([]uint64)                                      { panic(absent) }
func (*Ring) mulIFMA(_, _, _ []uint64)                                  { panic(absent) }
func mulOperandIFMA(_, _ []uint64, _ operand, _ uint64)                 { panic(absent) }
func (*Acc) ifmaStrip(_, _ *[]uint64, _, _, _ int, _ uint64)            { panic(absent) }
func ifmaPairStrip(_, _ *Acc, _, _, _ *[]uint64, _, _, _ int, _ uint64) { panic(absent) }
func (*Acc) reduceIFMA([]uint64)                                        { panic(absent) }
func (*Ring) addProductsIFMA([]uint64, [][]uint64, [][]uint64)          { panic(absent) }
func spreadIFMA([]uint64, int)                                          { panic(absent) }
func permuteIFMA(_, _ []uint64, _ []uint32, _ *[8][8]uint64)            { panic(absent) }
func newAESKeys(*Seed) *aesKeys                                         { panic(absent) }
func (*aesKeys) keystream(kernel.Variant, []uint64, *[16]byte, uint64)  { panic(absent) }
func newPackTables(int, Variant) *packTables                            { return nil }

func (*Ring) addLanes(_, _, _ []uint64)                    { panic(absent) }
func (*Ring) subLanes(_, _, _ []uint64)                    { panic(absent) }
func (*Ring) negLanes(_, _ []uint64)                       { panic(absent) }
func (*Ring) digitLanes(_, _ []uint64, _ digitOf)          { panic(absent) }
func reduceLanes(_, _, _ []uint64, _ *fmaTables)           { panic(absent) }
func (*Ring) encodeLanes(_, _ []uint64, _ int, _ bool) int { panic(absent) }
func (*Ring) roundLanes(_, _ []uint64, _ int) int          { panic(absent) }
func (*Ring) dropLanes(_, _ []uint64, _ int) int           { panic(absent) }
func (*Ring) restoreLanes(_, _ []uint64, _ int) int        { panic(absent) }
func (*Ring) noiseLanes(_, _ []uint64) int                 { panic(absent) }
func (*Ring) ternaryLanes(_, _ []uint64) int               { panic(absent) }
func (*Ring) uniformLanes(_, _ []uint64) (int, int)        { panic(absent) }
func (*Packer) packFast([]byte, []uint64) int              { panic(absent) }
func (*Packer) unpackFast([]uint64, []byte) int            { panic(absent) }

// keyed says whether a variant of AES has a key stream here.
func keyed(kernel.Variant) bool { return false }
