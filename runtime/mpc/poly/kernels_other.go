//go:build !amd64 || purego

package poly

// Without the assembly no ring selects it: none of these is ever called.

const (
	ifmaMinForward = 64
	ifmaMinInverse = 512
)

type (
	packTables struct{}
	aesKeys    struct{}
)

const absent = "BUG: poly: an assembly kernel was called in a build without them"

func (*Ring) forwardIFMA([]uint64, int)                        { panic(absent) }
func (*Ring) inverseIFMA([]uint64)                             { panic(absent) }
func addIFMA(_, _, _ []uint64, _ uint64)                       { panic(absent) }
func subIFMA(_, _, _ []uint64, _ uint64)                       { panic(absent) }
func negIFMA(_, _ []uint64, _ uint64)                          { panic(absent) }
func (*Ring) mulIFMA(_, _, _ []uint64)                         { panic(absent) }
func mulOperandIFMA(_, _ []uint64, _ operand, _ uint64)        { panic(absent) }
func (*Ring) liftIFMA(_, _ []uint64, _, _ uint64)              { panic(absent) }
func dotIFMA([]*Acc, [][][]uint64, [][]uint64, int, int, int)  { panic(absent) }
func (*Ring) digitIFMA(_, _ []uint64, _ digitOf)               { panic(absent) }
func (*Acc) reduceIFMA([]uint64)                               { panic(absent) }
func (*Ring) addProductsIFMA([]uint64, [][]uint64, [][]uint64) { panic(absent) }
func spreadIFMA([]uint64, int)                                 { panic(absent) }
func permuteIFMA(_, _ []uint64, _ []uint32, _ *[8][8]uint64)   { panic(absent) }
func (*Ring) encodeIFMA(_, _ []uint64, _ int, _ bool) int      { panic(absent) }
func (*Ring) roundIFMA(_, _ []uint64, _ int) int               { panic(absent) }
func (*Ring) dropIFMA(_, _ []uint64, _ int) int                { panic(absent) }
func (*Ring) restoreIFMA(_, _ []uint64, _ int) int             { panic(absent) }
func (*Ring) noiseIFMA(_, _ []uint64) int                      { panic(absent) }
func (*Ring) ternaryIFMA(_, _ []uint64) int                    { panic(absent) }
func (*Ring) uniformIFMA(_, _ []uint64) (int, int)             { panic(absent) }
func newAESKeys(*Seed) *aesKeys                                { panic(absent) }
func (*aesKeys) keystream([]uint64, *[16]byte, uint64)         { panic(absent) }
func newPackTables(int) *packTables                            { panic(absent) }
func (*Packer) packFast([]byte, []uint64) int                  { panic(absent) }
func (*Packer) unpackFast([]uint64, []byte) int                { panic(absent) }
